use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A Skipper's listing, as its support listener gives it.
#[derive(Clone, Default)]
struct Listing {
    timestamp: u64,
    valid: usize,
    refused: usize,
    /// After so many pages it builds another table.
    changes_after: Option<usize>,
    knows_refused: bool,
}

#[derive(Clone, Default)]
struct Skipper(Arc<Mutex<Listing>>, Arc<AtomicUsize>);

async fn list(
    State(Skipper(listing, asked)): State<Skipper>,
    RawQuery(query): RawQuery,
) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let parameter = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let number = |name: &str| parameter(name).map(|value| value.parse::<usize>().unwrap());
    let pages = asked.fetch_add(1, Ordering::SeqCst) + 1;
    let mut listing = listing.lock();
    if listing.changes_after.is_some_and(|after| pages.is_multiple_of(after)) {
        listing.timestamp += 1;
    }
    let refused = listing.knows_refused && parameter("invalid").is_some();
    let (name, count) = if refused { ("bad", listing.refused) } else { ("good", listing.valid) };
    let from = number("offset").unwrap_or(0).min(count);
    let to = (from + number("limit").unwrap_or(1024)).min(count);
    let lines: Vec<String> = (from..to).map(|place| format!("{name}{place}: * -> <shunt>;")).collect();
    let headers = [
        (X_TIMESTAMP.to_owned(), listing.timestamp.to_string()),
        (X_COUNT.to_owned(), count.to_string()),
        ("date".to_owned(), httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))),
    ];
    (headers.map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value)), lines.join("\n"))
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn skipper(listing: Listing) -> (Peer, Skipper) {
    let skipper = Skipper(Arc::new(Mutex::new(listing)), Arc::default());
    let router = Router::new().route("/routes", get(list)).with_state(skipper.clone());
    (Peer::new(&serve(router).await, 5 * SECOND).unwrap(), skipper)
}

#[tokio::test]
async fn all_pages_of_a_skipper_are_read_and_what_it_refuses_to_run() {
    let listing =
        Listing { timestamp: 1, valid: 2 * PAGE + 5, refused: 3, knows_refused: true, ..Default::default() };
    let (mut peer, Skipper(listing, asked)) = skipper(listing).await;
    let shown = peer.look().await.unwrap().unwrap();
    assert_eq!((shown.text.lines().count(), shown.count), (2 * PAGE + 8, Some(2 * PAGE + 8)));
    assert!(
        shown.text.contains(&format!("good{}: ", 2 * PAGE + 4))
            && shown.text.ends_with("bad2: * -> <shunt>;")
    );

    let before = asked.load(Ordering::SeqCst);
    assert_eq!(peer.look().await.unwrap(), None, "the stamp is the same, and old");
    assert_eq!(asked.load(Ordering::SeqCst) - before, 1, "one HEAD");
    listing.lock().timestamp = 999_999;
    assert!(peer.look().await.unwrap().is_some());
    assert!(peer.look().await.unwrap().is_some(), "another table may have come within that second");
}

#[tokio::test]
async fn an_older_skipper_does_not_know_what_it_refuses() {
    let (mut peer, _) = skipper(Listing { timestamp: 1, valid: 7, ..Default::default() }).await;
    let shown = peer.look().await.unwrap().unwrap();
    assert_eq!((shown.text.lines().count(), shown.count), (7, Some(7)));
}

#[tokio::test]
async fn pages_of_two_tables_are_none() {
    let listing = Listing { timestamp: 1, valid: 2 * PAGE, knows_refused: true, ..Default::default() };
    let (mut peer, Skipper(listing, asked)) = skipper(Listing { changes_after: Some(2), ..listing }).await;
    assert!(matches!(peer.look().await, Err(PeerError::Moving)));
    asked.store(2, Ordering::SeqCst);
    listing.lock().changes_after = Some(4);
    assert!(peer.look().await.is_ok_and(|shown| shown.is_some()), "the second attempt has one table");
}

async fn tagged(headers: HeaderMap) -> axum::response::Response {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"t\"") {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let headers = [(header::ETAG, "\"t\""), (http::HeaderName::from_static(X_COUNT), "1")];
    (headers, "a: * -> <shunt>").into_response()
}

async fn stalling() -> axum::body::Body {
    axum::body::Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
}

#[tokio::test]
async fn a_table_is_read_once_under_its_tag() {
    let url = serve(Router::new().route("/routes/zone", get(tagged))).await;
    let mut peer = Peer::new(&format!("{url}/routes/zone"), SECOND).unwrap();
    let shown = Shown { text: "a: * -> <shunt>".to_owned(), count: Some(1) };
    assert_eq!(peer.look().await.unwrap().as_ref(), Some(&shown));
    assert_eq!(peer.look().await.unwrap(), None);
    peer.forget();
    assert_eq!(peer.look().await.unwrap(), Some(shown));
}

#[tokio::test]
async fn whatever_is_no_answer_says_so_in_time() {
    let url = serve(Router::new().route("/routes", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))).await;
    let error = Peer::new(&url, SECOND).unwrap().look().await.unwrap_err();
    assert_eq!(error.to_string(), "it answers 503 Service Unavailable");

    let url = serve(Router::new().route("/routes", get(stalling))).await;
    let error = Peer::new(&url, SECOND / 10).unwrap().look().await.unwrap_err();
    assert!(matches!(error, PeerError::Deadline(_)), "{error}");

    let gzip = || async { ([(header::CONTENT_ENCODING, "gzip")], "no gzip") };
    let url = serve(Router::new().route("/routes", get(gzip))).await;
    assert!(matches!(Peer::new(&url, SECOND).unwrap().look().await, Err(PeerError::Text(_))));

    for bad in ["127.0.0.1:9911", "https://a", "", "http://", "http://a/routes?x"] {
        assert!(matches!(Peer::new(bad, SECOND), Err(PeerError::Address(_))), "{bad}");
    }
}
