//! The help of `serve` and `compile`: our flags and those of the peer that work, in groups.

use std::fmt::Write as _;

use super::Command;
use super::catalogue::{self, Group, Spec, Treatment};

const INDENT: &str = "        ";
const WIDTH: usize = 100;

const SERVE: &str = "\
bellwether serve: one replica of the route server

Usage: bellwether serve [flags]

Flags are written -name, -name=value or -name value, with one dash or two. All of routesrv's flags are
accepted; those that it ignores are ignored here too. Without flags: read from the API server of the pod,
elect through the Lease bellwether in the pod's namespace.

On one machine, without Kubernetes:
  bellwether serve --source=manifests:DIR --lease=file:PATH --id=r0 --state-dir=DIR \\
    --replication-listener=127.0.0.1:9912 --peers=127.0.0.1:9912,127.0.0.1:9922 \\
    -address=127.0.0.1:9090 -support-listener=127.0.0.1:9911
";

const COMPILE: &str = "\
bellwether compile: print the table that a route server would serve for these manifests

Usage: bellwether compile [flags] -manifests=PATH [-zone=ZONE] [-report=FILE]

Prints exactly the bytes of GET /routes (or /routes/ZONE). Exits with 0; with 3, and nothing printed, where the
table is empty; with 2 where a flag is wrong; with 1 where the manifests cannot be read. All of routesrv's flags
are accepted; those that have nothing to do with the table have no effect.
";

/// The help text of `command`.
pub fn help(command: Command) -> String {
    let (mut text, hidden): (String, &[Group]) = match command {
        Command::Serve => (SERVE.to_owned(), &[]),
        Command::Compile => (COMPILE.to_owned(), &[Group::Replica, Group::Listeners]),
    };
    for group in Group::ALL.into_iter().filter(|group| !hidden.contains(group)) {
        let of_group = |spec: &&Spec| matches!(spec.treatment, Treatment::Honoured(its, _) if its == group);
        let mut specs = catalogue::all(command).filter(of_group).peekable();
        if specs.peek().is_some() {
            let _ = write!(text, "\n{}:\n", group.title());
        }
        for spec in specs {
            entry(&mut text, spec);
        }
    }
    text
}

fn entry(text: &mut String, spec: &Spec) {
    let Treatment::Honoured(_, help) = spec.treatment else { return };
    let placeholder = spec.kind.placeholder();
    let value = if placeholder.is_empty() { String::new() } else { format!("={placeholder}") };
    let _ = writeln!(text, "  -{}{value}", spec.name);
    let mut notes = String::new();
    if spec.kind.adds_up() {
        notes.push_str("; may be given again");
    }
    if !spec.default.is_empty() && spec.default != "false" {
        let _ = write!(notes, " (default {})", spec.default);
    }
    let mut line = INDENT.to_owned();
    for word in format!("{help}{notes}").split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = INDENT.to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
