//! The keys of the API server: a CA, its serving certificate, and the key that signs ServiceAccount tokens.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The API server's certificate.
    pub server_cert: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// The key that signs ServiceAccount tokens (ECDSA P-256), as PKCS #8.
    pub account_key: PathBuf,
    /// Its public half, which tokens are checked with.
    pub account_public: PathBuf,
}

impl Pki {
    /// Makes everything anew in `folder`, for an API server at `address`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn make(folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let pki = Self {
            ca: folder.join("ca.crt"),
            server_cert: folder.join("apiserver.crt"),
            server_key: folder.join("apiserver.key"),
            account_key: folder.join("accounts.key"),
            account_public: folder.join("accounts.pub"),
        };
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.distinguished_name.push(DnType::CommonName, "chaos-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write(&pki.ca, &ca.self_signed(&ca_key)?.pem())?;

        let key = KeyPair::generate()?;
        let mut server = CertificateParams::new(vec!["localhost".to_owned(), address.to_string()])?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        write(&pki.server_cert, &server.signed_by(&key, &Issuer::new(ca, ca_key))?.pem())?;
        write(&pki.server_key, &key.serialize_pem())?;
        let accounts = KeyPair::generate()?;
        write(&pki.account_key, &accounts.serialize_pem())?;
        write(&pki.account_public, &accounts.public_key_pem())?;
        Ok(pki)
    }
}

fn write(path: &Path, pem: &str) -> Result<()> {
    std::fs::write(path, pem).with_context(|| format!("write {}", path.display()))
}
