//! Services as a kube-proxy makes them: rules that give each new connection to one of the endpoints that are ready.
//!
//! A connection stays with its endpoint. Where there is none, clients are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use super::slow::Rule;

/// The addresses of Services.
pub const RANGE: &str = "10.96.0.0/16";

/// Of the first Service; the API server of a stage gives others of its own, which lead nowhere.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 96, 200, 1);

/// Every Service listens here.
const PORT: u16 = 80;

/// All Services and who is ready for each.
#[derive(Debug, Default)]
pub struct Services {
    ready: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    /// What is carried on its way, Service or not.
    pub carried: BTreeSet<Rule>,
}

impl Services {
    /// One more, with nobody ready.
    pub fn add(&mut self) -> SocketAddr {
        let number = u32::try_from(self.ready.len()).expect("Services are few");
        let service = SocketAddr::from((Ipv4Addr::from_bits(FIRST.to_bits() + number), PORT));
        self.ready.insert(service, Vec::new());
        service
    }

    /// These are ready for `service` now.
    pub fn set(&mut self, service: SocketAddr, ready: Vec<SocketAddr>) {
        self.ready.insert(service, ready);
    }

    /// The table, for the first time.
    pub fn table(&self) -> String {
        let nat = |hook, priority| {
            format!(
                "  chain {hook} {{\n    type nat hook {hook} priority {priority};\n    jump services;\n  }}\n"
            )
        };
        // Behind the rules of the faults: whoever is cut off is not even refused.
        let refuse = |hook| {
            format!(
                "  chain nobody-{hook} {{\n    type filter hook {hook} priority 10;\n    \
                 ip daddr {RANGE} reject;\n  }}\n"
            )
        };
        let chains = [nat("prerouting", "-100"), nat("output", "-100"), refuse("forward"), refuse("output")];
        format!("table ip services {{\n  chain services {{\n  }}\n{}}}\n{}", chains.concat(), self.rules())
    }

    /// What takes the place of the rules before, all at once.
    pub fn rules(&self) -> String {
        let mut rules = "flush chain ip services services\n".to_owned();
        for rule in &self.carried {
            writeln!(rules, "add rule ip services services {}", rule.text()).expect("memory takes text");
        }
        for (service, ready) in self.ready.iter().filter(|(_, ready)| !ready.is_empty()) {
            let map: Vec<String> =
                ready.iter().enumerate().map(|(n, to)| format!("{n} : {}", pair(*to))).collect();
            writeln!(
                rules,
                "add rule ip services services ip daddr {} tcp dport {} dnat ip to numgen random mod {} map {{ {} }}",
                service.ip(),
                service.port(),
                ready.len(),
                map.join(", ")
            )
            .expect("memory takes text");
        }
        rules
    }
}

fn pair(to: SocketAddr) -> String {
    format!("{} . {}", to.ip(), to.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_connections_go_to_who_is_ready() {
        let mut services = Services::default();
        let (one, two) = (services.add(), services.add());
        assert_ne!(one, two);
        assert_eq!(services.rules().lines().count(), 1);
        services.set(two, vec!["10.77.0.2:9090".parse().unwrap(), "10.77.0.3:9090".parse().unwrap()]);
        assert!(services.rules().contains(
            "ip daddr 10.96.200.2 tcp dport 80 \
             dnat ip to numgen random mod 2 map { 0 : 10.77.0.2 . 9090, 1 : 10.77.0.3 . 9090 }"
        ));
    }
}
