//! `--source`, and the flags that go with one kind of it.

use super::{missing, path};
use crate::flags::values::Values;
use crate::flags::{FlagError, Note, SourceOptions};
use crate::source::remote::ClientFiles;

/// Of those that change the table, the flags without an effect on routes that were compiled before.
const OF_OBJECTS: [&str; 4] = [
    "kubernetes-healthcheck",
    "kubernetes-https-redirect",
    "enable-oauth2-grant-flow",
    "default-filters-dir",
];

pub(super) fn source(values: &Values) -> Result<SourceOptions, FlagError> {
    let text = values.text("source");
    let refuse = |complaint: &str| Err(FlagError::value("source", text, complaint));
    let files = files(values)?;
    if files != ClientFiles::default() && !text.starts_with("eskip+https:") {
        return Err(missing(
            "-upstream-ca-file, -upstream-cert-file and -upstream-key-file go with --source=eskip+https://HOST",
        ));
    }
    match text.split_once(':') {
        Some(("manifests", "")) => refuse("names no folder; use manifests:DIR"),
        Some(("manifests", folder)) => Ok(SourceOptions::Manifests(folder.into())),
        Some(("eskip", "")) => refuse("names no file; use eskip:FILE or eskip:DIR"),
        Some(("eskip", path)) => Ok(SourceOptions::Routes(path.into())),
        Some(("eskip+http" | "eskip+https", _)) => match text["eskip+".len()..].parse() {
            Ok(address) => Ok(SourceOptions::Remote { address, files }),
            Err(complaint) => refuse(&format!("{complaint}; use eskip+https://HOST/routes")),
        },
        None if text == "kubernetes" && values.has("kubernetes") && !values.switch("kubernetes") => Err(
            missing("-kubernetes=false leaves nothing to read; leave it out, or use --source=manifests:DIR"),
        ),
        None if text == "kubernetes" => Ok(SourceOptions::Kubernetes),
        _ => refuse("is no source; use kubernetes, manifests:DIR, eskip:FILE or eskip+https://HOST/routes"),
    }
}

fn files(values: &Values) -> Result<ClientFiles, FlagError> {
    let identity = match (path(values, "upstream-cert-file"), path(values, "upstream-key-file")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(missing("-upstream-cert-file and -upstream-key-file go together")),
    };
    Ok(ClientFiles { authority: path(values, "upstream-ca-file"), identity })
}

/// Notes what was asked for and does not happen, as the upstream has routes.
pub(super) fn say_without_effect(values: &Values, notes: &mut Vec<Note>) {
    let is_wanted = |name: &&'static str| values.has(name) && values.text(name) != "false";
    let given: Vec<_> =
        OF_OBJECTS.iter().filter(|name| is_wanted(name)).map(|name| format!("-{name}")).collect();
    if !given.is_empty() {
        let text = format!(
            "{} without effect: whoever compiled the routes of --source has added this or not",
            given.join(", ")
        );
        notes.push(Note { warning: true, text });
    }
}
