use serde_json::json;

use super::*;
use crate::serve::publications::{Published, Touched};

fn fleet() -> Fleet {
    let status = |name: &str, role: &str| {
        json!({
            "replica": name, "role": role, "leader": "r0", "leader_since": "2027-01-15T07:00:00Z", "epoch": 7,
            "sequence": 42, "digest": "0123456789abcdef", "routes": 1200, "age_seconds": 1.6, "current": true,
            "ready": true, "version": "0.1.0", "guard": null, "orders": {"frozen": null, "pinned": null},
        })
    };
    let member = |name, role| Member { address: None, status: Some(status(name, role)), error: None };
    let client = Polling {
        address: "10.2.0.7".parse().unwrap(),
        zone: "a".to_owned(),
        has: Some("fedcba9876543210".to_owned()),
        standing: Standing::Behind(2),
        status: 304,
        age_seconds: 2.9,
        polls: 77,
    };
    Fleet {
        seen_by: "r0".to_owned(),
        at: "2027-01-15T08:00:00Z".parse().ok(),
        replicas: vec![member("r0", "leader"), member("r1", "follower")],
        clients: vec![client],
        publications: Vec::new(),
        tables: Vec::new(),
    }
}

fn change(fleet: &mut Fleet, replica: usize, field: &str, value: Value) {
    fleet.replicas[replica].status.as_mut().unwrap()[field] = value;
}

#[test]
fn a_fleet_that_is_well_says_so_and_shows_who_leads_and_who_is_behind() {
    let page = page(&fleet());
    assert!(page.contains("<h1 class=\"good\">All is well</h1>"), "{page}");
    for shown in [
        "r0 leads since 2027-01-15 07:00:00 UTC, 60 min ago.",
        "7.42</td>",
        "<code>0123456789ab</code>",
        "<code>10.2.0.7</code>",
        "2 tables behind",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn whatever_is_not_well_is_named_first() {
    type Case = (fn(&mut Fleet), &'static str);
    let cases: [Case; 7] = [
        (|it| it.replicas[1].status = None, "does not answer."),
        (
            |it| {
                change(it, 1, "ready", json!(false));
                change(it, 1, "unready", json!("draining"));
            },
            "r1 is not ready: draining.",
        ),
        (|it| change(it, 0, "role", json!("follower")), "Nobody leads"),
        (|it| change(it, 1, "digest", json!("other")), "2 tables are served at once."),
        (|it| change(it, 0, "age_seconds", json!(600.0)), "last heard 10 min ago."),
        (|it| change(it, 0, "guard", json!({"falls": []})), "The guard holds a table back."),
        (|it| change(it, 0, "orders", json!({"frozen": {"number": 1}})), "frozen by an order."),
    ];
    for (harm, said) in cases {
        let mut fleet = fleet();
        harm(&mut fleet);
        let page = page(&fleet);
        assert!(page.contains("Worth a look") && page.contains(said), "{said}: {page}");
    }
}

#[test]
fn an_empty_fleet_serves_nothing() {
    let mut fleet = fleet();
    for replica in 0..2 {
        change(&mut fleet, replica, "digest", Value::Null);
    }
    assert!(page(&fleet).contains("<h1 class=\"bad\">Nothing is served</h1>"));
}

#[test]
fn what_tenants_write_stays_text() {
    let mut fleet = fleet();
    let item =
        json!({"object": "Ingress a/b", "route": "r", "reason": "<script>alert(1)</script>", "hint": ""});
    change(&mut fleet, 0, "quarantined", json!({"count": 101, "items": [item]}));
    change(&mut fleet, 1, "quarantined", json!({"count": 101, "items": [item]}));
    let page = page(&fleet);
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("and 100 more"));
}

#[test]
fn a_release_that_says_less_is_shown_with_what_it_says() {
    let mut fleet = fleet();
    fleet.replicas[1].status = Some(json!({"replica": "r1", "something": "new"}));
    assert!(page(&fleet).contains("<b>r1</b>"));
}

#[test]
fn a_publication_says_what_it_changed_and_names_a_few_routes() {
    let mut fleet = fleet();
    let touched = |route: &str, what| Touched {
        route: route.to_owned(),
        what,
        object: Some("Ingress shop/cart".to_owned()),
    };
    fleet.publications = vec![
        Published {
            version: "7.42".to_owned(),
            cause: "change".to_owned(),
            added: Some(3),
            removed: Some(0),
            changed: Some(1),
            named: vec![touched("kube_shop__cart", "added"), touched(&"x".repeat(99), "changed")],
            compile_seconds: 0.012,
            ..Published::default()
        },
        Published { added: Some(0), removed: Some(0), changed: Some(0), ..Published::default() },
        Published::default(),
    ];
    let page = page(&fleet);
    for shown in [
        "<td>+3 ~1</td>",
        "title=\"Ingress shop/cart\">+ <code>kube_shop__cart</code>",
        "xxx…</code>",
        "compile 12 ms",
        "<td>nothing</td>",
        "<td>?</td>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains(&"x".repeat(50)));
}
