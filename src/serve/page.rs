//! The page of `/status`, for people: the fleet, without a script, and with nothing to fetch. It asks for itself again each
//! five seconds.
//!
//! In: the [`Fleet`]. Out: HTML. What other releases of a replica do not say is left open.

mod publications;
mod rollout;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::fleet::{Fleet, Member, Polling, Recent, Standing};

/// How often the page is asked for again, in seconds.
const AGAIN: u8 = 5;

/// How many clients are shown: those that are behind come first.
const CLIENTS: usize = 100;

/// An age from which a table is worth a look, in seconds: some polls have come to nothing.
const OLD: f64 = 15.0;

/// The page of `fleet`.
pub fn page(fleet: &Fleet) -> String {
    let verdict = Verdict::of(fleet);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(AGAIN);
                title { (verdict.headline) " · Bellwether" }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body {
                header {
                    h1 class=(verdict.class) { (verdict.headline) }
                    ul { @for line in &verdict.lines { li { (line) } } }
                }
                main {
                    (replicas(fleet))
                    (ordered(fleet))
                    (rollout::section(fleet))
                    (held(fleet))
                    (findings(fleet, "quarantined", "Routes that are left out", "No Skipper could read them. What the object had before stays."))
                    (findings(fleet, "diagnostics", "Objects with something wrong", "They are in the table, less what is named here."))
                    (clients(&fleet.clients))
                    (publications::section(&fleet.publications))
                    (tables(&fleet.tables))
                }
                footer {
                    "Seen by " b { (fleet.seen_by) } @if let Some(at) = fleet.at { " at " (clock(at)) " UTC" }
                    ". As JSON: " a href="/fleet" { "/fleet" } ", this replica alone: "
                    code { "curl …/status" } "."
                }
            }
        }
    };
    page.into_string()
}

/// What one must know first.
struct Verdict {
    class: &'static str,
    headline: &'static str,
    lines: Vec<String>,
}

impl Verdict {
    fn of(fleet: &Fleet) -> Self {
        let mut lines = Vec::new();
        let known: Vec<&Value> = fleet.replicas.iter().filter_map(|it| it.status.as_ref()).collect();
        for member in fleet.replicas.iter().filter(|it| it.status.is_none()) {
            let address = member.address.as_deref().unwrap_or("a replica");
            lines.push(format!("{address} does not answer."));
        }
        for status in known.iter().filter(|status| status["ready"] == false) {
            lines.push(format!("{} is not ready: {}.", text(status, "replica"), text(status, "unready")));
        }
        if known.iter().all(|status| status["role"] != "leader") {
            lines.push("Nobody leads: every replica serves what it has.".to_owned());
        }
        let digest = |status: &&Value| status["digest"].as_str().map(str::to_owned);
        let mut digests: Vec<_> = known.iter().filter_map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        if digests.len() > 1 {
            lines.push(format!("{} tables are served at once.", digests.len()));
        }
        let age = known.iter().filter_map(|status| status["age_seconds"].as_f64()).fold(0.0, f64::max);
        if age > OLD {
            lines.push(format!("The upstream was last heard {} ago.", span(age)));
        }
        if known.iter().any(|status| !status["guard"].is_null()) {
            lines.push("The guard holds a table back.".to_owned());
        }
        if known.iter().any(|status| !status["orders"]["frozen"].is_null()) {
            lines.push("The tables are frozen by an order.".to_owned());
        }
        lines.extend(rollout::line(fleet));
        match (lines.is_empty(), digests.len()) {
            (_, 0) => Self { class: "bad", headline: "Nothing is served", lines },
            (true, _) => Self { class: "good", headline: "All is well", lines },
            (false, _) => Self { class: "look", headline: "Worth a look", lines },
        }
    }
}

fn replicas(fleet: &Fleet) -> Markup {
    let newest = newest(fleet);
    html! {
        section {
            h2 { "Replicas" }
            table {
                thead { tr {
                    th { "replica" } th { "role" } th { "version" } th { "digest" } th.n { "routes" }
                    th.n { "age" } th { "current" } th { "ready" } th { "release" }
                } }
                tbody { @for member in &fleet.replicas { (replica(member, newest)) } }
            }
            @if let Some(since) = led_since(fleet) { p.quiet { (since) } }
        }
    }
}

fn replica(member: &Member, newest: Option<(u64, u64)>) -> Markup {
    let Some(status) = &member.status else {
        return html! { tr.bad {
            td { (member.address.as_deref().unwrap_or("?")) }
            td colspan="8" { (member.error.as_deref().unwrap_or("no answer")) }
        } };
    };
    let behind = version(status) != newest;
    let age = status["age_seconds"].as_f64();
    html! { tr {
        td { b { (text(status, "replica")) } }
        td.leads[status["role"] == "leader"] { (text(status, "role")) }
        td.look[behind] {
            @match version(status) { Some((epoch, sequence)) => { (epoch) "." (sequence) }, None => "none" }
        }
        td { code { (short(&status["digest"])) } }
        td.n { (number(&status["routes"])) }
        td.n.look[age.is_none_or(|age| age > OLD)] { @match age { Some(age) => (span(age)), None => "–" } }
        td.look[status["current"] != true] { (yes(&status["current"])) }
        td.bad[status["ready"] != true] { (yes(&status["ready"])) }
        td { (text(status, "version")) }
    } }
}

fn led_since(fleet: &Fleet) -> Option<String> {
    let status = fleet.replicas.first()?.status.as_ref()?;
    let since = status["leader_since"].as_str()?.parse::<Timestamp>().ok()?;
    let ago = fleet.at?.as_second() - since.as_second();
    Some(format!(
        "{} leads since {} UTC, {} ago.",
        status["leader"].as_str()?,
        clock(since),
        span(ago as f64)
    ))
}

fn ordered(fleet: &Fleet) -> Markup {
    // All have the same orders, a second after they were given.
    let highest = |status: &&Value| {
        ["frozen", "pinned"].iter().filter_map(|what| status["orders"][what]["number"].as_u64()).max()
    };
    let statuses = fleet.replicas.iter().filter_map(|it| it.status.as_ref());
    let orders = statuses.max_by_key(highest).map(|status| &status["orders"]);
    let all: Vec<&Value> = ["frozen", "pinned"]
        .iter()
        .filter_map(|what| orders.map(|orders| &orders[what]))
        .filter(|order| !order.is_null())
        .collect();
    html! { @if !all.is_empty() { section {
        h2 { "In force by an order" }
        table {
            thead { tr { th { "order" } th { "by" } th { "at" } th { "why" } } }
            tbody { @for order in all { tr {
                td.look { b { (text(order, "what")) } }
                td { (text(order, "by")) } td { (text(order, "at")) } td { (text(order, "why")) }
            } } }
        }
        p.quiet { code { "bellwether unfreeze" } " ends it." }
    } } }
}

fn held(fleet: &Fleet) -> Markup {
    let statuses = fleet.replicas.iter().filter_map(|it| it.status.as_ref());
    let falls = statuses.filter_map(|status| status["guard"]["falls"].as_array()).flatten();
    let falls: Vec<&Value> = falls.collect();
    html! { @if !falls.is_empty() { section {
        h2 { "Held back by the guard" }
        table {
            thead { tr { th { "what" } th { "kind" } th.n { "from" } th.n { "to" } th { "passes after" } } }
            tbody { @for fall in falls { tr {
                td.bad { (text(fall, "measure")) } td { (text(fall, "kind")) }
                td.n { (number(&fall["from"])) } td.n { (number(&fall["to"])) }
                td { (number(&fall["equal_polls"])) " of " (number(&fall["needed"])) " equal polls" }
            } } }
        }
        p.quiet { code { "bellwether guard release" } " lets it pass." }
    } } }
}

fn findings(fleet: &Fleet, field: &str, title: &str, what: &str) -> Markup {
    let statuses = fleet.replicas.iter().filter_map(|it| it.status.as_ref());
    let list = statuses.max_by_key(|status| version(status)).map(|status| &status[field]);
    let count = list.and_then(|list| list["count"].as_u64()).unwrap_or_default();
    let items = list.and_then(|list| list["items"].as_array()).map(Vec::as_slice).unwrap_or_default();
    html! { @if count > 0 { section {
        h2 { (title) " " span.n { (count) } }
        p.quiet { (what) }
        table {
            thead { tr { th { "object" } th { "route" } th { "reason" } th { "how to mend it" } } }
            tbody { @for item in items { tr {
                td { (text(item, "object")) } td { code { (text(item, "route")) } }
                td { (text(item, "reason")) } td { (text(item, "hint")) }
            } } }
        }
        @if count > items.len() as u64 { p.quiet { "and " (count - items.len() as u64) " more" } }
    } } }
}

fn clients(clients: &[Polling]) -> Markup {
    let newest = clients.iter().filter(|client| client.standing == Standing::Newest).count();
    html! { section {
        h2 { "Clients " span.n { (clients.len()) } }
        p.quiet { (newest) " have the newest table. Those that have not come first." }
        @if !clients.is_empty() { table {
            thead { tr {
                th { "address" } th { "zone" } th { "has" } th { "that is" } th.n { "last answer" } th.n { "ago" }
                th.n { "polls" }
            } }
            tbody { @for client in clients.iter().take(CLIENTS) { tr {
                td { code { (client.address) } }
                td { (client.zone) }
                td { code { (client.has.as_deref().map_or("–", |has| &has[..has.len().min(12)])) } }
                td.look[client.standing != Standing::Newest] { (standing(client.standing)) }
                td.n.bad[client.status >= 400] { (client.status) }
                td.n { (span(client.age_seconds)) }
                td.n { (client.polls) }
            } } }
        } }
        @if clients.len() > CLIENTS { p.quiet { "and " (clients.len() - CLIENTS) " more: " a href="/fleet" { "/fleet" } } }
    } }
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Newest => "the newest".to_owned(),
        Standing::Behind(1) => "1 table behind".to_owned(),
        Standing::Behind(tables) => format!("{tables} tables behind"),
        Standing::Nothing => "nothing yet".to_owned(),
        Standing::Unknown => "not known here".to_owned(),
    }
}

fn tables(tables: &[Recent]) -> Markup {
    html! { section {
        h2 { "The last tables" }
        table {
            thead { tr { th { "version" } th { "digest" } th { "read at, UTC" } th.n { "routes" } th.n { "more" } } }
            tbody { @for table in tables { tr {
                td { (table.version) }
                td { code { (&table.digest[..table.digest.len().min(12)]) } }
                td { @if let Some(at) = table.read_at { (clock(at)) } }
                td.n { (table.routes) }
                td.n { @match table.more { Some(more) => { (format!("{more:+}")) }, None => "" } }
            } } }
        }
        p.quiet { code { "bellwether diff V1 V2" } " shows what changed, " code { "bellwether rollback" } " goes back." }
    } }
}

fn newest(fleet: &Fleet) -> Option<(u64, u64)> {
    fleet.replicas.iter().filter_map(|it| version(it.status.as_ref()?)).max()
}

fn version(status: &Value) -> Option<(u64, u64)> {
    Some((status["epoch"].as_u64()?, status["sequence"].as_u64()?))
}

/// A text of another replica, which may lack it.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn number(value: &Value) -> String {
    value.as_u64().map(|number| number.to_string()).unwrap_or_default()
}

fn yes(value: &Value) -> &'static str {
    match value.as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    }
}

fn short(digest: &Value) -> &str {
    let digest = digest.as_str().unwrap_or("none");
    &digest[..digest.len().min(12)]
}

/// Seconds as people say them.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
