//! Whether the certificates can be read, and for how long they are good.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::{Check, Doctor};
use crate::flags::{ServeOptions, SourceOptions};
use crate::pem;

/// From here on somebody should have renewed it: cert-manager does so when a third of its life is left.
const SOON: i64 = 7 * 86_400;

impl Doctor {
    pub(super) fn certificates(&self) -> Vec<Check> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        paths(&self.options).into_iter().map(|path| look(path, now)).collect()
    }
}

/// The files with a certificate that a command line names.
fn paths(options: &ServeOptions) -> Vec<&PathBuf> {
    let mut paths = Vec::new();
    if let Some(tls) = &options.replication.tls {
        paths.extend([&tls.certificate, &tls.authority]);
    }
    if let Some(tls) = &options.tls {
        paths.extend(tls.identities.iter().map(|(certificate, _)| certificate));
        paths.extend(&tls.authorities);
    }
    if let SourceOptions::Remote { files, .. } = &options.source {
        paths.extend(&files.authority);
        paths.extend(files.identity.iter().map(|(certificate, _)| certificate));
    }
    paths
}

/// The first of a file's certificates to end says how the file is.
fn look(path: &Path, now: Duration) -> Check {
    let what = format!("certificate {}", path.display());
    let renew = "renew it; a replica takes up changed files within five seconds";
    let lives = match lives(path) {
        Ok(lives) => lives,
        Err(cause) => return Check::bad(what, cause, "give a PEM file with a certificate"),
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let begins = lives.iter().map(|life| life.0).max().unwrap_or(i64::MAX);
    let ends = lives.iter().map(|life| life.1).min().unwrap_or_default();
    let days = |seconds: i64| format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600);
    match ends - now {
        _ if begins > now => {
            let hint = "see whether this machine's clock is right";
            Check::bad(what, format!("it begins in {}", days(begins - now)), hint)
        }
        left if left <= 0 => Check::bad(what, format!("it ended {} ago", days(-left)), renew),
        left if left < SOON => Check::look(what, format!("it ends in {}", days(left)), renew),
        left => Check::good(what, format!("it ends in {}", days(left))),
    }
}

/// When each certificate of a file begins and ends, in seconds since the epoch of Unix.
fn lives(path: &Path) -> Result<Vec<(i64, i64)>, String> {
    let all = pem::certificates(path)?;
    let life = |der: &CertificateDer<'_>| {
        let (_, certificate) = parse_x509_certificate(der).map_err(|cause| cause.to_string())?;
        let validity = certificate.validity();
        Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
    };
    all.iter().map(life).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::flags::{self, Parsed};

    #[test]
    fn every_certificate_of_the_command_line_is_looked_at() {
        let line = [
            "--id=r0",
            "--source=eskip+https://a",
            "-upstream-ca-file=a.ca",
            "-upstream-cert-file=a.crt",
            "-upstream-key-file=a.key",
            "--replication-tls-cert=r.crt",
            "--replication-tls-key=r.key",
            "--replication-tls-ca=r.ca",
        ];
        let parsed = flags::serve(&line.map(str::to_owned), &|_: &str| None).expect("understood");
        let Parsed::Run(options) = parsed else { panic!("it runs") };
        let looked_at = paths(&options).into_iter().map(|path| path.display().to_string());
        assert_eq!(looked_at.collect::<Vec<_>>(), ["r.crt", "r.ca", "a.ca", "a.crt"]);
    }

    #[test]
    fn an_end_is_seen_before_it_comes() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_before = rcgen::date_time_ymd(2030, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2030, 3, 1);
        let certificate = parameters.self_signed(&key).expect("signed");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), certificate.pem()).expect("written");
        let begins = 1_893_456_000;
        let at = |seconds: u64| look(file.path(), Duration::from_secs(seconds));
        let cases = [
            (begins - 86_400, Verdict::Bad, "it begins in 1 d 0 h"),
            (begins + 86_400, Verdict::Good, "it ends in 58 d 0 h"),
            (begins + 57 * 86_400 + 3_600, Verdict::Look, "it ends in 1 d 23 h"),
            (begins + 60 * 86_400, Verdict::Bad, "it ended 1 d 0 h ago"),
        ];
        for (seconds, verdict, found) in cases {
            let check = at(seconds);
            assert_eq!((check.verdict, check.found.as_str()), (verdict, found));
        }
        std::fs::write(file.path(), "no PEM").expect("written");
        assert_eq!(at(begins).found, "it holds no certificate");
    }
}
