//! What a failed call means to whoever operates the cluster, and how to mend it.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use rustls::CertificateError;

use super::call::{Failure, Verb};
use super::resource::Resource;
use crate::source::SourceError;

/// The error that the source reports for a failed call.
pub(super) fn explain(verb: Verb, resource: Resource, failure: &Failure) -> SourceError {
    let (code, cause) = match failure {
        Failure::Stalled(silence) => (
            "timeout".to_owned(),
            format!("no byte came for {}: the API server hangs or is out of reach", seconds(*silence)),
        ),
        Failure::TooLarge => ("too-large".to_owned(), "the answer is larger than any page can be".to_owned()),
        Failure::Decode(cause) => ("decode".to_owned(), cause.clone()),
        Failure::Status { code, message, .. } => {
            (code.as_str().to_owned(), status(verb, resource, *code, message))
        }
        Failure::Transport(error) => transport(error),
    };
    let mut error = SourceError::new(what(verb, resource), cause, code);
    if let Failure::Status { retry_after, .. } = failure {
        error.retry_after = *retry_after;
    }
    error
}

/// The error of a list that is not whole at its deadline.
pub(super) fn too_slow(verb: Verb, resource: Resource, deadline: Duration) -> SourceError {
    let cause =
        format!("not complete within {}: the API server or the way to it is too slow", seconds(deadline));
    SourceError::new(what(verb, resource), cause, "timeout")
}

/// A length of time for people.
pub(super) fn seconds(length: Duration) -> String {
    format!("{} s", length.as_secs_f64())
}

fn what(verb: Verb, resource: Resource) -> String {
    match verb {
        Verb::List => format!("list {}", resource.plural),
        Verb::Watch => format!("watch {}", resource.plural),
        Verb::Discover => format!("discover {}", resource.plural),
    }
}

fn status(verb: Verb, resource: Resource, code: StatusCode, message: &str) -> String {
    let Resource { group, plural, .. } = resource;
    let hint = match (code, verb) {
        (StatusCode::UNAUTHORIZED, _) => {
            "the token is missing, expired or of another cluster: check the ServiceAccount or -kubernetes-token-file"
                .to_owned()
        }
        (StatusCode::FORBIDDEN, Verb::List | Verb::Watch) => {
            let verb = if verb == Verb::List { "list" } else { "watch" };
            format!("allow the verb {verb} on {plural} in the API group {group:?} (deploy/manifests/base/rbac.yaml)")
        }
        (StatusCode::FORBIDDEN, Verb::Discover) => {
            format!("allow get on {} (the ClusterRole system:discovery does)", resource.group_path())
        }
        (StatusCode::NOT_FOUND, _) => {
            format!("this server has no {plural} at {}: is it a Kubernetes API?", resource.group_path())
        }
        (StatusCode::GONE, Verb::Watch) => "its store has forgotten what we had seen; all is listed again".to_owned(),
        (StatusCode::GONE, _) => "the list expired between its pages, again and again: its store is compacted too often".to_owned(),
        (StatusCode::TOO_MANY_REQUESTS, _) => "the API server sheds load".to_owned(),
        _ => String::new(),
    };
    let parts = [code.to_string(), message.to_owned(), hint];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The causes from the outside in. What an `io::Error` wraps is not among its sources, so it is asked for.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(outer) => outer.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

fn transport(error: &kube::Error) -> (String, String) {
    let find = |is: fn(&(dyn Error + 'static)) -> bool| causes(error).any(is);
    let last = causes(error).last().map(ToString::to_string).unwrap_or_default();
    if let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return ("tls".to_owned(), tls(error));
    }
    if let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<kube::client::AuthError>()) {
        return ("auth".to_owned(), format!("no credentials: {error}"));
    }
    let kind = |kind: io::ErrorKind| {
        causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| error.kind() == kind)
    };
    if kind(io::ErrorKind::TimedOut) {
        let cause = "no connection in time: is the address right, does a network policy drop packets?";
        return ("timeout".to_owned(), cause.to_owned());
    }
    if find(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message))
        || kind(io::ErrorKind::UnexpectedEof)
        || kind(io::ErrorKind::ConnectionReset)
    {
        return ("cut".to_owned(), format!("the connection broke off before the answer was whole ({last})"));
    }
    ("unreachable".to_owned(), format!("{last}: is -kubernetes-url right and the API server up?"))
}

fn tls(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return match error {
            rustls::Error::InvalidMessage(_) => "no TLS is spoken there: give an http:// URL".to_owned(),
            _ => format!("TLS failed: {error}"),
        };
    };
    let hint = match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is signed by an authority that is not trusted here: give that authority's certificate (--kubernetes-ca-file)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name: give a URL with a host that it names"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired: renew it",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: check the clocks"
        }
        _ => "it is refused",
    };
    format!("the API server's certificate: {hint} ({error})")
}
