//! Our own flags: what a single route server never had to say.

use super::Group::{Api, Compile, Election, Guard, Listeners, Logs, Replica, Replication, Rollout};
use super::Treatment::Honoured;
use super::{Group, Spec};
use crate::flags::kind::Kind::{self, Address, Bool, Choice, Duration, List, Path, Text, Uint};

const fn own(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    group: Group,
    help: &'static str,
) -> Spec {
    Spec { name, kind, default, treatment: Honoured(group, help) }
}

const FORMATS: &[&str] = &["text", "json"];
const MODES: &[&str] = &["off", "pre", "exec"];
const PRESETS: &[&str] = &["bench", "default", "standard", "careful"];

const MAX_TABLE: Spec = own("max-table-bytes", Uint, "536870912", Guard, "a larger table is not published");
const MAX_OBJECT: Spec = own(
    "max-object-bytes",
    Uint,
    "67108864",
    Guard,
    "routes beyond this, printed, of one object are quarantined",
);
const MAX_ROUTE: Spec = own("max-route-bytes", Uint, "4194304", Guard, "a larger route is quarantined");

#[rustfmt::skip]
pub(super) static SERVE: [Spec; 46] = [
    own("source", Text, "kubernetes", Replica,
        "where objects come from: kubernetes, or manifests:DIR (YAML or JSON files, re-read on change); or routes: eskip:FILE or \
         eskip:DIR (.eskip files, re-read on change), or eskip+http://HOST or eskip+https://HOST (another route server)"),
    own("upstream-ca-file", Path, "", Replica,
        "with eskip+https: the authority (PEM) that signed the certificate there; by default those that the system trusts"),
    own("upstream-cert-file", Path, "", Replica, "with eskip+https: our certificate (PEM), where one is asked for"),
    own("upstream-key-file", Path, "", Replica, "its key"),
    own("lease", Text, "kubernetes", Replica,
        "what replicas elect through: kubernetes[:NAMESPACE/NAME] (a Lease, by default bellwether in the pod's \
         namespace), or file:PATH (several replicas on one machine)"),
    own("id", Text, "", Replica, "the replica's name; by default $POD_NAME, else the host's name"),
    own("state-dir", Path, "", Replica,
        "where the last known good table is kept; by default bellwether/<id> under $XDG_STATE_HOME, \
         ~/.local/state or the temporary folder"),
    own("drain-timeout", Duration, "15s", Replica,
        "on SIGTERM, after -wait-for-healthcheck-interval: how long responses under way may still take"),
    own("stop-with-stdin", Bool, "false", Replica,
        "stop, as on SIGTERM, when standard input ends: a child that never outlives its parent"),

    own("max-bytes-under-way", Uint, "268435456", Listeners,
        "how much of tables is sent at once; who asks for more waits up to a second (without an ETag two), then gets 503"),

    own("hold", Duration, "0s", Listeners,
        "a poll of a client that has the active table waits so long for another one, and is answered at once when there is one; at \
         most 1.5s; with it, `Prefer: wait=N` gets up to 60 s"),

    own("shards", Uint, "0", Listeners,
        "cut the table into so many shards, for Skippers with as many -routes-urls: /routes/shards/0/N to /routes/shards/N-1/N; \
         at most 64; 0 for none"),

    own("admin-token-file", Path, "", Replica,
        "a token that commands from other machines must bring, as `bellwether freeze`; without it they are \
         taken from this machine only"),

    own("guard-drop-percent", Uint, "20", Guard,
        "hold a table whose objects or routes of a kind are fewer than the published one's by more than this"),
    own("guard-drop-least", Uint, "10", Guard, "but only where they are fewer by more than this many"),
    own("guard-address-drop-percent", Uint, "70", Guard,
        "hold a table whose ready addresses are fewer than the published one's by more than this"),
    own("guard-equal-polls", Uint, "3", Guard, "let a held table pass after so many polls that read the same"),
    own("guard-zero-polls", Uint, "100", Guard, "the same where nothing of a kind is left"),
    MAX_TABLE,
    MAX_OBJECT,
    MAX_ROUTE,

    own("rollout", Choice(MODES), "exec", Rollout,
        "off (stand by: no poll, /routes answers 503), pre (serve, and compare with what the fleet runs now) or exec (the fleet polls here)"),
    own("rollout-compare", List, "", Rollout,
        "in pre: what the fleet runs now, as URLs: of /routes of each routesrv, of support listeners of Skippers (http://HOST:9911)"),
    own("rollout-every", Duration, "5s", Rollout, "how often each of them is looked at"),
    own("rollout-settle", Duration, "1m", Rollout,
        "how old what any of them shows can be at most; what differs for longer is really different"),
    own("rollout-safe-after", Duration, "30m", Rollout, "it is safe to move over after so long without a difference"),
    own("rollout-safe-changes", Uint, "10", Rollout, "and over so many changes of the table"),

    own("replication-listener", Address, "", Replication,
        "where followers subscribe; by default :9912, or 127.0.0.1:9912 with a lease file"),
    own("replication-address", Address, "", Replication,
        "the listener as other replicas reach it; by default its own address, $POD_IP or the host's name, \
         with its port"),
    own("peers", List, "", Replication,
        "the replication addresses of all replicas, to agree with while nobody leads"),
    own("replication-tls-cert", Path, "", Replication, "this replica's certificate (PEM), for both directions"),
    own("replication-tls-key", Path, "", Replication, "its key"),
    own("replication-tls-ca", Path, "", Replication, "the authorities that every replica's certificate is checked against"),
    own("replication-tls-shared-name", Text, "", Replication,
        "a name that every replica's certificate may carry in place of the replica's own (--id): for one certificate for all"),
    own("replication-token-file", Path, "", Replication,
        "a token that replicas show each other, where they have no certificates or beside them; of several lines each \
         is taken, the first is shown"),
    own("replication-plaintext", Bool, "false", Replication,
        "neither TLS nor a token between replicas although they are not on one machine; who reaches the port can then feed the fleet"),

    own("election-preset", Choice(PRESETS), "default", Election,
        "bench (2 s until a dead leader is replaced), default (3 s), standard (6 s) or careful (15 s)"),
    own("election-lease-duration", Duration, "", Election, "how long a silent leader is waited for; whole seconds"),
    own("election-validity", Duration, "", Election, "how long a leader trusts a renewal, from when it was sent"),
    own("election-renew-interval", Duration, "", Election, "how often it renews"),
    own("election-attempt-timeout", Duration, "", Election, "how long one attempt may take"),

    own("fast-takeover", Bool, "false", Election,
        "take the lease of a leader whose stream broke and whose address refuses connections before it expires; not \
         where a firewall or a proxy may refuse in place of a leader that lives"),

    own("kubernetes-ca-file", Path, "", Api,
        "the authority (PEM) that signed the certificate at -kubernetes-url; by default those that the system trusts"),
    own("watch", Bool, "false", Api,
        "the leader hears of each change at once, by watches, and reads all of it once a minute to find what these did not \
         tell; without it, it reads all of it each -source-poll-timeout"),
    own("kubeconfig", Path, "", Api, "a kubeconfig, for development; $KUBECONFIG is not read"),
    own("log-format", Choice(FORMATS), "text", Logs, "text or json"),
];

#[rustfmt::skip]
pub(super) static COMPILE: [Spec; 7] = [
    own("manifests", Path, "", Compile,
        "what to compile: a file or a folder, YAML or JSON (several documents, a List or an array)"),
    own("zone", Text, "", Compile, "print the table of /routes/ZONE instead of /routes"),
    own("report", Path, "", Compile, "write a report here, as JSON: count, digest, quarantined, diagnostics"),
    own("log-format", Choice(FORMATS), "text", Logs, "text or json"),
    MAX_TABLE,
    MAX_OBJECT,
    MAX_ROUTE,
];
