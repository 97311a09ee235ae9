//! Whether the route server that `--source` names answers, and with what.

use http::StatusCode;

use super::{Check, Doctor, LOOK};
use crate::flags::SourceOptions;
use crate::source::RemoteConfig;
use crate::source::remote::{Look, LookError, RemoteError, look};

impl Doctor {
    /// As patient as the source is: what a leader could read is not called out of reach.
    pub(super) async fn upstream(&self) -> Vec<Check> {
        let SourceOptions::Remote { address, files } = &self.options.source else { return Vec::new() };
        let (address, files, net) = (address.clone(), files.clone(), self.net.clone());
        let what = format!("upstream {address}");
        vec![judged(what, look(RemoteConfig { address, files, net }).await)]
    }
}

fn judged(what: String, seen: Result<Look, LookError>) -> Check {
    match seen {
        Ok(seen) => match wish(&seen) {
            "" => Check::good(what, told(&seen)),
            hint => Check::look(what, told(&seen), hint),
        },
        Err(error) => Check::bad(what, error.to_string(), hint(&error)),
    }
}

/// What it has answered, in words.
fn told(seen: &Look) -> String {
    let mut found = format!("answers 200 with {} definitions", seen.definitions);
    if seen.flawed > 0 {
        found.push_str(&format!(", {} of which do not parse", seen.flawed));
    }
    found.push_str(if seen.tag.is_some() { ", with an ETag" } else { ", without an ETag" });
    if let Some(version) = seen.version {
        found.push_str(&format!(", version {version}"));
    }
    if let Some(age) = seen.unchanged_for {
        found.push_str(&format!(", unchanged for {} s", age.as_secs()));
    }
    if seen.took > LOOK {
        found.push_str(&format!(", after {:.1} s", seen.took.as_secs_f64()));
    }
    found
}

/// What should be better although it can be read; empty where nothing should.
fn wish(seen: &Look) -> &'static str {
    match seen {
        Look { definitions: 0, .. } => {
            "ask its own doctor whether it reads anything; an empty table waits for a release of the guard"
        }
        Look { flawed: 1.., .. } => {
            "bellwether status names them; their last good routes stay until they are mended there"
        }
        Look { tag: None, .. } => {
            "each poll fetches the whole table: see whether what is between drops the ETag, or answers for it"
        }
        Look { took, .. } if *took > LOOK => "see how busy it is, and the way there",
        _ => "",
    }
}

fn hint(error: &LookError) -> &'static str {
    let error = match error {
        LookError::Files(_) => return "mend the file, or the flag that names it",
        LookError::Answer(error) => error,
    };
    match error {
        RemoteError::Connection(_) => {
            "see whether it runs, the NetworkPolicy lets us out, and each side trusts the other's certificate (-upstream-ca-file, \
             -upstream-cert-file)"
        }
        RemoteError::Deadline(_) => "see how busy it is, and the way there",
        RemoteError::Status { status: StatusCode::NOT_FOUND, .. } => {
            "name its table in --source, with its path: eskip+https://HOST/routes; a routesrv without one answers so too"
        }
        RemoteError::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
            "show it a certificate that it trusts: -upstream-cert-file"
        }
        RemoteError::Status { .. } => "it has no table for us now: ask its own doctor, and see its log",
        RemoteError::Document(_) | RemoteError::NoText(_) | RemoteError::TooLarge(_) => {
            "see whether a route server answers there, and whether --source has the path of its table"
        }
        RemoteError::Unbounded | RemoteError::Digest { .. } => {
            "look at what is between: it changes answers, or takes their length and ETag away"
        }
        RemoteError::Older { .. } => "that replica of it is behind: see who of them is not current",
        RemoteError::Panic(_) => "report it, with a dump",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::Verdict;
    use super::*;
    use crate::net::Net;
    use crate::snapshot::Digest;
    use crate::source::remote::ClientFiles;

    const TEXT: &str = "a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://b\";";

    /// What is found where somebody gives this answer.
    async fn found(head: &str, body: &str) -> Check {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody asks");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.expect("a whole head"));
            }
            stream.write_all(answer.as_bytes()).await.expect("it listens");
        });
        at(&url).await
    }

    async fn at(url: &str) -> Check {
        let address = url.parse().expect("an address");
        let config = RemoteConfig { address, files: ClientFiles::default(), net: Net::Tcp };
        judged("upstream".to_owned(), look(config).await)
    }

    #[tokio::test]
    async fn a_table_is_told_by_what_its_clients_know_it_by() {
        let tag = Digest::of(TEXT.as_bytes());
        let head = format!(
            "200 OK\r\netag: \"{tag}\"\r\nx-table-version: 7.3\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             last-modified: Sun, 06 Nov 1994 08:49:30 GMT"
        );
        let check = found(&head, TEXT).await;
        assert_eq!((check.verdict, check.hint.as_str()), (Verdict::Good, ""), "{check:?}");
        let told = "answers 200 with 2 definitions, with an ETag, version 7.3, unchanged for 7 s";
        assert_eq!(check.found, told);
    }

    #[tokio::test]
    async fn what_is_wrong_comes_with_what_to_do() {
        let lie = format!("200 OK\r\netag: \"{}\"", Digest::of(b"another"));
        let cases = [
            ("200 OK", TEXT, Verdict::Look, "2 definitions, without an ETag", "each poll fetches"),
            ("200 OK", "a: Path(\"/) -> <shunt>;", Verdict::Look, "1 of which do not parse", "names them"),
            ("200 OK", "", Verdict::Look, "0 definitions", "its own doctor"),
            ("404 Not Found", "", Verdict::Bad, "404 Not Found", "eskip+https://HOST/routes"),
            ("503 Service Unavailable", "", Verdict::Bad, "503", "its own doctor"),
            ("403 Forbidden", "", Verdict::Bad, "403", "-upstream-cert-file"),
            ("200 OK", "<html>", Verdict::Bad, "taken apart", "path of its table"),
            (&lie, TEXT, Verdict::Bad, "another digest", "what is between"),
        ];
        for (head, body, verdict, told, hint) in cases {
            let check = found(head, body).await;
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.found.contains(told) && check.hint.contains(hint), "{check:?}");
        }
        let nobody = at("http://127.0.0.1:1").await;
        assert!(nobody.verdict == Verdict::Bad && nobody.hint.contains("NetworkPolicy"), "{nobody:?}");
    }

    #[test]
    fn a_slow_answer_is_said() {
        let tag = Some("\"1\"".to_owned());
        let slow = Look { took: LOOK + Duration::from_secs(1), definitions: 1, tag, ..Look::default() };
        let check = judged(String::new(), Ok(slow));
        assert!(check.verdict == Verdict::Look && check.found.ends_with("after 6.0 s"), "{check:?}");
    }
}
