use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use super::*;
use crate::http::{Call, Failure, Reply as Answer};

const INGRESSES: &str = "/apis/networking.k8s.io/v1/ingresses";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/x/leases";

fn ingress(name: &str, namespace: &str) -> Value {
    json!({"kind": "Ingress", "metadata": {"name": name, "namespace": namespace}})
}

async fn fake() -> FakeApi {
    FakeApi::start(&[ingress("c", "x"), ingress("b", "y"), ingress("a", "x")]).await.unwrap()
}

async fn get(api: &FakeApi, path: &str) -> Result<Answer, Failure> {
    let call = Call { deadline: Duration::from_millis(300), ..Call::get(api.address, path) };
    call.send().await.map(|(_, reply)| reply)
}

async fn list(api: &FakeApi, path: &str) -> Value {
    serde_json::from_slice(&get(api, path).await.unwrap().body).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

/// The status and the body of a request with a body.
async fn send(api: &FakeApi, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// The events of a watch.
async fn watch(api: &FakeApi, query: &str) -> Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let request = format!("GET {INGRESSES}?watch=1&{query} HTTP/1.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    lines
}

/// The next event: its type, the name and the version of its object.
async fn event(watch: &mut Lines<BufReader<TcpStream>>) -> (String, String, String) {
    let event: Value = serde_json::from_str(&watch.next_line().await.unwrap().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &event["object"]["metadata"];
    (text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"]))
}

#[tokio::test]
async fn lists_are_in_the_order_of_the_store_and_have_its_version() {
    let api = fake().await;
    let all = list(&api, INGRESSES).await;
    assert_eq!(names(&all), ["a", "c", "b"]);
    assert_eq!((&all["kind"], &all["apiVersion"]), (&json!("IngressList"), &json!("networking.k8s.io/v1")));
    assert_eq!(all["metadata"]["resourceVersion"], "1003");
    assert_eq!(all["items"][0]["metadata"]["resourceVersion"], "1003");
    assert_eq!(all["items"][0]["kind"], Value::Null);
    assert_eq!(names(&list(&api, "/apis/networking.k8s.io/v1/namespaces/x/ingresses").await), ["a", "c"]);
    assert_eq!(api.asked(Endpoint::Ingresses), 2);
}

#[tokio::test]
async fn pages_show_one_moment_until_it_is_forgotten() {
    let api = fake().await;
    let first = list(&api, &format!("{INGRESSES}?limit=2")).await;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "c"], &json!(1)));
    let next = format!("{INGRESSES}?limit=2&continue={}", first["metadata"]["continue"].as_str().unwrap());
    api.replace(&[]);
    let second = list(&api, &next).await;
    assert_eq!(names(&second), ["b"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    api.compact();
    assert_eq!(get(&api, &next).await.unwrap().status, 410);
    assert_eq!(names(&list(&api, INGRESSES).await), [""; 0]);
}

#[tokio::test]
async fn what_does_not_change_keeps_its_version_and_what_stays_its_uid() {
    let service =
        |name: &str, port: u16| json!({"kind": "Service", "metadata": {"name": name}, "spec": port});
    let api = FakeApi::start(&[service("a", 1), service("b", 1)]).await.unwrap();
    let before = api.objects();
    api.replace(&[service("b", 2), service("a", 1), service("c", 1)]);
    let after = api.objects();
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1]["metadata"]["uid"], before[1]["metadata"]["uid"]);
    assert_eq!(after[1]["metadata"]["resourceVersion"], "1003");
    assert_eq!(after[2]["metadata"]["namespace"], "default");
}

#[tokio::test]
async fn who_writes_must_have_seen_what_is_there() {
    let api = fake().await;
    let lease = |spec: u8| json!({"metadata": {"name": "l"}, "spec": spec});
    let one = format!("{LEASES}/l");
    assert_eq!(send(&api, "PUT", &one, &lease(1)).await.0, 404);
    let (code, first) = send(&api, "POST", LEASES, &lease(1)).await;
    assert_eq!(code, 201);
    let (code, refused) = send(&api, "POST", LEASES, &lease(1)).await;
    assert_eq!((code, &refused["reason"]), (409, &json!("AlreadyExists")));
    let mut next = first.clone();
    next["spec"] = json!(2);
    assert_eq!(send(&api, "PUT", &one, &next).await.0, 200);
    let (code, refused) = send(&api, "PUT", &one, &next).await;
    assert_eq!((code, &refused["reason"]), (409, &json!("Conflict")));
    assert_eq!(list(&api, &one).await["spec"], 2);
    assert_eq!(send(&api, "PUT", &one, &json!({"metadata": {"name": "other"}})).await.0, 422);
    assert_eq!(send(&api, "PATCH", &one, &next).await.0, 405);
    api.replace(&[]);
    assert_eq!(send(&api, "DELETE", &one, &json!({})).await.0, 200);
    assert_eq!(get(&api, &one).await.unwrap().status, 404);
}

#[tokio::test]
async fn watches_tell_what_is_there_and_then_what_changes() {
    let api = FakeApi::start(&[ingress("a", "x")]).await.unwrap();
    let told = |kind: &str, name: &str, version: &str| (kind.to_owned(), name.to_owned(), version.to_owned());
    let mut from_nothing = watch(&api, "allowWatchBookmarks=true").await;
    assert_eq!(event(&mut from_nothing).await, told("ADDED", "a", "1001"));
    let mut from_now = watch(&api, "resourceVersion=1001").await;
    let mut other = ingress("a", "x");
    other["spec"] = json!({});
    api.replace(&[other, ingress("b", "x")]);
    api.replace(&[ingress("b", "x")]);
    for watch in [&mut from_nothing, &mut from_now] {
        assert_eq!(event(watch).await, told("MODIFIED", "a", "1002"));
        assert_eq!(event(watch).await, told("ADDED", "b", "1003"));
        assert_eq!(event(watch).await, told("DELETED", "a", "1004"));
    }
    assert_eq!(event(&mut from_nothing).await, told("BOOKMARK", "", "1004"));
    api.compact();
    assert_eq!(event(&mut watch(&api, "resourceVersion=1002").await).await.0, "ERROR");
    let mut one = watch(&api, "fieldSelector=metadata.name%3Dzzz&timeoutSeconds=0").await;
    assert_eq!(one.next_line().await.unwrap(), None);
}

#[tokio::test]
async fn two_serve_one_store_with_faults_of_their_own() {
    let one = fake().await;
    let two = one.beside().await.unwrap();
    one.break_with(Endpoint::Ingresses, Fault::Status(429));
    let refused = get(&one, INGRESSES).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    two.replace(&[ingress("z", "x")]);
    assert_eq!(names(&list(&two, INGRESSES).await), ["z"]);
    one.heal();
    assert_eq!(names(&list(&one, INGRESSES).await), ["z"]);
    assert_eq!((one.asked(Endpoint::Ingresses), two.asked(Endpoint::Ingresses)), (2, 1));
}

#[tokio::test]
async fn polls_wait_to_be_let_through() {
    let api = fake().await;
    api.hold();
    let poll = async {
        let call = Call { deadline: Duration::from_secs(20), ..Call::get(api.address, INGRESSES) };
        names(&serde_json::from_slice(&call.send().await.unwrap().1.body).unwrap()).len()
    };
    let changing = async {
        api.held().await;
        api.replace(&[ingress("z", "x")]);
        api.let_one_through();
    };
    assert_eq!(tokio::join!(poll, changing).0, 1);
    assert!(get(&api, INGRESSES).await.is_err(), "the next one waits");
}

#[tokio::test]
async fn faults_last_until_they_are_healed() {
    let api = fake().await;
    for fault in Fault::ALL {
        api.break_with(Endpoint::Ingresses, fault);
        let answer = get(&api, INGRESSES).await;
        match fault {
            Fault::Status(code) => assert_eq!(answer.unwrap().status, code),
            Fault::CutJson | Fault::Stall | Fault::Reset => drop(answer.unwrap_err()),
            _ => assert!(!String::from_utf8_lossy(&answer.unwrap().body).contains("\"name\"")),
        }
        assert_eq!(get(&api, "/api/v1/services").await.unwrap().status, 200);
        api.heal();
        assert_eq!(names(&list(&api, INGRESSES).await).len(), 3);
    }
}

#[tokio::test]
async fn what_stalls_ends_when_it_is_healed() {
    let api = fake().await;
    api.break_with(Endpoint::Ingresses, Fault::Stall);
    let asking = async {
        let call = Call { deadline: STALL, ..Call::get(api.address, INGRESSES) };
        call.send().await.unwrap_err().cause
    };
    let healing = async {
        while api.asked(Endpoint::Ingresses) == 0 {
            tokio::task::yield_now().await;
        }
        api.heal();
    };
    let (cause, ()) = tokio::join!(asking, healing);
    assert!(!cause.contains("no complete answer within"), "{cause}");
}

#[tokio::test]
async fn what_is_broken_writes_nothing() {
    let api = fake().await;
    api.break_with(Endpoint::Leases, Fault::EmptyObject);
    assert_eq!(send(&api, "POST", LEASES, &json!({"metadata": {"name": "l"}})).await.0, 200);
    api.heal();
    assert_eq!(get(&api, &format!("{LEASES}/l")).await.unwrap().status, 404);
}
