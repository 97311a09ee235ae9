//! Certificates in files.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The certificates in the PEM file at `path`, at least one, in its order.
///
/// # Errors
///
/// Where the file cannot be read, or holds none; whoever asks adds which file, and by which flag.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|cause| cause.to_string())?;
    if all.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(certificates(&path).is_err(), "nothing is there");
        std::fs::write(&path, "no certificate\n").unwrap();
        assert_eq!(certificates(&path).unwrap_err(), "it holds no certificate");
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem().repeat(2)).unwrap();
        assert_eq!(certificates(&path).unwrap(), [made.cert.der().clone(), made.cert.der().clone()]);
    }
}
