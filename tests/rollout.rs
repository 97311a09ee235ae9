//! The three modes as processes on loopback: one that stands by, and one that compares itself with another route server.

#[path = "see/replica.rs"]
#[allow(dead_code)]
mod replica;

use std::time::Duration;

use replica::{Replica, Upstream};

/// A replica over `objects`.
fn start(objects: &Upstream, more: &[&str]) -> Replica {
    // A leader that comes to nothing for seconds on a busy machine would begin to compare anew.
    let patient = ["--election-preset=careful"];
    Replica::start(&objects.source("manifests"), &[&patient, more].concat())
}

/// Waits until `rollout check` exits with `code`, and says `what`.
fn checked(replica: &Replica, code: i32, what: &str) -> String {
    replica.until(what, || {
        let (said, text) = replica.command(&["rollout", "check"]);
        (said == Some(code) && text.contains(what)).then_some(text)
    })
}

/// From now on the upstream has a route for each of `paths`.
fn write(objects: &Upstream, paths: &[&str]) {
    let routes: String = paths.iter().map(|path| format!("    - path: /{path}\n")).collect();
    let manifest = format!(
        "apiVersion: zalando.org/v1\nkind: RouteGroup\nmetadata: {{name: shop, namespace: default}}\n\
         spec:\n  hosts: [shop.example.org]\n  backends: [{{name: shunt, type: shunt}}]\n  \
         defaultBackends: [{{backendName: shunt}}]\n  routes:\n{routes}"
    );
    objects.write("shop.yaml", &manifest);
}

/// A folder with a route for each of `paths`.
fn upstream(paths: &[&str]) -> Upstream {
    let objects = Upstream::new();
    write(&objects, paths);
    objects
}

#[test]
fn off_stands_by_reads_nothing_and_serves_nothing() {
    let objects = upstream(&["a"]);
    let replica = start(&objects, &["--rollout=off"]);
    assert_eq!(replica.until("an answer", || replica.get("/routes", "")).status, "503");
    std::thread::sleep(Duration::from_millis(500));
    let status = |path: &str| replica.support(path).expect("an answer").status;
    assert_eq!(replica.get("/routes", "").expect("an answer").status, "503");
    assert_eq!(status("/livez"), "200");
    let readiness = replica.support("/readyz").expect("an answer");
    assert!(readiness.status == "503" && readiness.body.contains("--rollout=off"), "{readiness:?}");
    let status = replica.status().expect("JSON");
    assert_eq!((&status["role"], &status["rollout"]["mode"]), (&"follower".into(), &"off".into()));
    assert!(!replica.has_lease(), "it takes no part in the election");
    let (code, said) = replica.command(&["rollout", "check"]);
    assert!(code == Some(2) && said.contains("--rollout=off"), "{code:?} {said}");
}

#[test]
fn pre_says_when_it_is_safe_and_what_differs() {
    let (theirs, ours) = (upstream(&["a", "b"]), upstream(&["a", "b"]));
    let peer = start(&theirs, &[]);
    peer.serves("Path(\"/a\")");
    let (code, said) = peer.command(&["rollout", "check"]);
    assert!(code == Some(2) && said.contains("--rollout=exec"), "{code:?} {said}");
    let [peer_routes, compare] =
        ["", "--rollout-compare="].map(|flag| format!("{flag}{}/routes", peer.url()));
    let flags = [
        "--rollout=pre",
        &compare,
        "--rollout-every=100ms",
        "--rollout-settle=2s",
        "--rollout-safe-after=6s",
        "--rollout-safe-changes=1",
    ];
    let replica = start(&ours, &flags);
    let routes = format!("{}/routes", replica.url());
    replica.serves("Path(\"/a\")");
    checked(&replica, 1, "0 changes without a difference; 1 are asked for");
    assert_eq!(replica.command(&["diff", &peer_routes, &routes]).0, Some(0));
    for side in [&theirs, &ours] {
        write(side, &["a", "b", "c"]);
    }
    let said = checked(&replica, 0, "safe\n  no difference for");
    assert!(said.contains(&peer_routes), "{said}");

    write(&theirs, &["a", "b"]);
    // What of them differs is read again at the next look.
    let said = checked(&replica, 1, "Path(\"/c\")");
    assert!(said.starts_with("different\n") && said.contains(" differ\n"), "{said}");
    let (code, said) = replica.command(&["diff", &peer_routes, &routes]);
    assert!(code == Some(1) && said.contains(" added, 0 missing, 0 changed"), "{code:?} {said}");
    let metrics = replica.support("/metrics").expect("an answer").body;
    let gauge = format!("bellwether_rollout_routes{{peer=\"{peer_routes}\",state=\"different\"}} ");
    let counted = metrics.lines().find_map(|line| line.strip_prefix(&gauge)?.parse::<u64>().ok());
    assert!(counted > Some(0) && metrics.contains("rollout_verdict{verdict=\"different\"} 1"), "{metrics}");

    drop(peer);
    checked(&replica, 1, "not-yet\n");
}
