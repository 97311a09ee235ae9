//! The program as people and scripts meet it: output, exit codes, one-line errors.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SHOP: &str = r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop, namespace: default }
spec:
  rules:
    - host: shop.example.org
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: shop, port: { number: 80 } } } }
---
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: default }
spec: { ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Endpoints
metadata: { name: shop, namespace: default }
subsets: [{ addresses: [{ ip: 10.0.0.1 }, { ip: 10.0.0.2 }], ports: [{ port: 8080 }] }]
"#;

fn bellwether(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bellwether")).args(arguments).output().expect("the program runs")
}

fn compile(path: &Path, more: &[&str]) -> Output {
    let manifests = format!("-manifests={}", path.display());
    bellwether(&[&["compile", "-kubernetes", &manifests], more].concat())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the output is UTF-8")
}

#[test]
fn compile_prints_exactly_the_table_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop.yaml"), SHOP).unwrap();
    let report = folder.path().join("report.txt");
    let output = compile(folder.path(), &["--report", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("Host(/^(shop[.]example[.]org[.]?(:[0-9]+)?)$/)"), "{table}");
    assert!(table.contains("http://10.0.0.1:8080") && !table.ends_with('\n'), "{table}");

    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["count"], table.lines().filter(|line| line.contains(": ")).count());
    assert_eq!(report["digest"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&report["quarantined"], &report["diagnostics"]),
        (&Value::from([0; 0]), &Value::from([0; 0]))
    );
}

#[test]
fn compile_takes_the_peers_flags() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    fs::write(&file, SHOP).unwrap();
    let flags =
        ["-kubernetes-healthcheck=false", "--kubernetes-https-redirect=F", "-default-filters-append", "a(1)"];
    let output = compile(&file, &flags);
    let table = text(&output.stdout);
    assert!(table.contains("-> a(1)") && !table.contains("kube__healthz"), "{table}");
}

#[test]
fn an_empty_table_is_no_output_and_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    fs::write(&file, SHOP).unwrap();
    let none =
        ["-kubernetes-healthcheck=false", "-kubernetes-https-redirect=false", "-kubernetes-namespace=other"];
    let output = compile(&file, &none);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "bellwether: the table is empty\n");
}

#[test]
fn manifests_that_are_not_there_are_code_1() {
    let output = compile(Path::new("/nonexistent/manifests"), &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(
        text(&output.stderr).contains("/nonexistent/manifests does not exist"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_is_wrong_with_a_command_line_is_one_line_and_code_2() {
    for (arguments, expected) in [
        (&["serve", "-kubernets"][..], "unknown flag -kubernets; did you mean -kubernetes?"),
        (&["serve", "-kubernetes-path-mode=x"], "use kubernetes-ingress, path-regexp or path-prefix"),
        (&["serve", "-address"], "-address needs a value"),
        (&["compile"], "-manifests=PATH is missing"),
        (&["compile", "-manifests=x", "y"], "unexpected argument \"y\""),
        (&["complie"], "did you mean compile?"),
    ] {
        let output = bellwether(arguments);
        let error = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {error}");
        assert!(error.starts_with("bellwether: ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn serve_that_cannot_start_says_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("-address={}", held.local_addr().unwrap());
    let lease = format!("--lease=file:{}", folder.path().join("lease").display());
    let state = format!("--state-dir={}", folder.path().join("state").display());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let under_a_file = format!("--state-dir={}", file.join("state").display());
    let serve = |more: &[&str]| {
        let common =
            ["serve", "--source=manifests:.", "-support-listener=", "--replication-listener=127.0.0.1:0"];
        bellwether(&[&common[..], &[lease.as_str(), state.as_str(), "-address=127.0.0.1:0"], more].concat())
    };
    for (more, expected) in [
        (&[address.as_str()][..], "the port is in use"),
        (&[under_a_file.as_str()], "--state-dir"),
        (
            &["--replication-tls-cert=/nonexistent", "--replication-tls-key=k", "--replication-tls-ca=a"],
            "/nonexistent",
        ),
        (&["--election-validity=3s"], "lengthen the lease or shorten the validity"),
    ] {
        let output = serve(more);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("bellwether: ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let expected = format!("bellwether {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [&["version"][..], &["--version"], &["serve", "-version"]] {
        let output = bellwether(arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), expected.as_str()));
    }
    for (arguments, part) in [
        (&["completions", "bash"][..], "--kubernetes-ingress-class"),
        (&["help"][..], "bellwether COMMAND --help"),
        (&["serve", "--help"], "-kubernetes-ingress-class=REGEXP"),
        (&["compile", "-h"], "-manifests=PATH"),
        (&["help", "demo"], "--kill-leader-every"),
        (&["status", "--help"], "--server"),
    ] {
        let output = bellwether(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains(part), "{arguments:?}: {}", text(&output.stdout));
    }
}

#[test]
fn status_of_nobody_says_who_does_not_answer() {
    let output = bellwether(&["status", "--server=http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("http://127.0.0.1:1/status does not answer"),
        "{}",
        text(&output.stderr)
    );
}
