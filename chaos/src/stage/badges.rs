//! What replicas prove to each other with: a CA, and for each replica a certificate that carries its name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// The CA, and the folder with everybody's files.
pub struct Badges {
    folder: PathBuf,
    names: Vec<String>,
    issuer: Issuer<'static, KeyPair>,
}

impl Badges {
    /// Makes a CA and a certificate for each of `names`, in `folder`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn make(folder: &Path, names: Vec<String>) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.distinguished_name.push(DnType::CommonName, "chaos-replication-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write(&folder.join("ca.crt"), &ca.self_signed(&key)?.pem())?;
        let badges = Self { folder: folder.to_owned(), names, issuer: Issuer::new(ca, key) };
        badges.renew()?;
        Ok(badges)
    }

    /// Gives everybody a new key and certificate of the same CA, in the same files.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn renew(&self) -> Result<()> {
        self.names.iter().try_for_each(|name| self.issue(name))
    }

    /// The flags of the replica called `name`.
    pub fn flags(&self, name: &str) -> [String; 3] {
        let [certificate, key] = self.files(name);
        [("cert", certificate), ("key", key), ("ca", self.folder.join("ca.crt"))]
            .map(|(what, path)| format!("--replication-tls-{what}={}", path.display()))
    }

    fn issue(&self, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let [certificate, own_key] = self.files(name);
        write(&certificate, &params.signed_by(&key, &self.issuer)?.pem())?;
        write(&own_key, &key.serialize_pem())
    }

    fn files(&self, name: &str) -> [PathBuf; 2] {
        ["crt", "key"].map(|what| self.folder.join(format!("{name}.{what}")))
    }
}

/// Writes a file in one step: a replica may read it at any time.
fn write(path: &Path, pem: &str) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, pem).with_context(|| format!("write {}", new.display()))?;
    std::fs::rename(&new, path).with_context(|| format!("write {}", path.display()))
}
