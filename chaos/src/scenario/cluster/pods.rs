//! What becomes of the set's pods, from one look at the API server to the next.
//!
//! In: the pods and the EndpointSlices of the Service, as they are listed. Out: what has happened since the last look. Pure;
//! what is done to them on purpose is told, so that what happens by itself shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;

/// A pod, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name; a StatefulSet gives it to the next one too.
    pub name: String,
    /// Its own for ever.
    pub uid: String,
    /// Where it runs; empty before it is scheduled.
    pub node: String,
    /// Its address, once it has one.
    pub address: Option<Ipv4Addr>,
    /// The id of its container, while that runs.
    pub container: Option<String>,
    /// How many containers it has had before that one.
    pub restarts: u32,
    /// Whether it is asked to stop.
    pub leaving: bool,
}

/// What the API server says at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The pods.
    pub pods: Vec<Pod>,
    /// The UIDs of those that the EndpointSlices have as ready.
    pub ready: BTreeSet<String>,
}

/// What has happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A container of it runs, at an address.
    Started(Pod),
    /// That container has taken the place of one that nobody had killed.
    ByItself(String),
    /// It is asked to stop.
    Terminated(String),
    /// It is gone, or its last container is.
    Ended(String),
    /// The EndpointSlices have it as ready.
    In(String),
    /// They do not any more.
    Out(String),
}

/// What is known of them so far, by UID.
#[derive(Debug, Default)]
pub struct Book(BTreeMap<String, Known>);

#[derive(Debug)]
struct Known {
    name: String,
    /// The container that was last seen, and where it answers.
    container: Option<(String, Ipv4Addr)>,
    /// Whether somebody has killed the container since it started.
    killed: bool,
    terminated: bool,
    ended: bool,
    ready: bool,
}

impl Pod {
    /// What the API server has of `pod`, whose one container is called `container`; none where that is nothing to go by.
    pub fn of(pod: &v1::Pod, container: &str) -> Option<Self> {
        let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
        let of = status.container_statuses.iter().flatten().find(|it| it.name == container);
        let runs = of.filter(|it| it.state.as_ref().is_some_and(|state| state.running.is_some()));
        let id = runs.and_then(|it| it.container_id.as_deref()?.rsplit("://").next());
        Some(Self {
            name: pod.metadata.name.clone()?,
            uid: pod.metadata.uid.clone()?,
            node: spec.node_name.clone().unwrap_or_default(),
            address: status.pod_ip.as_ref().and_then(|ip| ip.parse().ok()),
            container: id.map(str::to_owned),
            restarts: of.map_or(0, |it| u32::try_from(it.restart_count).unwrap_or_default()),
            leaving: pod.metadata.deletion_timestamp.is_some(),
        })
    }
}

/// The UIDs of the pods that `slices` have as ready.
pub fn ready(slices: &[EndpointSlice]) -> BTreeSet<String> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let ready = endpoints
        .filter(|endpoint| endpoint.conditions.as_ref().is_none_or(|it| it.ready.is_none_or(|ready| ready)));
    ready.filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.clone()).collect()
}

impl Book {
    /// What has happened since the last look.
    pub fn look(&mut self, look: &Look) -> Vec<Event> {
        let mut events = Vec::new();
        for pod in &look.pods {
            let known = self.0.entry(pod.uid.clone()).or_insert_with(|| Known {
                name: pod.name.clone(),
                container: None,
                killed: false,
                terminated: false,
                ended: false,
                ready: false,
            });
            if pod.leaving && !std::mem::replace(&mut known.terminated, true) {
                events.push(Event::Terminated(pod.name.clone()));
            }
            let Some(next) = pod.container.clone().zip(pod.address) else { continue };
            if known.container.as_ref() == Some(&next) {
                continue;
            }
            let another = known.container.as_ref().is_some_and(|before| before.0 != next.0);
            known.container = Some(next);
            if another && !std::mem::take(&mut known.killed) {
                events.push(Event::ByItself(pod.name.clone()));
            }
            events.push(Event::Started(pod.clone()));
        }
        let there: BTreeMap<&str, &Pod> = look.pods.iter().map(|pod| (pod.uid.as_str(), pod)).collect();
        for (uid, known) in &mut self.0 {
            let gone = there
                .get(uid.as_str())
                .is_none_or(|pod| pod.leaving && pod.container.is_none() && known.container.is_some());
            let ready = look.ready.contains(uid);
            if known.ready != ready {
                known.ready = ready;
                let event = if ready { Event::In } else { Event::Out };
                events.push(event(known.name.clone()));
            }
            if gone && !std::mem::replace(&mut known.ended, true) {
                events.push(Event::Ended(known.name.clone()));
            }
        }
        self.0.retain(|uid, known| there.contains_key(uid.as_str()) || known.ready);
        events
    }

    /// Its container is killed now, by us: the next one is no surprise.
    pub fn kill(&mut self, uid: &str) {
        if let Some(known) = self.0.get_mut(uid) {
            known.killed = true;
        }
    }

    /// It is asked to stop now, by us. Whether that is news.
    pub fn terminate(&mut self, uid: &str) -> bool {
        self.0.get_mut(uid).is_some_and(|known| !std::mem::replace(&mut known.terminated, true))
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use serde_json::{Value, json};

    use super::*;

    fn pod(uid: &str, container: Option<&str>) -> Pod {
        Pod {
            name: "bellwether-0".to_owned(),
            uid: uid.to_owned(),
            node: "node1".to_owned(),
            address: Some(Ipv4Addr::new(10, 244, 1, 5)),
            container: container.map(str::to_owned),
            restarts: 0,
            leaving: false,
        }
    }

    fn look(pods: &[Pod], ready: &[&str]) -> Look {
        Look { pods: pods.to_vec(), ready: ready.iter().map(|uid| (*uid).to_owned()).collect() }
    }

    fn name() -> String {
        "bellwether-0".to_owned()
    }

    #[test]
    fn a_pod_starts_is_taken_in_and_nothing_is_told_twice() {
        let mut book = Book::default();
        let early = Pod { address: None, ..pod("a", Some("1")) };
        assert_eq!(book.look(&look(&[early], &[])), [], "nobody reaches it yet");
        let there = pod("a", Some("1"));
        assert_eq!(book.look(&look(from_ref(&there), &[])), [Event::Started(there.clone())]);
        assert_eq!(book.look(&look(from_ref(&there), &["a"])), [Event::In(name())]);
        assert_eq!(book.look(&look(&[there], &["a"])), []);
    }

    #[test]
    fn a_deletion_is_told_once_whoever_asks_for_it_and_the_next_of_the_name_is_another_one() {
        for ours in [false, true] {
            let mut book = Book::default();
            book.look(&look(&[pod("a", Some("1"))], &["a"]));
            assert!(!ours || book.terminate("a"));
            assert!(!ours || !book.terminate("a"), "that is no news");
            let still = pod("a", Some("1"));
            // The list may be older than the deletion.
            assert_eq!(book.look(&look(&[still], &["a"])), []);
            let leaving = Pod { leaving: true, ..pod("a", Some("1")) };
            let told = book.look(&look(&[leaving], &[]));
            let expected = [Event::Terminated(name()), Event::Out(name())];
            assert_eq!(told, expected[usize::from(ours)..]);
            let ended = Pod { leaving: true, ..pod("a", None) };
            assert_eq!(book.look(&look(&[ended], &[])), [Event::Ended(name())]);
            let next = pod("b", Some("2"));
            assert_eq!(book.look(&look(from_ref(&next), &[])), [Event::Started(next)]);
        }
    }

    #[test]
    fn a_pod_that_is_gone_between_two_looks_has_ended_and_left() {
        let mut book = Book::default();
        book.look(&look(&[pod("a", Some("1"))], &["a"]));
        assert_eq!(book.look(&look(&[], &["a"])), [Event::Ended(name())]);
        assert_eq!(book.look(&look(&[], &[])), [Event::Out(name())]);
        assert_eq!(book.look(&look(&[], &[])), []);
    }

    #[test]
    fn a_container_that_nobody_killed_is_told_of() {
        let mut book = Book::default();
        book.look(&look(&[pod("a", Some("1"))], &[]));
        book.kill("a");
        assert_eq!(book.look(&look(&[pod("a", None)], &[])), []);
        let second = pod("a", Some("2"));
        assert_eq!(book.look(&look(from_ref(&second), &[])), [Event::Started(second)]);
        let third = pod("a", Some("3"));
        let told = book.look(&look(from_ref(&third), &[]));
        assert_eq!(told, [Event::ByItself(name()), Event::Started(third)]);
    }

    fn status(state: Value) -> v1::Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "bellwether-0", "uid": "a"},
            "spec": {"nodeName": "node1", "containers": []},
            "status": {"podIP": "10.244.1.5", "containerStatuses": [{
                "name": "bellwether", "restartCount": 0, "ready": true, "image": "", "imageID": "",
                "containerID": "containerd://1", "state": state,
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_is_read_as_the_api_server_has_it() {
        let running = status(json!({"running": {}}));
        assert_eq!(Pod::of(&running, "bellwether"), Some(pod("a", Some("1"))));
        let ended = status(json!({"terminated": {"exitCode": 137}}));
        assert_eq!(Pod::of(&ended, "bellwether"), Some(pod("a", None)));
    }

    #[test]
    fn who_is_ready_is_what_the_slices_say() {
        let slice = json!({"metadata": {}, "addressType": "IPv4", "endpoints": [
            {"addresses": ["10.244.1.5"], "conditions": {"ready": true}, "targetRef": {"uid": "a"}},
            {"addresses": ["10.244.2.5"], "conditions": {"ready": false, "serving": true}, "targetRef": {"uid": "b"}},
            {"addresses": ["10.244.3.5"], "targetRef": {"uid": "c"}},
        ]});
        let slices = [serde_json::from_value(slice).unwrap()];
        assert_eq!(ready(&slices).into_iter().collect::<Vec<_>>(), ["a", "c"]);
    }
}
