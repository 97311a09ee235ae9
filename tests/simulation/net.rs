//! turmoil's network as a port of the product, and what is cut on it.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bellwether::net::{Accept, Network, Stream};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use turmoil::net::{TcpListener, TcpStream};

/// The ways, from a host to a host by name, on which everything is lost now.
#[derive(Clone, Debug, Default)]
pub struct Cuts(Arc<Mutex<BTreeSet<(String, String)>>>);

impl Cuts {
    pub fn cut(&self, from: &str, to: &str) {
        self.0.lock().insert((from.to_owned(), to.to_owned()));
    }

    pub fn mend(&self, a: &str, b: &str) {
        self.0.lock().retain(|(from, to)| {
            (from, to) != (&a.into(), &b.into()) && (from, to) != (&b.into(), &a.into())
        });
    }

    fn between(&self, a: &str, b: &str) -> bool {
        let cuts = self.0.lock();
        cuts.iter().any(|(from, to)| (from == a && to == b) || (from == b && to == a))
    }
}

/// The network as the host of this name sees it.
pub struct Turmoil {
    pub host: &'static str,
    pub cuts: Cuts,
}

impl Network for Turmoil {
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Accept>> {
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        let listener = TcpListener::bind(any).now_or_never().expect("turmoil binds at once")?;
        Ok(Box::new(Listening(listener, any)))
    }

    fn resolve(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = address.parse() {
            return Ok(vec![address]);
        }
        let (name, port) = address.rsplit_once(':').ok_or(io::ErrorKind::NotFound)?;
        let port = port.parse().map_err(|_| io::ErrorKind::NotFound)?;
        Ok(vec![SocketAddr::new(turmoil::lookup(name), port)])
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Stream>> {
        connect(self.host, self.cuts.clone(), address).boxed()
    }
}

/// turmoil refuses where a greeting is lost; a network that loses things says nothing.
pub async fn connect(host: &'static str, cuts: Cuts, address: SocketAddr) -> io::Result<Stream> {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok(Stream::Other { io: Box::new(stream), peer: address }),
        Err(_) if cuts.between(host, &name(address.ip())) => pending().await,
        Err(error) => Err(error),
    }
}

fn name(address: IpAddr) -> String {
    turmoil::reverse_lookup(address).unwrap_or_default()
}

struct Listening(TcpListener, SocketAddr);

impl Accept for Listening {
    fn accept(&self) -> BoxFuture<'_, io::Result<Stream>> {
        async {
            let (stream, peer) = self.0.accept().await?;
            Ok(Stream::Other { io: Box::new(stream), peer })
        }
        .boxed()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.1)
    }
}
