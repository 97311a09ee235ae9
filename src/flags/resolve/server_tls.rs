//! Mutual TLS on the main listener.

use super::{Values, missing};
use crate::flags::{FlagError, Note};
use crate::serve::TlsFiles;

/// The files of TLS; `None` without `-enable-mtls`, where the peer ignores the other flags too and serves plain HTTP.
pub(super) fn files(values: &Values, notes: &mut Vec<Note>) -> Result<Option<TlsFiles>, FlagError> {
    let [certificates, keys, authorities] =
        ["tls-cert", "tls-key", "mtls-authn-ca"].map(|name| items(values.text(name)));
    if !values.switch("enable-mtls") {
        if !certificates.is_empty() || !keys.is_empty() || values.non_empty("tls-key-log-file").is_some() {
            let text = "-tls-cert, -tls-key and -tls-key-log-file have no effect without -enable-mtls: -address speaks \
                        plain HTTP";
            notes.push(Note { warning: true, text: text.to_owned() });
        }
        return Ok(None);
    }
    if certificates.is_empty() || certificates.len() != keys.len() {
        return Err(missing(
            "-enable-mtls needs -tls-cert and -tls-key, with as many files in the one as in the other",
        ));
    }
    let system_authorities = values.switch("mtls-authn-append-ca");
    if authorities.is_empty() && !system_authorities {
        return Err(missing(
            "-enable-mtls lets no client in without -mtls-authn-ca=FILE or -mtls-authn-append-ca",
        ));
    }
    Ok(Some(TlsFiles {
        identities: certificates.into_iter().map(Into::into).zip(keys.into_iter().map(Into::into)).collect(),
        authorities: authorities.into_iter().map(Into::into).collect(),
        system_authorities,
        only_tls13: only_tls13(values.text("tls-min-version"), notes),
        key_log: values.non_empty("tls-key-log-file").map(Into::into),
    }))
}

fn items(text: &str) -> Vec<String> {
    text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// The peer takes what it does not know for 1.2, too, but says so only in the log's small print.
fn only_tls13(version: &str, notes: &mut Vec<Note>) -> bool {
    if !matches!(version, "1.3" | "13" | "1.2" | "12") {
        let text = format!("-tls-min-version={version}: taken as 1.2; use 1.2 or 1.3");
        notes.push(Note { warning: true, text });
    }
    matches!(version, "1.3" | "13")
}
