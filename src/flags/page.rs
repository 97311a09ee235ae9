//! docs/flags.md, as the catalogue has it: every flag of routesrv and every one of our own, and what becomes of it.

use std::fmt::Write as _;

use super::Command;
use super::catalogue::{self, Group, Spec, Treatment};

const HEAD: &str = "\
# Every flag

Bellwether takes all 283 flags of routesrv v0.27.65 under their names, in Go's syntax (`-name=value`, `-name value`, one dash or two), and as keys
of `-config-file`. *own* marks those that routesrv does not have: nothing but `-peers`, certificates and, outside of a pod,
`-lease` has to be given. Where one works otherwise than in routesrv, [compatibility](compatibility.md#the-process) says so.

This page is made from the program (`BELLWETHER_WRITE=1 cargo test --lib flags::page`), and a test holds it to that.
";

const IGNORED: &str = "
## Ignored by routesrv, and here

They steer the proxy, which shares routesrv's flags. Their values are checked as routesrv checks them, and one line of the log names those that
were given.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for group in Group::ALL.into_iter().filter(|group| *group != Group::Compile) {
        let _ = write!(
            page,
            "\n## {}\n\n| flag | by default | what it does |\n| --- | --- | --- |\n",
            group.title()
        );
        for spec in catalogue::all(Command::Serve) {
            match spec.treatment {
                Treatment::Honoured(its, help) if its == group => row(&mut page, spec, help),
                _ => {}
            }
        }
    }
    page.push_str(
        "\n## Without effect\n\nTaken with a warning.\n\n| flag | by default | why |\n| --- | --- | --- |\n",
    );
    for spec in catalogue::of_the_peer() {
        if let Treatment::Unsupported(why) = spec.treatment {
            row(&mut page, spec, why);
        }
    }
    let ignored = catalogue::of_the_peer().filter(|spec| matches!(spec.treatment, Treatment::Ignored));
    let names: Vec<String> = ignored.map(|spec| format!("`-{}`", spec.name)).collect();
    page.push_str(IGNORED);
    for names in names.chunks(4) {
        let _ = write!(page, "\n{}", names.join(" "));
    }
    page.push('\n');
    page
}

fn row(page: &mut String, spec: &Spec, text: &str) {
    let own = if catalogue::of_the_peer().any(|other| other.name == spec.name) { "" } else { " *own*" };
    let (again, value) =
        (if spec.kind.adds_up() { "; may be given again" } else { "" }, spec.kind.placeholder());
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    let default = match spec.default {
        "" => String::new(),
        default => format!("`{default}`"),
    };
    let text = text.replace('|', "\\|").replace('<', "&lt;");
    let _ = writeln!(page, "| `-{}{value}`{own} | {default} | {text}{again} |", spec.name);
}

#[test]
fn the_page_says_what_the_program_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/flags.md");
    if std::env::var_os("BELLWETHER_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == page(), "run BELLWETHER_WRITE=1 cargo test --lib flags::page, and read what changed");
}
