//! How outgoing connections are secured: whom a guest's peer must be certified by, and what a guest may change of that.

use crate::limits;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// A guest's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the certificates to trust are not PEM: {0}")]
    Pem(String),
    #[error("the certificates to trust cannot be used: {0}")]
    Unusable(String),
}

/// A guest's own certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the client's certificate is not PEM: {0}")]
    Certificate(String),
    #[error(
        "there is no certificate in what was given as the client's certificate; it must be PEM, `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate,
    #[error("the client's key is not PEM: {0}")]
    Key(String),
    #[error(
        "there is no private key in what was given as the client's key; it must be PEM, `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey,
    #[error("the client's key is encrypted; decrypt it with its passphrase first")]
    Encrypted,
    #[error("the client's certificate and key do not belong together: the certificate is for another key")]
    Mismatch,
    #[error("the client's certificate and key cannot be used: {0}")]
    Unusable(String),
    #[error("the client's certificate and key are more than {}", limits::MAX_AUTHORITIES)]
    TooLarge,
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
            add(&mut all, pem)?;
            // Fails on what the builder below would panic about, if there were any.
            verifier(all.clone())?;
            config_of(all)
        }
    };
    if !verify {
        config.dangerous().set_certificate_verifier(Arc::new(Unverified));
    }
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// Lets a guest's peer know who the guest is. Sessions are not resumed then: one says who it was begun by.
pub fn identify(config: &mut ClientConfig, chain: &str, key: &str) -> Result<(), IdentityError> {
    if (chain.len() + key.len()) as u64 > limits::MAX_AUTHORITIES.0 {
        return Err(IdentityError::TooLarge);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| IdentityError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(IdentityError::NoCertificate);
    }
    if key.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(IdentityError::Encrypted);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => IdentityError::NoKey,
        error => IdentityError::Key(error.to_string()),
    })?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::Mismatch,
        error => IdentityError::Unusable(error.to_string()),
    })?;
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
    config.resumption = Resumption::disabled();
    Ok(())
}

fn add(roots: &mut RootCertStore, pem: &str) -> Result<(), AuthorityError> {
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| AuthorityError::Pem(error.to_string()))?;
        roots.add(certificate).map_err(|error| AuthorityError::Unusable(error.to_string()))?;
    }
    Ok(())
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, AuthorityError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    verifier.map_err(|error| AuthorityError::Unusable(error.to_string()))
}

/// Whose certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuers {
    Given,
    GivenAndSystem,
}

/// Which names a certificate may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Exact,
    Any,
}

/// Changes what a configuration checks of certificates.
pub fn trust(
    config: &mut ClientConfig,
    authorities: Option<&str>,
    issuers: Issuers,
    names: Names,
) -> Result<(), AuthorityError> {
    let mut trusted = match issuers {
        Issuers::Given => RootCertStore::empty(),
        Issuers::GivenAndSystem => roots().clone(),
    };
    add(&mut trusted, authorities.unwrap_or_default())?;
    let verifier = verifier(trusted)?;
    match names {
        Names::Exact => config.dangerous().set_certificate_verifier(verifier),
        Names::Any => config.dangerous().set_certificate_verifier(Arc::new(AnyName(verifier))),
    }
    Ok(())
}

/// Takes a certificate for any name, if its issuer is trusted. The name is the last thing that the verifier looks at.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.0.verify_server_cert(certificate, intermediates, name, status, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
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
