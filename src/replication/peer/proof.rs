//! What the other end of a connection has proven of itself.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::PeerError;
use crate::election::name_of;

/// The certificate that was shown, by an authority of ours; none where replicas have no certificates.
#[derive(Clone, Debug, Default)]
pub struct Proof(Option<Shown>);

#[derive(Clone, Debug)]
struct Shown {
    certificate: CertificateDer<'static>,
    shared_name: Option<String>,
}

impl Proof {
    pub(super) const fn of(certificate: CertificateDer<'static>, shared_name: Option<String>) -> Self {
        Self(Some(Shown { certificate, shared_name }))
    }

    /// Whoever is there says that it is the process `identity`: its certificate must carry that replica's name, or the
    /// one that all share. Without certificates everybody is believed.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub fn of_identity(&self, identity: &str) -> Result<(), PeerError> {
        let Some(shown) = &self.0 else { return Ok(()) };
        let name = name_of(identity);
        if shown.carries(name) || shown.shared_name.as_ref().is_some_and(|shared| shown.carries(shared)) {
            Ok(())
        } else {
            Err(PeerError::Impostor(name.to_owned()))
        }
    }
}

impl Shown {
    fn carries(&self, name: &str) -> bool {
        let certificate = ParsedCertificate::try_from(&self.certificate).ok();
        let name = ServerName::try_from(name).ok();
        certificate
            .zip(name)
            .is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
    }
}
