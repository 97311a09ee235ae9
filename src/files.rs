//! Open files: as many as the system allows, and some of them kept for what must go on whatever clients do.
//!
//! Each connection is an open file, and so are those to the API server and to other replicas, and what is on disk. A fleet, or
//! one client that never closes, must not take the last: a leader that cannot connect reads nothing more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for all but clients: the support listener has half of it, the API server, replicas and disk the rest.
const KEPT: u64 = 512;

/// No fleet has more clients than that.
const MOST: u64 = 65_536;

/// Raises the soft limit of open files to the hard one, as every Go program does (go.dev/doc/go1.19), and says how many
/// connections clients may have.
pub fn for_clients() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            limit.current
        }
    };
    let clients = share(limit);
    if clients < MOST {
        tracing::debug!(?limit, clients, "so many clients may be connected at once");
    }
    usize::try_from(clients).unwrap_or(usize::MAX)
}

/// The clients' part of `limit` open files; none is no limit.
fn share(limit: Option<u64>) -> u64 {
    let Some(limit) = limit else { return MOST };
    limit.saturating_sub(KEPT).max(limit / 2).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_have_all() {
        for (limit, clients) in [
            (None, MOST),
            (Some(1 << 20), MOST),
            (Some(65_536), 65_024),
            (Some(1024), 512),
            (Some(256), 128),
            (Some(0), 1),
        ] {
            assert_eq!(share(limit), clients, "{limit:?}");
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        assert!(for_clients() > 0);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
