//! HTTP/2 over real connections: the same answers as over HTTP/1.1.

use bytes::Bytes;
use http::header::{CONNECTION, DATE, ETAG, IF_NONE_MATCH};
use http::{Request, Response, StatusCode};

use super::*;

/// The answer with its body.
async fn ask(client: &h2::client::SendRequest<Bytes>, tag: Option<&str>) -> Response<Vec<u8>> {
    let mut request = Request::get("http://routes:9090/routes");
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let mut client = client.clone().ready().await.expect("room");
    let (answer, _) = client.send_request(request.body(()).expect("a request"), true).expect("open");
    let (head, mut body) = timeout(PATIENCE, answer).await.expect("in time").expect("an answer").into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("whole");
        body.flow_control().release_capacity(data.len()).expect("it came");
        bytes.extend_from_slice(&data);
    }
    Response::from_parts(head, bytes)
}

#[tokio::test]
async fn whoever_begins_with_http2_is_answered_in_it() {
    let large = "x".repeat(3 << 20);
    let lab = Lab::serving(large.clone()).await;
    let (client, connection) = h2::client::handshake(lab.connect().await).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let whole = ask(&client, None).await;
    assert_eq!((whole.status(), whole.body().len()), (StatusCode::OK, large.len()));
    assert_eq!(whole.headers()["x-table-version"], "1.1");
    assert!(whole.headers().contains_key(DATE) && !whole.headers().contains_key(CONNECTION));
    let tag = whole.headers()[ETAG].to_str().expect("text").to_owned();
    let (unchanged, other) = tokio::join!(ask(&client, Some(&tag)), ask(&client, Some("\"other\"")));
    assert_eq!((unchanged.status(), unchanged.body().len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!((other.status(), other.body().len()), (StatusCode::OK, large.len()));
    assert_eq!((lab.metrics.accepted.get(), lab.metrics.bodies.get()), (1, 2));

    lab.begin.cancel();
    assert_eq!(ask(&client, Some(&tag)).await.status(), StatusCode::NOT_MODIFIED);
    timeout(PATIENCE, connection).await.expect("it says goodbye").expect("joined").expect("in order");
    lab.close.cancel();
    assert_eq!(lab.stopped().await, DrainReport { open: 0, cut: 0 });
}

#[tokio::test]
async fn a_preface_in_pieces_is_one_and_what_begins_like_it_is_not() {
    let lab = Lab::serving(SMALL).await;
    let mut stream = lab.connect().await;
    stream.set_nodelay(true).expect("open");
    for piece in ["PRI", " * HTTP/2.0\r\n\r\n", "SM\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.expect("open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("open");
    let mut head = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("in time").expect("a frame");
    assert_eq!(head[3], 4, "SETTINGS");

    let mut stream = lab.connect().await;
    stream.set_nodelay(true).expect("open");
    stream.write_all(b"P").await.expect("open");
    tokio::time::sleep(Duration::from_millis(10)).await;
    stream.write_all(b"OST /routes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("open");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 405 "));
}
