//! Random clusters from a seed: odd but legal input, and some that is not legal.
//!
//! In: a number. Out: flags and objects, always the same for the same number. Names, hosts and paths come from small
//! vocabularies, so that objects meet: services with and without endpoints, hosts that several objects claim, ids that
//! collide, and values that print but do not parse.

mod change;
mod dice;
mod flags;
mod ingress;
mod oddity;
mod route_group;
mod service;
mod vocabulary;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use change::change;
use dice::Dice;

/// What the compiler is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The flags that both servers get.
    pub flags: Vec<String>,
    /// The manifests, in the order in which the API server lists them.
    pub objects: Vec<Value>,
    /// The files of a folder of default filters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub default_filters: BTreeMap<String, String>,
}

/// The cluster of a seed.
pub fn cluster(seed: u64) -> Cluster {
    let dice = &mut Dice::new(seed);
    let world = World::new(dice);
    let mut objects = service::objects(dice, &world);
    for number in 0..dice.up_to(4) {
        objects.push(ingress::object(dice, &world, number));
    }
    for number in 0..dice.up_to(3) {
        objects.push(route_group::object(dice, &world, number));
    }
    dice.shuffle(&mut objects);
    if dice.chance(8) {
        oddity::spoil(dice, &mut objects);
    }
    let default_filters = if dice.chance(12) { default_filters(dice, &world) } else { BTreeMap::new() };
    Cluster { flags: flags::flags(dice), objects, default_filters }
}

fn default_filters(dice: &mut Dice, world: &World) -> BTreeMap<String, String> {
    // Files whose name has another dot are not read; whoever lists the folder sees to that, not the compiler.
    let services: Vec<_> = world.services.iter().filter(|name| !name.contains('.')).collect();
    let mut file = || {
        let name = format!("{}.{}", dice.pick(&services), dice.pick(&world.namespaces));
        (name, vocabulary::filters(dice))
    };
    [file(), file()].into()
}

/// The names that the objects of one cluster share.
struct World {
    namespaces: Vec<&'static str>,
    services: Vec<&'static str>,
    hosts: Vec<&'static str>,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let namespaces = if dice.chance(75) { vec!["ns1"] } else { vec!["ns1", "default"] };
        let services = vocabulary::SERVICES[..2 + dice.up_to(3)].to_vec();
        let mut hosts = vocabulary::HOSTS.to_vec();
        dice.shuffle(&mut hosts);
        hosts.truncate(2 + dice.up_to(4));
        Self { namespaces, services, hosts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_cluster() {
        assert_eq!(cluster(7), cluster(7));
        assert_ne!(cluster(7), cluster(8));
    }

    #[test]
    fn all_kinds_and_most_flags_occur_within_a_thousand() {
        let clusters: Vec<_> = (0..1000).map(cluster).collect();
        for kind in ["Ingress", "RouteGroup", "Service", "Endpoints", "EndpointSlice"] {
            assert!(
                clusters.iter().any(|cluster| cluster.objects.iter().any(|object| object["kind"] == kind))
            );
        }
        let names: std::collections::BTreeSet<_> = clusters
            .iter()
            .flat_map(|cluster| &cluster.flags)
            .map(|flag| flag.split('=').next().unwrap().to_owned())
            .collect();
        assert!(names.len() >= 30, "{names:?}");
    }
}
