//! Decides which server certificates to accept.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::pin::Pin;

/// With pins, accepts only a pinned certificate; without, one that is trusted itself or that a trusted
/// CA has signed for the server's name. Always verifies that the server has the certificate's key.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    /// Only these certificates.
    Pins(Vec<Pin>),
    Signed {
        /// Certificates that are trusted themselves, whatever they contain.
        themselves: Vec<CertificateDer<'static>>,
        /// `None` if no CA is trusted.
        by_others: Option<Arc<WebPkiServerVerifier>>,
    },
}

/// A certificate that is not pinned.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongPin {
    /// The server's certificate.
    pub(super) shown: Pin,
}

impl fmt::Display for WrongPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate is {}", self.shown)
    }
}

impl std::error::Error for WrongPin {}

impl Verifier {
    pub(super) fn pinned(pins: &[Pin], provider: Arc<CryptoProvider>) -> Verifier {
        Verifier { trust: Trust::Pins(pins.to_vec()), provider }
    }

    /// Trusts `themselves` as they are, and `roots` to sign others.
    pub(super) fn signed(
        themselves: Vec<CertificateDer<'static>>,
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Verifier {
        let roots = Arc::new(roots);
        let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        // Without roots, nothing can be built.
        let by_others = builder.build().ok();
        Verifier { trust: Trust::Signed { themselves, by_others }, provider }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Pins(pins) => {
                let shown = Pin::of(certificate);
                if pins.contains(&shown) {
                    return Ok(ServerCertVerified::assertion());
                }
                let error = OtherError(Arc::new(WrongPin { shown }));
                Err(CertificateError::Other(error).into())
            }
            Trust::Signed { themselves, .. } if themselves.iter().any(|it| it == certificate) => {
                Ok(ServerCertVerified::assertion())
            }
            Trust::Signed { by_others: Some(verifier), .. } => {
                verifier.verify_server_cert(certificate, between, name, ocsp, now)
            }
            Trust::Signed { by_others: None, .. } => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};

    use super::*;
    use crate::tls::Tls;

    /// Whether a client accepts a server that shows a certificate and has `key`.
    fn accepts(
        tls: &Tls,
        pins: Option<&[Pin]>,
        certificate: &CertificateDer<'static>,
        key: &KeyPair,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), Error> {
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(vec![certificate.clone()], key));
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let client = Arc::new(tls.config(pins).unwrap());
        let mut client = ClientConnection::new(client, "host".try_into().unwrap()).unwrap();
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut &bytes[..]).unwrap();
            server.process_new_packets().unwrap();
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut &bytes[..]).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_server_with_a_trusted_certificate_must_have_its_key() {
        let [own, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
        let params = CertificateParams::new(["host".to_owned()]).unwrap();
        let certificate = params.self_signed(&own).unwrap();
        let (file, pin) = (tempfile::NamedTempFile::new().unwrap(), Pin::of(certificate.der()));
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let by_ca = Tls { ca: Some(file.path().to_owned()), ..Tls::default() };
        for (tls, pins) in [(&Tls::default(), Some(&[pin][..])), (&by_ca, None)] {
            for version in [&TLS12, &TLS13] {
                let accepts = |key| accepts(tls, pins, certificate.der(), key, version);
                assert_eq!(accepts(&own), Ok(()));
                let refused = Error::InvalidCertificate(CertificateError::BadSignature);
                assert_eq!(accepts(&other), Err(refused), "{version:?}");
            }
        }
    }
}
