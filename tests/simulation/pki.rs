//! Certificates for the replicas, where a run has them: an authority, and one of each replica's name.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Writes them below `folder`, for each of `names`.
pub fn issue(folder: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("signed by itself");
    for name in names {
        let key = KeyPair::generate().expect("a key");
        let mut request = CertificateParams::new(vec![(*name).to_owned()]).expect("a name");
        request.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        // The calendar of a run begins where Unix's does.
        request.not_before = rcgen::date_time_ymd(1970, 1, 1);
        let certificate = request.signed_by(&key, &authority).expect("signed");
        for (file, text) in
            files(folder, name).iter().zip([certificate.pem(), key.serialize_pem(), authority.pem()])
        {
            std::fs::write(file, text).expect("written");
        }
    }
}

/// The certificate, the key and the authority of a replica.
pub fn files(folder: &Path, name: &str) -> [PathBuf; 3] {
    ["crt", "key", "ca"].map(|kind| folder.join(format!("{name}.{kind}")))
}
