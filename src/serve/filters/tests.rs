use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RETRY_AFTER};

use super::*;

fn header(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

fn set(name: &'static str, value: &'static str) -> ServerFilter {
    let (name, value) = header(name, value);
    ServerFilter::SetHeader(name, value)
}

fn append(name: &'static str, value: &'static str) -> ServerFilter {
    let (name, value) = header(name, value);
    ServerFilter::AppendHeader(name, value)
}

fn inline() -> ServerFilter {
    let mime = HeaderValue::from_static("text/plain");
    ServerFilter::InlineContent { text: Bytes::from_static(b"closed"), mime }
}

async fn pass(filters: &[ServerFilter], headers: HeaderMap) -> Passage {
    let peer = Some("10.0.0.1:4711".parse().expect("an address"));
    Filters::new(filters).expect("no files").pass(&headers, peer, Moment::from_nanos(0)).await
}

async fn said(filters: &[ServerFilter]) -> Vec<String> {
    let Passage::Through(said) = pass(filters, HeaderMap::new()).await else { panic!("it is let through") };
    said.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect()
}

#[tokio::test]
async fn responses_go_back_through_the_filters() {
    assert_eq!(said(&[set("x-a", "1"), append("x-a", "2"), append("x-b", "3")]).await, ["x-b: 3", "x-a: 1"]);
    assert_eq!(said(&[append("x-a", "1"), append("x-a", "2")]).await, ["x-a: 2", "x-a: 1"]);
    let drop_it = ServerFilter::DropHeader(HeaderName::from_static("x-a"));
    assert_eq!(said(&[drop_it.clone(), set("x-a", "1")]).await, [""; 0]);
    assert_eq!(said(&[set("x-a", "1"), drop_it]).await, ["x-a: 1"]);
    assert_eq!(said(&[ServerFilter::Status(StatusCode::NOT_FOUND)]).await, [""; 0]);
}

#[test]
fn an_answer_keeps_what_it_says_of_itself() {
    let mut answer = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"a\""))]);
    let mut said = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"b\"")), header("x-a", "1")]);
    said.append("x-a", HeaderValue::from_static("2"));
    add(said, &mut answer);
    assert_eq!(answer.get_all(ETAG).iter().collect::<Vec<_>>(), ["\"a\""]);
    assert_eq!(answer.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn of_another_filters_answer_only_the_status_changes() {
    let before = [set("x-a", "1"), ServerFilter::Status(StatusCode::SERVICE_UNAVAILABLE), inline()];
    let behind = [ServerFilter::Status(StatusCode::NOT_FOUND), set("x-b", "1")];
    let Passage::Answered(answer) = pass(&[before.as_slice(), &behind].concat(), HeaderMap::new()).await
    else {
        panic!("it is answered");
    };
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "filters behind the answer are not asked");
    assert_eq!(
        (&answer.headers[CONTENT_TYPE], &answer.headers[CONTENT_LENGTH]),
        (&"text/plain".parse().unwrap(), &6.into())
    );
    assert_eq!(answer.headers.len(), 2);
}

#[tokio::test]
async fn a_limit_answers_with_when_to_ask_again() {
    let of = |per| ServerFilter::RateLimit {
        hits: 1,
        window: Duration::from_secs(60),
        per,
        status: StatusCode::TOO_MANY_REQUESTS,
    };
    let ask = async |filters: &Filters, peer: &str, headers: HeaderMap| {
        let peer = Some(peer.parse().expect("an address"));
        match filters.pass(&headers, peer, Moment::from_nanos(0)).await {
            Passage::Through(_) => None,
            Passage::Answered(answer) => Some(answer),
        }
    };
    let by_address = Filters::new(&[of(Per::Address)]).unwrap();
    assert!(ask(&by_address, "10.0.0.1:1", HeaderMap::new()).await.is_none());
    assert!(ask(&by_address, "10.0.0.2:1", HeaderMap::new()).await.is_none());
    let refused = ask(&by_address, "[::ffff:10.0.0.1]:2", HeaderMap::new()).await.expect("the same address");
    assert_eq!((refused.status, &refused.headers[RETRY_AFTER]), (StatusCode::TOO_MANY_REQUESTS, &60.into()));
    assert_eq!(refused.headers["x-rate-limit"], "60");

    let all = Filters::new(&[of(Per::All)]).unwrap();
    assert!(ask(&all, "10.0.0.1:1", HeaderMap::new()).await.is_none());
    assert!(ask(&all, "10.0.0.2:1", HeaderMap::new()).await.is_some());

    let by_header = Filters::new(&[of(Per::Header(AUTHORIZATION))]).unwrap();
    let with = || HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("x"))]);
    assert!(ask(&by_header, "10.0.0.1:1", with()).await.is_none());
    assert!(ask(&by_header, "10.0.0.2:1", with()).await.is_some());
    for _ in 0..3 {
        assert!(ask(&by_header, "10.0.0.2:1", HeaderMap::new()).await.is_none(), "without it nobody counts");
    }
}
