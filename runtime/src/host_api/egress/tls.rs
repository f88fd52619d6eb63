//! How outgoing connections are secured: whom a guest's peer must be certified by, and what a guest may change of that.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// A guest's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the certificates to trust are not PEM: {0}")]
    Pem(String),
    #[error("the certificates to trust cannot be used: {0}")]
    Unusable(String),
}

/// The certificates of the system; where it has none, those of Mozilla's programme.
fn roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(ring::default_provider())).clone()
}

fn config_of(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has the protocol's default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What HTTPS uses.
pub fn config() -> ClientConfig {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    CONFIG.get_or_init(|| config_of(roots().clone())).clone()
}

/// What a guest asked for: more authorities in PEM, no verification at all, protocols to offer.
pub fn configured(
    authorities: Option<&str>,
    verify: bool,
    protocols: &[String],
) -> Result<ClientConfig, AuthorityError> {
    let mut config = match authorities {
        None => config(),
        Some(pem) => {
            let mut all = roots().clone();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| AuthorityError::Pem(error.to_string()))?;
                all.add(certificate).map_err(|error| AuthorityError::Unusable(error.to_string()))?;
            }
            // Fails on what the builder below would panic about, if there were any.
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(all.clone()), provider()).build();
            verifier.map_err(|error| AuthorityError::Unusable(error.to_string()))?;
            config_of(all)
        }
    };
    if !verify {
        config.dangerous().set_certificate_verifier(Arc::new(Unverified));
    }
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// Takes any certificate, because the guest said so: its own database in a private network, most likely. That the peer has the
/// certificate's key is still checked.
#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
