//! The network in the harness's own namespace: a bridge without a way out, and what hangs on it.
//!
//! Each place knows one way, to the harness, which passes packets on: so its rules see every one of them, and addresses
//! stay as they are. A bridge's own shortcut is closed by isolated ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;

use super::faults::Faults;
use super::place::Place;
use super::service::Services;
use super::slow::Rule;
use super::tool;

/// The harness on the bridge.
pub const HARNESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The first of the harness's further addresses; they reach to 10.77.255.255.
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 128, 0);

/// Where the system keeps namespaces that have a name. Ours is a mount that nobody else sees.
const NAMES: &str = "/run/netns";

/// What is not there at the start of the harness, and gone at its end.
pub struct Net {
    places: Mutex<BTreeMap<String, Spot>>,
    /// The places whose bandwidth is limited.
    limited: Mutex<BTreeSet<String>>,
    faults: Mutex<Faults>,
    services: Mutex<Services>,
}

/// A place's address, and the bridge's port to it.
#[derive(Clone, Debug)]
struct Spot {
    address: Ipv4Addr,
    port: String,
}

impl Net {
    /// Makes the bridge, the harness's addresses and the rules.
    ///
    /// # Errors
    ///
    /// Where the kernel lacks a part.
    pub fn make() -> Result<Self> {
        std::fs::create_dir_all(NAMES).with_context(|| format!("make {NAMES}"))?;
        tool::run("mount", &["-t", "tmpfs", "tmpfs", NAMES], "")?;
        ip(&format!(
            "link set lo up\n\
             link add fabric type bridge\n\
             address add {HARNESS}/16 dev fabric\n\
             link set fabric up\n\
             route add local {OWN}/17 dev lo\n\
             route add {} dev fabric src {HARNESS}\n",
            super::service::RANGE
        ))?;
        set("net/ipv4/ip_forward", "1")?;
        set("net/ipv4/conf/all/send_redirects", "0")?;
        set("net/ipv4/conf/fabric/send_redirects", "0")?;
        for (name, value) in [
            // Packets that only cross the bridge are none of our rules' business, where the kernel thinks otherwise.
            ("net/bridge/bridge-nf-call-iptables", "0"),
            // A packet out of its window is the receiver's to judge.
            ("net/netfilter/nf_conntrack_tcp_be_liberal", "1"),
            // Long enough to be asked about, short enough for thousands of polls.
            ("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "20"),
        ] {
            if Path::new("/proc/sys").join(name).exists() {
                set(name, value)?;
            }
        }
        let (places, limited, faults, services) = Default::default();
        let net = Self { places, limited, faults, services };
        tool::run("nft", &["-f", "-"], &net.faults.lock().table())?;
        tool::run("nft", &["-f", "-"], &net.services.lock().table())?;
        Ok(net)
    }

    /// The place called `name`, made where it is missing.
    pub fn place(self: &Arc<Self>, name: &str) -> Result<Place> {
        let mut places = self.places.lock();
        let there =
            |address| Place::in_namespace(name, address, Path::new(NAMES).join(name), Arc::clone(self));
        if let Some(spot) = places.get(name) {
            return Ok(there(spot.address));
        }
        ensure!(!name.is_empty() && !name.contains('/'), "{name:?} is no name for a place");
        let number = u32::try_from(places.len()).expect("places are few") + 2;
        let address = Ipv4Addr::from_bits(HARNESS.to_bits() - 1 + number);
        let port = format!("place{number}");
        tool::run("ip", &["netns", "add", name], "")?;
        ip(&format!(
            "link add {port} type veth peer name eth0 netns {name}\n\
             link set {port} master fabric up\n"
        ))?;
        tool::run("bridge", &["link", "set", "dev", &port, "isolated", "on"], "")?;
        let inside = format!(
            "link set lo up\n\
             address add {address}/32 dev eth0\n\
             link set eth0 up\n\
             route add {HARNESS} dev eth0\n\
             route add default via {HARNESS}\n"
        );
        tool::run("ip", &["-netns", name, "-batch", "-"], &inside)?;
        places.insert(name.to_owned(), Spot { address, port });
        Ok(there(address))
    }

    /// Changes the faults, in one step for every packet.
    pub fn break_so(&self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        let mut faults = self.faults.lock();
        change(&mut faults);
        tool::run("nft", &["-f", "-"], &faults.rules()).map(drop)
    }

    /// Limits what goes to and from the place called `name`, in bytes a second.
    pub fn limit(&self, name: &str, limit: Option<u64>) -> Result<()> {
        let Some(limit) = limit else { return self.unlimit(name) };
        self.limited.lock().insert(name.to_owned());
        let (rate, tbf) = ((limit * 8).to_string(), ["tbf", "burst", "16k", "latency", "400ms", "rate"]);
        self.shape(name, "replace", &[&tbf[..], &[&rate]].concat())
    }

    /// Takes the limit away, where there is one.
    pub fn unlimit(&self, name: &str) -> Result<()> {
        match self.limited.lock().remove(name) {
            true => self.shape(name, "delete", &[]),
            false => Ok(()),
        }
    }

    /// The places whose bandwidth is limited.
    pub fn limited(&self) -> Vec<String> {
        self.limited.lock().iter().cloned().collect()
    }

    fn shape(&self, name: &str, verb: &str, how: &[&str]) -> Result<()> {
        let spot = self.places.lock().get(name).cloned().context("a place has a port")?;
        for (arguments, device) in [(&["-netns", name][..], "eth0"), (&[], &spot.port)] {
            tool::run("tc", &[arguments, &["qdisc", verb, "dev", device, "root"], how].concat(), "")?;
        }
        Ok(())
    }

    /// Changes which connections the harness carries.
    pub fn carry(&self, change: impl FnOnce(&mut BTreeSet<Rule>)) -> Result<()> {
        let mut services = self.services.lock();
        change(&mut services.carried);
        tool::run("nft", &["-f", "-"], &services.rules()).map(drop)
    }

    /// A new address for a Service.
    pub fn service(&self) -> SocketAddr {
        self.services.lock().add()
    }

    /// From now on new connections to `service` go to these.
    pub fn serve(&self, service: SocketAddr, ready: Vec<SocketAddr>) -> Result<()> {
        let mut services = self.services.lock();
        services.set(service, ready);
        tool::run("nft", &["-f", "-"], &services.rules()).map(drop)
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

fn ip(commands: &str) -> Result<()> {
    tool::run("ip", &["-batch", "-"], commands).map(drop)
}

/// Sets a parameter of the kernel, for this namespace.
fn set(name: &str, value: &str) -> Result<()> {
    let path: PathBuf = Path::new("/proc/sys").join(name);
    std::fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
}
