//! The command line as a whole: every name is taken, defaults are the peer's, errors say how to mend them.

use std::io::Write as _;
use std::time::Duration;

use super::catalogue::{self, Treatment};
use super::*;
use crate::compile::{PathMode, TrafficAlgorithm};
use crate::election::Timing;

fn no_environment(name: &str) -> Option<String> {
    (name == "HOSTNAME").then(|| "host".to_owned())
}

fn arguments(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn served(texts: &[&str]) -> Result<ServeOptions, FlagError> {
    let mut all = arguments(texts);
    all.push("--replication-listener=127.0.0.1:0".to_owned());
    match serve(&all, &no_environment)? {
        Parsed::Run(options) => Ok(*options),
        other => panic!("{other:?}"),
    }
}

fn refusal(texts: &[&str]) -> String {
    served(texts).map(|_| ()).unwrap_err().to_string()
}

/// A value that fits the kind.
fn sample(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "false",
        Kind::Int | Kind::Uint => "308",
        Kind::Float => "1.5",
        Kind::Duration => "1m30s",
        Kind::Choice(words) | Kind::Choices(words) => words[0],
        Kind::Level => "warn",
        Kind::Url => "http://localhost:8001",
        Kind::Text | Kind::Path | Kind::Address | Kind::List | Kind::Many => "127.0.0.1:0",
        Kind::Cidrs => "10.0.0.0/8,fd00::/8",
        Kind::Buckets => "0.1, 1,10",
        Kind::ForwardedHeaders => "X-Forwarded-For,X-Forwarded-Port=auto",
        Kind::Map => "a=b,c=d",
        Kind::Yaml => "{tracesExporter: otlp}",
        Kind::Regexp | Kind::Regexps => "^a[0-9]+$",
        Kind::Predicates => "A(1) && B(\"x\")",
        Kind::Filters => "",
        Kind::Rewrites => "/a/b/",
        Kind::AnnotationPredicates => "k=v=A()",
        Kind::AnnotationFilters => "k=v=a() -> b()",
        Kind::Breaker => "type=rate,window=300,failures=30",
        Kind::Ratelimit => "type=client,max-hits=20,time-window=60s",
    }
}

#[test]
fn what_the_peer_honours_and_we_do_not_is_on_the_page() {
    let page = include_str!("../../docs/compatibility.md");
    let unsupported = |spec: &&catalogue::Spec| matches!(spec.treatment, Treatment::Unsupported(_));
    for spec in catalogue::of_the_peer().filter(unsupported) {
        assert!(page.contains(&format!("`-{}`", spec.name)), "-{}", spec.name);
    }
}

#[test]
fn all_283_names_of_the_peer_are_accepted() {
    let names: std::collections::BTreeSet<_> = catalogue::of_the_peer().map(|spec| spec.name).collect();
    assert_eq!(names.len(), 283);
    assert_eq!(catalogue::of_the_peer().count(), 283, "a name is there twice");
    for spec in catalogue::of_the_peer().filter(|spec| spec.name != "config-file") {
        let text_of_a_shape = spec.name == "kubernetes-status-from-service";
        let value = if text_of_a_shape { "edge/balancer" } else { sample(spec.kind) };
        let flag = format!("-{}={value}", spec.name);
        if let Err(error) = served(&["--source=manifests:x", &flag]) {
            panic!("{flag}: {error}");
        }
    }
}

#[test]
fn no_name_is_both_ours_and_the_peers() {
    for command in [Command::Serve, Command::Compile] {
        let mut names: Vec<_> = catalogue::all(command).map(|spec| spec.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

#[test]
fn defaults_are_the_peers() {
    let options = served(&[]).unwrap();
    assert_eq!((options.address.port(), options.support_listener.unwrap().port()), (9090, 9911));
    assert!(options.address.ip().is_unspecified());
    assert_eq!(options.poll_interval, Duration::from_secs(3));
    assert_eq!(options.linger, Duration::from_secs(45));
    assert_eq!(options.log, LogOptions { level: tracing::Level::INFO, json: false });
    assert_eq!(options.api, ApiOptions::default());
    assert_eq!(options.default_filters_dir, None);
    // The settings' own default is the peer's, field by field.
    assert_eq!(format!("{:?}", options.compile), format!("{:?}", crate::compile::Settings::default()));
    assert!(options.notes.is_empty(), "{:?}", options.notes);
}

#[test]
fn our_own_defaults_suit_a_pod() {
    let pod = |name: &str| match name {
        "POD_NAME" => Some("bellwether-1".to_owned()),
        "POD_IP" => Some("10.0.0.7".to_owned()),
        "XDG_STATE_HOME" => Some("/var/lib".to_owned()),
        _ => None,
    };
    let Parsed::Run(options) = serve(&arguments(&["--replication-plaintext"]), &pod).unwrap() else {
        panic!()
    };
    assert_eq!(options.id, "bellwether-1");
    assert_eq!(options.source, SourceOptions::Kubernetes);
    assert_eq!(options.lease, LeaseOptions::Kubernetes { namespace: None, name: "bellwether".into() });
    assert_eq!(options.replication.address, "10.0.0.7:9912");
    assert_eq!(options.replication.listener.port(), 9912);
    assert_eq!(options.state_dir, Path::new("/var/lib/bellwether/bellwether-1"));
    assert_eq!(options.election, Timing::DEFAULT);
}

#[test]
fn the_line_of_the_readme_is_understood() {
    let options = served(&[
        "--source=manifests:DIR",
        "--lease=file:PATH",
        "--id=r0",
        "--state-dir=STATE",
        "--peers=127.0.0.1:9912,127.0.0.1:9922,127.0.0.1:9932",
        "-address=127.0.0.1:9090",
        "-support-listener=127.0.0.1:9911",
        "--election-preset=bench",
        "--election-validity=1650ms",
    ])
    .unwrap();
    assert_eq!(options.source, SourceOptions::Manifests("DIR".into()));
    assert_eq!(options.lease, LeaseOptions::File("PATH".into()));
    assert_eq!((options.id.as_str(), options.state_dir.to_str()), ("r0", Some("STATE")));
    assert_eq!(options.replication.peers.len(), 3);
    assert_eq!(options.replication.tls, None);
    assert_eq!(options.address, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(options.election.lease(), Duration::from_secs(2));
    assert_eq!(options.election.valid(), Duration::from_millis(1650));
}

#[test]
fn routes_come_from_files_or_from_another_route_server() {
    let options = served(&["--source=eskip:routes"]).unwrap();
    assert_eq!(options.source, SourceOptions::Routes("routes".into()));
    let compile = &options.compile;
    assert!(compile.definitions && !compile.healthcheck && !compile.https_redirect, "{compile:?}");
    assert!(options.notes.is_empty(), "{:?}", options.notes);
    let line = [
        "--source=eskip+https://a",
        "-upstream-ca-file=ca",
        "-upstream-cert-file=crt",
        "-upstream-key-file=key",
    ];
    let SourceOptions::Remote { address, files } = served(&line).unwrap().source else { panic!("it is one") };
    assert_eq!(address.to_string(), "https://a:443/routes");
    assert_eq!(files.identity, Some(("crt".into(), "key".into())));
    let options = served(&[
        "--source=eskip+http://a:1/x",
        "-kubernetes-https-redirect",
        "-kubernetes-healthcheck=false",
    ])
    .unwrap();
    assert!(
        options.notes[0].text.starts_with("-kubernetes-https-redirect without effect"),
        "{:?}",
        options.notes
    );
    for (wrong, part) in [
        (&["--source=eskip:"][..], "names no file"),
        (&["--source=eskip+http:"], "use eskip+https://HOST/routes"),
        (&["--source=eskip+https://me@a"], "user"),
        (&["--source=eskip+http://a", "-upstream-ca-file=ca"], "go with --source=eskip+https"),
        (&["--source=eskip+https://a", "-upstream-cert-file=crt"], "go together"),
        (&["--source=etcd:a"], "eskip:FILE"),
    ] {
        let error = served(wrong).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn every_setting_of_the_table_has_its_flag() {
    let settings = served(&[
        "-kubernetes-ingress-class=^a$",
        "-kubernetes-routegroup-class=^b$",
        "-kubernetes-healthcheck=false",
        "-whitelisted-healthcheck-cidr=10.0.0.0/8,1.2.3.4",
        "-reverse-source-predicate",
        "-kubernetes-https-redirect=0",
        "-kubernetes-https-redirect-code=301",
        "-kubernetes-disable-catchall-routes",
        "-kubernetes-path-mode=path-prefix",
        "-enable-kubernetes-endpointslices",
        "-kubernetes-topology-zone=z",
        "-enable-kubernetes-east-west",
        "-kubernetes-east-west-domain=east.local",
        "-kubernetes-east-west-range-domains=a.local,b.local",
        "-kubernetes-east-west-range-predicates=ClientIP(\"10.2.0.0/15\") && A()",
        "-kubernetes-annotation-predicates=k=v=A()",
        "-kubernetes-annotation-predicates=k=w=B()",
        "-kubernetes-annotation-filters-append=k=v=a() -> b()",
        "-kubernetes-east-west-range-annotation-predicates=k=v=C()",
        "-kubernetes-east-west-range-annotation-filters-append=k=v=c()",
        "-kubernetes-application-annotation-label=app",
        "-enable-kubernetes-external-names",
        "-kubernetes-external-name-preserve-host",
        "-kubernetes-only-allowed-external-names",
        "-kubernetes-allowed-external-name=^x$",
        "-kubernetes-allowed-external-name=^y$",
        "-kubernetes-backend-traffic-algorithm=traffic-segment-predicate",
        "-kubernetes-default-lb-algorithm=random",
        "-kubernetes-force-service",
        "-forward-backend-url=http://f.example",
        "-enable-oauth2-grant-flow",
        "-oauth2-callback-path=/cb",
        "-default-filters-prepend=a() -> b()",
        "-default-filters-prepend=c()",
        "-default-filters-append=d()",
        "-edit-route=/a/b/",
        "-clone-route=#c#d#",
        "-kubernetes-enable-tls",
        "-application-log-level=debug",
    ])
    .unwrap()
    .compile;
    insta::assert_debug_snapshot!(settings);
    assert_eq!(settings.path_mode, PathMode::PathPrefix);
    assert_eq!(settings.traffic_algorithm, TrafficAlgorithm::TrafficSegment);
    assert_eq!(settings.default_filters_prepend.len(), 3);
}

#[test]
fn what_cannot_be_right_is_refused_by_name_with_what_is_allowed() {
    for (flag, parts) in [
        ("-kubernetes-path-mode=odd", &["kubernetes-path-mode", "\"odd\"", "path-regexp"][..]),
        ("-kubernetes-backend-traffic-algorithm=odd", &["traffic-segment-predicate"]),
        ("-application-log-level=loud", &["application-log-level", "debug or trace"]),
        ("-whitelisted-healthcheck-cidr=10.0.0.0/99", &["10.0.0.0/99", "within 0 and 32"]),
        ("-forwarded-headers-exclude-cidrs=x", &["10.0.0.0/8"]),
        ("-forwarded-headers=X-Odd", &["X-Forwarded-For"]),
        ("-histogram-metric-buckets=a", &["numbers"]),
        ("-kubernetes-east-west-range-predicates=A(", &["does not parse as predicates"]),
        ("-kubernetes-annotation-predicates=a", &["KEY=VALUE"]),
        ("-default-filters-append=a(", &["does not parse as filters"]),
        ("-edit-route=/a/", &["/REGEXP/TEXT/"]),
        ("-kubernetes-allowed-external-name=(", &["is not a regular expression"]),
        ("-kubernetes-ingress-class=(", &["is not a regular expression"]),
        ("-kubernetes-https-redirect-code=200", &["308"]),
        ("-source-poll-timeout=0", &["within 10 and"]),
        ("-wait-for-healthcheck-interval=-1s", &["below zero"]),
        ("-wait-for-healthcheck-interval=45", &["is not a duration", "45s"]),
        ("-kubernetes=yes", &["neither true nor false"]),
        ("-kubernetes=false", &["manifests:DIR"]),
        ("-compress-encodings=zip", &["gzip, deflate, br or zstd"]),
        ("-tls-client-auth=odd", &["NoClientCert"]),
        ("-address=9090", &["HOST:PORT"]),
        ("--source=files", &["manifests:DIR"]),
        ("--source=manifests:", &["names no folder"]),
        ("--lease=etcd", &["file:PATH"]),
        ("--lease=kubernetes:A/b", &["NAMESPACE/NAME"]),
        ("--peers=a", &["HOST:PORT"]),
        ("--replication-tls-cert=a", &["go together"]),
        ("--replication-tls-shared-name=a", &["go together"]),
        ("-enable-mtls", &["needs -tls-cert and -tls-key"]),
        ("-route-server-filters=latency(1)", &["latency: is no filter", "basicAuth, ratelimit"]),
        ("-route-server-filters=status(1)", &["status: 1 is no status"]),
        ("--max-bytes-under-way=0", &["lets nothing be sent"]),
        ("--shards=65", &["more than 64"]),
        ("--hold=1501ms", &["more than 1.5s", "Prefer"]),
        ("--election-validity=3s", &["--election-*", "lengthen the lease"]),
        ("-unknown-thing", &["unknown flag -unknown-thing"]),
    ] {
        let error = refusal(&[flag]);
        assert!(parts.iter().all(|part| error.contains(part)), "{flag}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let twice = ["-kubernetes-annotation-predicates=k=v=A()", "-kubernetes-annotation-predicates=k=v=B()"];
    assert!(refusal(&twice).contains("given twice"));
}

#[test]
fn plain_replication_over_a_network_must_be_asked_for() {
    let refused = |texts: &[&str]| serve(&arguments(texts), &no_environment).map(drop);
    assert!(refused(&[]).unwrap_err().to_string().contains("--replication-plaintext"));
    assert_eq!(refused(&["--replication-plaintext"]), Ok(()));
    assert_eq!(refused(&["--lease=file:x"]), Ok(()));
    let files = ["--replication-tls-cert=c", "--replication-tls-key=k", "--replication-tls-ca=a"];
    assert_eq!(refused(&files), Ok(()));
    let Parsed::Run(options) = serve(&arguments(&["--replication-token-file=t"]), &no_environment).unwrap()
    else {
        panic!("no help was asked for")
    };
    assert_eq!(options.replication.token_file, Some("t".into()));
    assert!(options.notes.iter().any(|note| note.warning && note.text.contains("learns the token")));
}

#[test]
fn mutual_tls_needs_its_files_and_plain_http_is_said() {
    let pair = ["-tls-cert=a,b", "-tls-key=c,d"];
    let of =
        |more: &[&str]| serve(&arguments(&[&["--lease=file:x"], &pair[..], more].concat()), &no_environment);
    let run = |parsed| if let Ok(Parsed::Run(options)) = parsed { options } else { panic!("{parsed:?}") };
    let plain = run(of(&[]));
    assert!(plain.tls.is_none() && plain.notes[0].text.contains("plain HTTP"), "{:?}", plain.notes);
    assert!(of(&["-enable-mtls"]).unwrap_err().to_string().contains("-mtls-authn-ca"));
    assert!(
        of(&["-enable-mtls", "-mtls-authn-ca=e", "-tls-key=c"]).unwrap_err().to_string().contains("as many")
    );
    let tls = run(of(&["-enable-mtls", "-mtls-authn-ca=e,f", "-tls-min-version=1.3"])).tls.unwrap();
    assert_eq!(tls.identities, [("a".into(), "c".into()), ("b".into(), "d".into())]);
    assert_eq!((tls.authorities.len(), tls.system_authorities, tls.only_tls13), (2, false, true));
    let old = run(of(&["-enable-mtls", "-mtls-authn-append-ca", "-tls-min-version=1.0"]));
    assert!(old.notes[0].text.contains("taken as 1.2") && !old.tls.unwrap().only_tls13);
}

#[test]
fn shards_need_both_names() {
    let (namespace, name) =
        ("-kubernetes-redis-service-namespace=swarm", "-kubernetes-redis-service-name=redis");
    let redis = served(&[namespace, name]).unwrap().shards.redis.unwrap();
    assert_eq!((redis.service.to_string().as_str(), redis.port), ("swarm/redis", 6379));
    let alone = served(&[name]).unwrap();
    assert!(
        alone.shards.redis.is_none() && alone.notes[0].text.contains("only together"),
        "{:?}",
        alone.notes
    );
    assert!(refusal(&[namespace, name, "-kubernetes-redis-service-port=0"]).contains("is no port"));
}

#[test]
fn the_status_of_ingresses_comes_from_one_service() {
    let flag = "-kubernetes-status-from-service=edge/balancer";
    assert_eq!(served(&[flag]).unwrap().status_from.unwrap().to_string(), "edge/balancer");
    assert!(served(&[]).unwrap().status_from.is_none());
    let manifests = served(&[flag, "--source=manifests:x"]).unwrap();
    assert!(manifests.status_from.is_none() && manifests.notes[0].warning, "{:?}", manifests.notes);
    for odd in ["balancer", "edge/", "/balancer", "edge/a/b"] {
        let error = refusal(&[&format!("-kubernetes-status-from-service={odd}")]);
        assert!(error.contains("NAMESPACE/NAME"), "{error}");
    }
}

#[test]
fn flags_without_effect_are_named() {
    let notes = served(&["-metrics-prefix=x", "-access-log-disabled", "-opentracing=noop"]).unwrap().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].warning && notes[0].text.starts_with("-opentracing has no effect"), "{notes:?}");
    assert!(
        !notes[1].warning && notes[1].text.ends_with("-access-log-disabled -metrics-prefix"),
        "{notes:?}"
    );
    assert!(served(&["-kubernetes-default-lb-algorithm=odd"]).unwrap().notes[0].warning);
}

#[test]
fn the_line_overrides_the_file_and_nothing_counts_twice() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let yaml = "address: 127.0.0.1:1\nsupport-listener: 127.0.0.1:2\n\
                default-filters-append: [a()]\nkubernetes-annotation-predicates: [k=v=A()]\nodd-key: 1\n";
    file.write_all(yaml.as_bytes()).unwrap();
    let named = format!("-config-file={}", file.path().display());
    let options = served(&[
        &named,
        "-address=127.0.0.1:3",
        "-default-filters-append=b()",
        "-kubernetes-annotation-predicates=k=w=B()",
    ])
    .unwrap();
    assert_eq!(options.address.port(), 3);
    assert_eq!(options.support_listener.unwrap().port(), 2);
    let names: Vec<_> = options.compile.default_filters_append.iter().map(|filter| &filter.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(options.compile.annotation_predicates.len(), 2);
    assert!(options.notes[0].text.contains("unknown key odd-key"), "{:?}", options.notes);

    file.write_all(b"kubernetes-path-mode: odd\n").unwrap();
    let error = refusal(&[&named]);
    assert!(error.contains("path-prefix") && error.contains(file.path().to_str().unwrap()), "{error}");
    assert!(refusal(&["-config-file=/nonexistent/f"]).contains("/nonexistent/f"));
}

#[test]
fn compile_has_its_own_flags() {
    let parsed = |texts: &[&str]| match compile(&arguments(texts)) {
        Ok(Parsed::Run(options)) => Ok(options),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let options = parsed(&["-kubernetes", "-manifests=a.yaml", "-zone", "z", "--report=r"]).unwrap();
    assert_eq!(options.manifests, Path::new("a.yaml"));
    assert_eq!((options.zone.as_deref(), options.report.as_deref()), (Some("z"), Some(Path::new("r"))));
    assert!(parsed(&["-kubernetes"]).unwrap_err().contains("-manifests=PATH"));
    assert!(parsed(&["-manifests=x", "--lease=file:y"]).unwrap_err().contains("unknown flag -lease"));
}

#[test]
fn help_and_version_are_answered() {
    assert!(matches!(serve(&arguments(&["-help"]), &no_environment), Ok(Parsed::Help)));
    assert!(matches!(serve(&arguments(&["-version"]), &no_environment), Ok(Parsed::Version)));
    for command in [Command::Serve, Command::Compile] {
        let text = help(command);
        assert!(text.lines().all(|line| line.chars().count() <= 112), "{text}");
        assert!(text.contains("-kubernetes-ingress-class=REGEXP"));
    }
    let listed = catalogue::all(Command::Serve)
        .filter(|spec| matches!(spec.treatment, Treatment::Honoured(..)))
        .all(|spec| help(Command::Serve).contains(&format!("  -{}", spec.name)));
    assert!(listed);
}

proptest::proptest! {
    #[test]
    fn no_command_line_makes_the_parser_panic(
        picks in proptest::collection::vec((0_usize..303, "\\PC{0,12}", 0_u8..4), 0..6),
    ) {
        let all: Vec<_> = catalogue::all(Command::Serve).collect();
        let mut line = Vec::new();
        for (pick, value, form) in picks {
            let name = all[pick].name;
            if name == "config-file" {
                continue;
            }
            match form {
                0 => line.push(format!("-{name}={value}")),
                1 => line.extend([format!("--{name}"), value]),
                2 => line.push(format!("-{name}={}", sample(all[pick].kind))),
                _ => line.push(value),
            }
        }
        // Names of hosts would be looked up; that is no parsing.
        proptest::prop_assume!(!line.iter().any(|text| text.contains("listener") || text.contains("address")));
        let _ = serve(&line, &no_environment);
        let _ = compile(&line);
    }
}
