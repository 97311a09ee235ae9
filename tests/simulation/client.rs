//! A client of the fleet: polls the replicas in turn, with the ETag of the table that it has.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::net::{Cuts, connect};
use super::witness::{Answer, Witness};

/// Between two polls.
const EVERY: Duration = Duration::from_millis(90);
/// How long one may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// Polls `replicas` for ever.
pub async fn poll(
    name: &'static str,
    replicas: [&'static str; 3],
    cuts: Cuts,
    witness: Arc<Mutex<Witness>>,
) -> turmoil::Result {
    for replica in replicas.into_iter().cycle() {
        tokio::time::sleep(EVERY).await;
        let held = witness.lock().holds(name).map(|held| held.etag);
        let answer = tokio::time::timeout(PATIENCE, ask(name, replica, cuts.clone(), held)).await;
        if let Ok(Some(answer)) = answer {
            let mut witness = witness.lock();
            witness.at(turmoil::sim_elapsed().unwrap_or_default());
            witness.answered(name, replica, &answer);
        }
    }
    Ok(())
}

/// One poll; none where the connection breaks.
async fn ask(name: &'static str, replica: &str, cuts: Cuts, held: Option<String>) -> Option<Answer> {
    let address = (turmoil::lookup(replica), 9090).into();
    let stream = connect(name, cuts, address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::get("/routes").header(header::HOST, replica);
    if let Some(etag) = held {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).ok()?).await.ok()?;
    let text = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let (status, etag) = (answer.status().as_u16(), text("etag"));
    let version = text("x-table-version").and_then(|it| it.parse().ok());
    let body = answer.into_body().collect().await.ok()?.to_bytes().to_vec();
    Some(Answer { status, etag, version, body })
}
