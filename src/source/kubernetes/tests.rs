use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::*;

mod fake;
mod reach;

use fake::{Answer, DISCOVERY, ENDPOINTS, Fake, GROUPS, INGRESSES, SERVICES, SLICES, named, source};

fn nothing(_: &str, _: &str, _: usize) -> Option<Answer> {
    None
}

/// Answers `status` and `body` for `path`, and else what the fake has.
fn at(path: &'static str, status: u16, body: &'static str) -> impl Fn(&str, &str, usize) -> Option<Answer> {
    move |asked, _, _| (asked == path).then(|| Answer::Plain(status, body.to_owned()))
}

async fn failure(
    script: impl Fn(&str, &str, usize) -> Option<Answer> + Send + Sync + 'static,
) -> SourceError {
    let (_fake, url) = Fake::start(script).await;
    source(&url, |_| ()).await.0.read().await.unwrap_err()
}

fn short(config: &mut KubernetesConfig) {
    config.deadlines.stall = Duration::from_millis(100);
}

#[tokio::test]
async fn every_list_is_read_and_its_version_kept() {
    let (fake, url) = Fake::start(nothing).await;
    let reading = source(&url, |_| ()).await.0.read().await.unwrap();
    let objects = &reading.objects;
    let counts = [&objects.ingresses.len(), &objects.route_groups.len(), &objects.services.len()];
    assert_eq!(counts, [&1, &1, &1]);
    assert_eq!((objects.endpoints.len(), objects.endpoint_slices.len()), (1, 0));
    let kinds: Vec<_> = objects.resource_versions.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Endpoints", "Ingress", "RouteGroup", "Service"]);
    assert_eq!(objects.resource_versions["Ingress"], "100");
    assert!(fake.asked.lock().iter().all(|target| !target.contains("resourceVersion")), "quorum reads only");
}

#[tokio::test]
async fn slices_take_the_place_of_endpoints() {
    let (fake, url) = Fake::start(nothing).await;
    let (mut source, _) = source(&url, |config| config.endpoint_slices = true).await;
    let objects = source.read().await.unwrap().objects;
    assert_eq!((objects.endpoints.len(), objects.endpoint_slices.len()), (0, 1));
    let asked = fake.asked.lock();
    assert!(asked.iter().any(|target| target.starts_with(SLICES)));
    assert!(!asked.iter().any(|target| target.starts_with(ENDPOINTS)));
}

#[tokio::test]
async fn what_refers_is_read_before_what_it_refers_to() {
    let (fake, url) = Fake::start(nothing).await;
    source(&url, |_| ()).await.0.read().await.unwrap();
    let asked = fake.asked.lock();
    let place = |path: &str| asked.iter().position(|target| target.starts_with(&format!("{path}?"))).unwrap();
    assert!(place(INGRESSES).max(place(GROUPS)) < place(SERVICES).min(place(ENDPOINTS)), "{asked:?}");
}

#[tokio::test]
async fn one_namespace_is_asked_for_by_its_paths() {
    let (fake, url) = Fake::start(nothing).await;
    let lists = ["networking.k8s.io/v1/namespaces/x/ingresses", "zalando.org/v1/namespaces/x/routegroups"];
    let lists = lists.iter().map(|path| format!("/apis/{path}"));
    let core = ["services", "endpoints"].map(|plural| format!("/api/v1/namespaces/x/{plural}"));
    *fake.lists.lock() = lists.chain(core).map(|path| (path, named(["a"]))).collect();
    let (mut source, _) = source(&url, |config| config.namespace = Some("x".to_owned())).await;
    let objects = source.read().await.unwrap().objects;
    assert_eq!((objects.ingresses.len(), objects.route_groups.len(), objects.services.len()), (1, 1, 1));
}

#[tokio::test]
async fn long_lists_come_in_pages_and_in_their_order() {
    let (fake, url) = Fake::start(nothing).await;
    fake.lists.lock().insert(INGRESSES.to_owned(), named(0..1234));
    let objects = source(&url, |_| ()).await.0.read().await.unwrap().objects;
    let names: Vec<_> = objects.ingresses.iter().map(|ingress| ingress.metadata.name.clone()).collect();
    assert_eq!(names, (0..1234).map(|i| i.to_string()).collect::<Vec<_>>());
    let asked = fake.asked.lock();
    assert_eq!(asked.iter().filter(|target| target.starts_with(INGRESSES)).count(), 3);
}

#[tokio::test]
async fn a_list_that_expires_between_its_pages_begins_again() {
    let (fake, url) = Fake::start(|path, query, before| {
        let expires = path == INGRESSES && query.ends_with("from-1000") && before == 0;
        expires.then(|| Answer::Plain(410, r#"{"message": "expired"}"#.to_owned()))
    })
    .await;
    fake.lists.lock().insert(INGRESSES.to_owned(), named(0..1234));
    let objects = source(&url, |_| ()).await.0.read().await.unwrap().objects;
    assert_eq!(objects.ingresses.len(), 1234);
    assert_eq!(fake.asked.lock().iter().filter(|target| target.starts_with(INGRESSES)).count(), 6);
}

#[tokio::test]
async fn a_list_that_always_expires_fails_after_some_attempts() {
    let (fake, url) = Fake::start(|_, query, _| {
        query.contains("continue").then(|| Answer::Plain(410, r#"{"message": "expired"}"#.to_owned()))
    })
    .await;
    fake.lists.lock().insert(INGRESSES.to_owned(), named(0..600));
    let error = source(&url, |_| ()).await.0.read().await.unwrap_err();
    assert_eq!((error.what.as_str(), error.code.as_str()), ("list ingresses", "410"));
    assert_eq!(fake.asked.lock().iter().filter(|target| target.contains("continue")).count(), 4);
}

#[tokio::test]
async fn objects_of_pages_that_did_not_change_are_those_of_the_poll_before() {
    let (_fake, url) = Fake::start(|path, query, before| {
        let (next, name) = if query.contains("continue") { ("", ["b", "c"][before]) } else { ("x", "a") };
        let text = format!(
            r#"{{"kind":"IngressList","metadata":{{"resourceVersion":"{}","continue":"{next}"}},"items":[{{"metadata":{{"name":"{name}"}}}}]}}"#,
            100 + before
        );
        (path == INGRESSES).then_some(Answer::Plain(200, text))
    })
    .await;
    let (mut source, _) = source(&url, |_| ()).await;
    let first = source.read().await.unwrap().objects;
    let second = source.read().await.unwrap().objects;
    assert!(Arc::ptr_eq(&first.ingresses[0], &second.ingresses[0]));
    assert_eq!(
        (first.ingresses[1].metadata.name.as_str(), second.ingresses[1].metadata.name.as_str()),
        ("b", "c")
    );
    assert_eq!(second.resource_versions["Ingress"], "101");
}

#[tokio::test]
async fn pages_in_a_circle_end() {
    let error = failure(|path, _, _| {
        let page = json!({"metadata": {"resourceVersion": "1", "continue": "x"}, "items": []});
        (path == SERVICES).then(|| Answer::Plain(200, page.to_string()))
    })
    .await;
    assert_eq!((error.what.as_str(), error.code.as_str()), ("list services", "decode"));
}

#[tokio::test]
async fn one_bad_object_costs_only_itself() {
    let (fake, url) = Fake::start(nothing).await;
    let bad = json!({"metadata": {"name": "bad", "namespace": "shop"}, "spec": {"rules": "none"}});
    fake.lists.lock().get_mut(INGRESSES).unwrap().insert(0, bad);
    let reading = source(&url, |_| ()).await.0.read().await.unwrap();
    assert_eq!(reading.objects.ingresses.len(), 1);
    let [diagnostic] = reading.diagnostics.as_slice() else { panic!("{:?}", reading.diagnostics) };
    let object = diagnostic.object.as_ref().unwrap();
    assert_eq!((object.kind.as_str(), object.name.as_str()), ("Ingress", "bad"));
}

#[tokio::test]
async fn an_object_nested_too_deeply_costs_only_itself() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let page = format!(r#"{{"metadata": {{"resourceVersion": "1"}}, "items": [{{"spec": {deep}}}, {{}}]}}"#);
    let (_fake, url) =
        Fake::start(move |path, _, _| (path == SERVICES).then(|| Answer::Plain(200, page.clone()))).await;
    let reading = source(&url, |_| ()).await.0.read().await.unwrap();
    assert_eq!((reading.objects.services.len(), reading.diagnostics.len()), (1, 1));
}

#[tokio::test]
async fn answers_that_are_no_list_fail_the_poll() {
    let answers = [
        "{}",
        "[]",
        "null",
        "",
        r#"{"items": null, "metadata": {"resourceVersion": "1"}}"#,
        r#"{"items": [], "metadata": {}}"#,
        r#"{"items": []}"#,
        r#"{"kind": "Status", "items": [], "metadata": {"resourceVersion": "1"}}"#,
        r#"{"kind": "PodList", "items": [], "metadata": {"resourceVersion": "1"}}"#,
        r#"{"items": [{"metadata": "#,
    ];
    for path in [INGRESSES, GROUPS, SERVICES, ENDPOINTS] {
        for answer in answers {
            let error = failure(at(path, 200, answer)).await;
            assert_eq!(error.code, "decode", "{path} {answer}: {error}");
        }
    }
    for answer in ["{}", "[]", "", r#"{"resources": null}"#] {
        let error = failure(at(DISCOVERY, 200, answer)).await;
        assert_eq!(
            (error.what.as_str(), error.code.as_str()),
            ("discover routegroups", "decode"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn no_crd_means_no_route_groups() {
    for script in [at(DISCOVERY, 404, ""), at(DISCOVERY, 200, r#"{"resources": [{"name": "stacks"}]}"#)] {
        let (fake, url) = Fake::start(script).await;
        let objects = source(&url, |_| ()).await.0.read().await.unwrap().objects;
        assert_eq!((objects.ingresses.len(), objects.route_groups.len()), (1, 0));
        assert!(!objects.resource_versions.contains_key("RouteGroup"));
        assert!(!fake.asked.lock().iter().any(|target| target.starts_with(GROUPS)));
    }
}

#[tokio::test]
async fn any_other_error_of_discovery_fails_the_poll() {
    for status in [401, 403, 410, 429, 500, 503] {
        let error = failure(at(DISCOVERY, status, "")).await;
        assert_eq!((error.what.as_str(), error.code), ("discover routegroups", status.to_string()));
    }
}

#[tokio::test]
async fn each_status_but_200_fails_the_poll_once() {
    for status in [201, 301, 400, 401, 403, 404, 410, 500, 503] {
        let (fake, url) = Fake::start(at(SERVICES, status, r#"{"message": "why"}"#)).await;
        let error = source(&url, |_| ()).await.0.read().await.unwrap_err();
        assert_eq!((error.what.as_str(), &error.code), ("list services", &status.to_string()));
        assert!(error.cause.contains("why"), "{error}");
        let tries = fake.asked.lock().iter().filter(|target| target.starts_with(SERVICES)).count();
        assert_eq!(tries, 1, "the caller decides about another try");
    }
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_rule_that_grants_it() {
    let error = failure(at(INGRESSES, 403, r#"{"message": "ingresses is forbidden"}"#)).await;
    assert_eq!(
        error.to_string(),
        "list ingresses: 403 Forbidden; ingresses is forbidden; allow the verb list on ingresses in the API group \
         \"networking.k8s.io\" (deploy/manifests/base/rbac.yaml)"
    );
}

#[tokio::test]
async fn the_wish_to_be_left_alone_reaches_the_caller() {
    let error = failure(|path, _, _| (path == ENDPOINTS).then_some(Answer::Later(7))).await;
    assert_eq!((error.code.as_str(), error.retry_after), ("429", Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let stall = || Answer::Stall(r#"{"items": ["#.to_owned());
    for answer in [(|| Answer::Silence) as fn() -> Answer, stall] {
        let (_fake, url) = Fake::start(move |path, _, _| (path == INGRESSES).then(answer)).await;
        let error = source(&url, short).await.0.read().await.unwrap_err();
        assert_eq!((error.what.as_str(), error.code.as_str()), ("list ingresses", "timeout"), "{error}");
        assert!(error.cause.contains("0.1 s"), "{error}");
    }
}

#[tokio::test]
async fn a_list_and_a_poll_have_deadlines_of_their_own() {
    let silent = |path: &str, _: &str, _: usize| (path == SERVICES).then_some(Answer::Silence);
    let (_fake, url) = Fake::start(silent).await;
    let list = |config: &mut KubernetesConfig| config.deadlines.list = Duration::from_millis(200);
    let error = source(&url, list).await.0.read().await.unwrap_err();
    assert_eq!((error.what.as_str(), error.code.as_str()), ("list services", "timeout"), "{error}");
    let poll = |config: &mut KubernetesConfig| config.deadlines.poll = Duration::from_millis(200);
    let error = source(&url, poll).await.0.read().await.unwrap_err();
    assert_eq!((error.what.as_str(), error.code.as_str()), ("read objects", "timeout"), "{error}");
}

#[tokio::test]
async fn a_body_that_breaks_off_fails_the_poll() {
    let whole = r#"{"metadata": {"resourceVersion": "1"}, "items": []}"#;
    for text in [r#"{"items": ["#, whole] {
        let error = failure(move |path, _, _| (path == SERVICES).then(|| Answer::Cut(text.to_owned()))).await;
        assert_eq!((error.what.as_str(), error.code.as_str()), ("list services", "cut"), "{error}");
    }
}

#[tokio::test]
async fn older_lists_do_not_count_until_they_stay() {
    let (fake, url) = Fake::start(nothing).await;
    let (mut source, clock) = source(&url, |_| ()).await;
    source.read().await.unwrap();
    *fake.version.lock() = 99;
    let error = source.read().await.unwrap_err();
    assert_eq!(error.code, "older");
    assert!(error.cause.contains("99") && error.cause.contains("100"), "{error}");
    clock.advance(Duration::from_secs(60));
    let reading = source.read().await.unwrap();
    assert!(reading.restored_store);
    assert!(!source.read().await.unwrap().restored_store);
}

#[tokio::test]
async fn a_new_leader_reads_nothing_older_than_what_it_inherits() {
    let (_fake, url) = Fake::start(nothing).await;
    let (mut source, _) = source(&url, |_| ()).await;
    source.raise_floor(&BTreeMap::from([("Service".to_owned(), "101".to_owned())]));
    assert_eq!(source.read().await.unwrap_err().code, "older");
}
