//! The paths that cost: how long each takes, and how many instructions.
//!
//! `cargo bench` measures times; nothing fails on them. `cargo bench --bench paths -- --instructions` counts under callgrind
//! what one run of each executes, and fails where that is more than 3 % above `benches/instructions.tsv`; with `--save` it
//! writes that file. A run is the difference between two runs and one, so that what comes before it does not count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::{env, fs};

use bellwether::compile::{Past, Settings, compile};
use bellwether::eskip;
use bellwether::replication::deliveries::Deliveries;
use bellwether::serve::{Filters, Limits, Metrics, RoutesServer, Served, Shards, answer};
use bellwether::snapshot::{Cell, Digest, Snapshot, Table, Version, View};
use bellwether::source::manifests;
use bellwether::time::ManualClock;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.tsv");

/// What a count may rise by, in percent.
const TOLERANCE: f64 = 3.0;

const PATHS: [&str; 7] = ["parse", "print", "compile", "digest", "encode", "answer", "glance"];

#[divan::bench(args = PATHS)]
fn path(bencher: divan::Bencher<'_, '_>, name: &str) {
    bencher.bench_local(prepared(name));
}

/// All that `name` needs is there; a call is one run of it.
fn prepared(name: &str) -> Box<dyn FnMut()> {
    match name {
        "parse" => {
            let text = routes(1_000);
            Box::new(move || drop(black_box(eskip::parse(&text))))
        }
        "print" => {
            let routes = eskip::parse(&routes(1_000)).expect("routes");
            Box::new(move || drop(black_box(eskip::print_document(&routes))))
        }
        "compile" => {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("objects.yaml"), objects(100)).expect("written");
            let objects = manifests::read(folder.path()).expect("objects").objects;
            let settings = Settings::default();
            Box::new(move || drop(black_box(compile(&objects, &settings, &Past::default()))))
        }
        "digest" => {
            let text = routes(1_000);
            Box::new(move || {
                black_box(Digest::of(text.as_bytes()));
            })
        }
        "encode" => {
            let text = bytes::Bytes::from(routes(1_000));
            Box::new(move || drop(black_box(Table::new(text.clone(), 1_000, 1))))
        }
        "answer" => {
            let table = Table::new(routes(10), 10, 1_700_000_000);
            let tag = HeaderValue::from_maybe_shared(table.tag(true).clone()).expect("a tag");
            let gzip = HeaderValue::from_static("gzip");
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, tag), (ACCEPT_ENCODING, gzip)]);
            let version = Version::new(7, 3);
            Box::new(move || {
                let served = Served { table: &table, version, current: true, owed: false };
                drop(black_box(answer(&Method::GET, &headers, Some(served))));
            })
        }
        "glance" => glance(),
        other => panic!("no path {other}"),
    }
}

/// The poll of a Skipper that has the table.
fn glance() -> Box<dyn FnMut()> {
    let snapshot = Snapshot::for_tests(Version::new(7, 3), &routes(10));
    let tag = String::from_utf8(snapshot.contents.table.tag(true).to_vec()).expect("hex");
    let cell = Arc::<Cell>::default();
    cell.store(View { active: Some(Arc::new(snapshot)), ..View::default() });
    // Callgrind does not have what the real one asks the kernel through.
    let clock = Arc::new(ManualClock::default());
    let server = RoutesServer {
        cell,
        deliveries: Deliveries::new(clock.clone(), Default::default()),
        clock,
        metrics: Metrics::default(),
        clients: Default::default(),
        kick: Arc::default(),
        changed: tokio::sync::watch::channel(0).1,
        sharder: None,
        limits: Limits::default(),
        tls: None,
        shards: Shards::default(),
        filters: Filters::default(),
    };
    let head = format!(
        "GET /routes HTTP/1.1\r\nHost: routes:9090\r\nUser-Agent: Go-http-client/1.1\r\nIf-None-Match: {tag}\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    );
    let (from, mut out) = (SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), Vec::new());
    Box::new(move || {
        out.clear();
        assert_eq!(server.glance(head.as_bytes(), Some(from), false, &mut out), Some(false));
        black_box(&out);
    })
}

fn routes(number: usize) -> String {
    let mut text = String::new();
    for n in 0..number {
        let _ = writeln!(
            text,
            "kube_team_{n}__app__app_{n}_example_org____: Host(\"^(app-{n}[.]example[.]org[.]?(:[0-9]+)?)$\") && \
             PathSubtree(\"/api/{n}\") -> ratelimit(200, \"1m\") -> <roundRobin, \"http://10.2.{}.{}:8080\">;",
            n / 250,
            n % 250
        );
    }
    text
}

fn objects(number: usize) -> String {
    let mut text = String::new();
    for n in 0..number {
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: app-{n}, namespace: team}}\n\
             spec: {{clusterIP: 10.3.0.{n}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
             ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: app-{n}, namespace: team}}\n\
             spec: {{rules: [{{host: app-{n}.example.org, http: {{paths: [{{path: /api, pathType: Prefix, \
             backend: {{service: {{name: app-{n}, port: {{number: 80}}}}}}}}]}}}}]}}"
        );
    }
    text
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--runs", runs, name] => {
            let mut run = prepared(name);
            (0..runs.parse().expect("a number")).for_each(|_: u32| run());
            ExitCode::SUCCESS
        }
        ["--instructions", ref rest @ ..] => instructions(rest.contains(&"--save")),
        _ => {
            divan::main();
            ExitCode::SUCCESS
        }
    }
}

fn instructions(save: bool) -> ExitCode {
    let stored = fs::read_to_string(STORED).unwrap_or_default();
    let stored: BTreeMap<&str, f64> = stored
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, count)| (name, count.parse().expect("counts are numbers")))
        .collect();
    let (mut text, mut all_well) = (String::new(), true);
    for name in PATHS {
        let count = counted(name, 3).saturating_sub(counted(name, 1)) / 2;
        let _ = writeln!(text, "{name}\t{count}");
        let change = stored.get(name).map(|before| (count as f64 / before - 1.0) * 100.0);
        let well = save || change.is_some_and(|change| change <= TOLERANCE);
        all_well &= well;
        let verdict = if well { "" } else { "  above what is stored; mend it, or say why and --save" };
        println!("{name:<8} {count:>12}  {:+.2} %{verdict}", change.unwrap_or(f64::NAN));
    }
    if save {
        fs::write(STORED, text).expect("the counts can be written");
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Instructions of a process that makes so many runs.
fn counted(name: &str, runs: u32) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(env::current_exe().expect("this program")).args(["--runs", &runs.to_string(), name]);
    let output = command.output().expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, count)| count.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind counted nothing: {said}"))
}
