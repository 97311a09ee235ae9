//! The Service's address on loopback: a round-robin TCP proxy over the replicas in the rotation.
//!
//! A connection that a replica does not take goes to the next one; once it is taken, nothing is tried again. The client's
//! address stays, as with kube-proxy.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Members;
use crate::address;

/// How many connections it can say the replica of.
const REMEMBERED: usize = 4096;

pub struct Proxy {
    members: Arc<Members>,
    turn: AtomicUsize,
    taken: Mutex<VecDeque<(SocketAddr, String)>>,
}

impl Proxy {
    pub fn new(members: Arc<Members>) -> Self {
        Self { members, turn: AtomicUsize::default(), taken: Mutex::default() }
    }

    /// Takes connections for as long as it is asked to.
    pub async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((client, from)) = listener.accept() => {
                    connections.spawn(Arc::clone(&self).carry(client, from));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// The replica that took the connection from `client`, if one did and it is not too long ago.
    pub fn taken_by(&self, client: SocketAddr) -> Option<String> {
        let taken = self.taken.lock();
        taken.iter().rev().find(|(address, _)| *address == client).map(|(_, name)| name.clone())
    }

    /// Carries one connection to the next replica that takes it; closes it where none does.
    async fn carry(self: Arc<Self>, mut client: TcpStream, from: SocketAddr) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.members.all.len();
        let members = (0..count).map(|step| &self.members.all[(turn + step) % count]);
        for member in members.filter(|member| member.rotating.load(Ordering::SeqCst)) {
            let connecting = address::connect(from.ip(), member.target.serve);
            let connected = tokio::time::timeout(Duration::from_secs(1), connecting).await;
            let Ok(Ok(mut server)) = connected else { continue };
            self.took(from, &member.target.name);
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            // An error is one side's reset: closing both passes it on.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }

    fn took(&self, client: SocketAddr, name: &str) {
        let mut taken = self.taken.lock();
        if taken.len() == REMEMBERED {
            taken.pop_front();
        }
        taken.push_back((client, name.to_owned()));
    }
}
