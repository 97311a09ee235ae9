//! What the net loses: pure, until `nft` reads it.
//!
//! Addresses are those of places: packets to a Service are judged after they were given to a replica, and answers
//! before they get the Service's address back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use super::net::HARNESS;

/// Every fault at one time. A pair is of a sender and a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// No packet arrives.
    pub cut: BTreeSet<(Ipv4Addr, Ipv4Addr)>,
    /// So many of a hundred packets do not arrive.
    pub lost: BTreeMap<(Ipv4Addr, Ipv4Addr), u8>,
    /// These hear nobody, and nobody hears them.
    pub gone: BTreeSet<Ipv4Addr>,
    /// As [`Faults::gone`], but for the harness's own address.
    pub alone: BTreeSet<Ipv4Addr>,
}

impl Faults {
    /// Takes out everything about `place`.
    pub fn heal(&mut self, place: Ipv4Addr) {
        let other = |pair: &(Ipv4Addr, Ipv4Addr)| pair.0 != place && pair.1 != place;
        self.cut.retain(other);
        self.lost.retain(|pair, _| other(pair));
        self.gone.remove(&place);
        self.alone.remove(&place);
    }

    /// The table, for the first time.
    pub fn table(&self) -> String {
        let chain = |hook| {
            format!(
                "  chain {hook} {{\n    type filter hook {hook} priority filter;\n    jump faults;\n  }}\n"
            )
        };
        let chains: String = ["forward", "input", "output"].map(chain).concat();
        format!("table ip faults {{\n  chain faults {{\n  }}\n{chains}}}\n{}", self.rules())
    }

    /// What takes the place of the rules before, all at once.
    pub fn rules(&self) -> String {
        let mut rules = "flush chain ip faults faults\n".to_owned();
        let mut add = |rule: std::fmt::Arguments<'_>| {
            writeln!(rules, "add rule ip faults faults {rule} drop").expect("memory takes text");
        };
        for (from, to) in &self.cut {
            add(format_args!("ip saddr {from} ip daddr {to}"));
        }
        for place in &self.gone {
            add(format_args!("ip saddr {place}"));
            add(format_args!("ip daddr {place}"));
        }
        for place in &self.alone {
            add(format_args!("ip saddr {place} ip daddr != {HARNESS}"));
            add(format_args!("ip daddr {place} ip saddr != {HARNESS}"));
        }
        for ((from, to), percent) in self.lost.iter().filter(|(_, percent)| **percent > 0) {
            add(format_args!("ip saddr {from} ip daddr {to} numgen random mod 100 < {percent}"));
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
    const B: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);

    #[test]
    fn each_fault_is_a_rule_and_no_fault_is_none() {
        let mut faults = Faults::default();
        let none = "flush chain ip faults faults\n";
        assert_eq!(faults.rules(), none);
        faults.cut.insert((A, B));
        assert!(faults.rules().contains("ip saddr 10.77.0.2 ip daddr 10.77.0.3 drop\n"));
        faults.lost.insert((B, A), 5);
        assert!(faults.rules().contains("ip daddr 10.77.0.2 numgen random mod 100 < 5 drop\n"));
        faults.lost.insert((B, A), 0);
        assert!(!faults.rules().contains("numgen"));
        faults.heal(A);
        assert_eq!(faults.rules(), none);
    }

    #[test]
    fn healing_one_place_leaves_the_others_as_they_are() {
        let mut faults = Faults::default();
        faults.gone.extend([A, B]);
        faults.alone.extend([A, B]);
        faults.heal(A);
        assert_eq!((faults.gone, faults.alone), (BTreeSet::from([B]), BTreeSet::from([B])));
    }
}
