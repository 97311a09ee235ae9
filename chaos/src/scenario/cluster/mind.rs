//! Whether the replicas are of one mind, by their own `/status`.

use std::net::SocketAddr;

use futures::future::join_all;

use super::pods::Pod;
use crate::stage::replica::{Status, status};

/// Where replicas answer `/status`.
pub const SUPPORT: u16 = 9911;

/// What each of `pods` says of itself; `None` for those that do not answer.
pub async fn statuses(pods: &[Pod]) -> Vec<Option<Status>> {
    let address = |pod: &Pod| pod.address.map(|ip| SocketAddr::from((ip, SUPPORT)));
    join_all(pods.iter().map(async |pod| status(address(pod)?).await.ok())).await
}

/// The one that leads, where all are current and have one table.
pub fn leader(pods: &[Pod], statuses: &[Option<Status>]) -> Option<Pod> {
    let statuses: Vec<&Status> = statuses.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let digest = statuses.first()?.digest.as_ref()?;
    let of_one_mind = statuses.iter().all(|it| it.current && it.ready && it.digest.as_ref() == Some(digest));
    let mut leaders = pods.iter().zip(statuses).filter(|(_, status)| status.role == "leader");
    let (leader, _) = leaders.next().filter(|_| of_one_mind)?;
    leaders.next().is_none().then(|| leader.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Pod {
        Pod {
            name: name.to_owned(),
            uid: name.to_owned(),
            node: "node1".to_owned(),
            address: None,
            container: Some("1".to_owned()),
            restarts: 0,
            leaving: false,
        }
    }

    fn status(role: &str, digest: &str) -> Option<Status> {
        let (role, digest) = (role.to_owned(), Some(digest.to_owned()));
        Some(Status { role, digest, current: true, ready: true, ..Status::default() })
    }

    #[test]
    fn there_is_a_leader_only_where_all_are_of_one_mind() {
        let pods = ["a", "b"].map(pod);
        let leads = |one, other| leader(&pods, &[one, other]).map(|pod| pod.name);
        let well = status("follower", "x");
        assert_eq!(leads(well.clone(), status("leader", "x")), Some("b".to_owned()));
        assert_eq!(leads(well.clone(), status("leader", "y")), None, "two tables");
        assert_eq!(leads(well.clone(), well.clone()), None, "nobody leads");
        assert_eq!(leads(status("leader", "x"), status("leader", "x")), None, "two lead");
        assert_eq!(leads(status("leader", "x"), None), None, "one is silent");
        let behind = well.map(|it| Status { current: false, ..it });
        assert_eq!(leads(behind, status("leader", "x")), None, "one may be behind");
    }
}
