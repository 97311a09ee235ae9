use std::time::Duration;

use serde_json::json;

use super::*;
use crate::http::{Call, Failure, Reply as Answer};

const INGRESSES: &str = "/apis/networking.k8s.io/v1/ingresses";

async fn fake() -> FakeApi {
    let ingress = |name: &str, namespace: &str| json!({"kind": "Ingress", "metadata": {"name": name, "namespace": namespace}});
    FakeApi::start(&[ingress("a", "x"), ingress("b", "y"), ingress("c", "x")]).await.unwrap()
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

#[tokio::test]
async fn lists_have_versions_and_items_have_uids() {
    let api = fake().await;
    let all = list(&api, INGRESSES).await;
    assert_eq!(names(&all), ["a", "b", "c"]);
    assert_eq!(all["metadata"]["resourceVersion"], "1001");
    assert_eq!(all["items"][0]["metadata"]["uid"], "Ingress-x-a");
    assert_eq!(all["items"][0]["kind"], Value::Null);
    assert_eq!(names(&list(&api, "/apis/networking.k8s.io/v1/namespaces/x/ingresses").await), ["a", "c"]);
    assert_eq!(api.asked(Endpoint::Ingresses), 2);
}

#[tokio::test]
async fn pages_continue_and_expire() {
    let api = fake().await;
    let first = list(&api, &format!("{INGRESSES}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    let next = format!("{INGRESSES}?limit=2&continue={}", first["metadata"]["continue"].as_str().unwrap());
    assert_eq!(names(&list(&api, &next).await), ["c"]);
    api.replace(&[]);
    assert_eq!(get(&api, &next).await.unwrap().status, 410);
}

#[tokio::test]
async fn what_does_not_change_keeps_its_version() {
    let api = FakeApi::start(&[json!({"kind": "Service", "metadata": {"name": "a"}})]).await.unwrap();
    api.replace(&[
        json!({"kind": "Service", "metadata": {"name": "a"}}),
        json!({"kind": "Service", "metadata": {"name": "b"}}),
    ]);
    let all = list(&api, "/api/v1/services").await;
    assert_eq!(all["metadata"]["resourceVersion"], "1002");
    assert_eq!(all["items"][0]["metadata"]["resourceVersion"], "1001");
    assert_eq!(all["items"][1]["metadata"]["resourceVersion"], "1002");
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
        let call = Call { deadline: Duration::from_secs(20), ..Call::get(api.address, INGRESSES) };
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
async fn other_paths_are_not_there() {
    let api = fake().await;
    for path in ["/", "/api/v1/pods", "/apis/apps/v1/services"] {
        assert_eq!(get(&api, path).await.unwrap().status, 404, "{path}");
    }
}
