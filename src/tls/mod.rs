//! TLS to brokers: which certificates to trust, and the client's own.
//!
//! Certificates are always verified, for Redis and AMQP by the same verifier. The files are read for
//! each new connection, so renewed ones need no restart.

mod pin;
mod verify;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::pin::{Pin, PinError, Pinned, Pins};
use self::verify::{Verifier, WrongPin};
use crate::address::HostPort;
use crate::regular_file;

/// A bundle of all public CAs has a quarter of a MiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The TLS settings: PEM files and pins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The trusted authorities, or the servers' own certificates; `None` means the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate with its chain, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The only certificates accepted at some addresses, whoever signed them.
    pub pins: Pins,
}

/// Wraps a stream to one server in TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.tls.connect(self.name.clone(), stream).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is wrong with one of the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Its content is not what it should be.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A host that no certificate can name.
    #[error("`{0}` is not the name of a host")]
    Nameless(String),
}

impl Tls {
    /// Reads and checks all the files.
    ///
    /// # Errors
    /// If a file cannot be read or has nothing of use, or the key belongs to another certificate.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config(None).map(drop)
    }

    /// Prepares a connection to `server`, reading the files now.
    ///
    /// # Errors
    /// As [`Tls::check`].
    pub(crate) fn connector(&self, server: &HostPort) -> Result<Connector, TlsError> {
        let name = ServerName::try_from(server.host().to_owned());
        let name = name.map_err(|_| TlsError::Nameless(server.host().to_owned()))?;
        let config = self.config(self.pins.of(server))?;
        Ok(Connector { tls: Arc::new(config).into(), name })
    }

    fn config(&self, pins: Option<&[Pin]>) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = match pins {
            Some(pins) => Verifier::pinned(pins, Arc::clone(&provider)),
            None => {
                let (themselves, roots) = self.trusted()?;
                Verifier::signed(themselves, roots, Arc::clone(&provider))
            }
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what both versions of TLS need")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((cert, key)) = &self.client else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(cert, &read(cert)?)?;
        let no_key = |_| invalid(key, "there is no private key in it");
        let key_der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(no_key)?;
        let refused = |error| match error {
            rustls::Error::InconsistentKeys(_) => {
                invalid(key, format!("it is not the key of {}", cert.display()))
            }
            error => invalid(cert, error),
        };
        config.with_client_auth_cert(chain, key_der).map_err(refused)
    }

    /// The certificates that are trusted themselves, and those that are trusted to sign others.
    fn trusted(&self) -> Result<(Vec<CertificateDer<'static>>, RootCertStore), TlsError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca else {
            // Skips invalid ones among the system's.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok((Vec::new(), roots));
        };
        let themselves = certificates(path, &read(path)?)?;
        for certificate in &themselves {
            roots.add(certificate.clone()).map_err(|error| invalid(path, error))?;
        }
        Ok((themselves, roots))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    regular_file::read(path, MAX_FILE_BYTES)
        .map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

impl TlsError {
    /// The affected file, if any.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            TlsError::Unreadable { path, .. } | TlsError::Invalid { path, .. } => Some(path),
            TlsError::Nameless(_) => None,
        }
    }

    /// Whether another user might be permitted to read it.
    pub(crate) fn is_forbidden(&self) -> bool {
        use io::ErrorKind::PermissionDenied;
        matches!(self, TlsError::Unreadable { source, .. } if source.kind() == PermissionDenied)
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| invalid(path, error))?;
    if found.is_empty() {
        return Err(invalid(path, "there is no certificate in it (PEM)"));
    }
    Ok(found)
}

fn invalid(path: &Path, why: impl ToString) -> TlsError {
    TlsError::Invalid { path: path.to_owned(), why: why.to_string() }
}

/// Explains a failed handshake and what to do; `None` if the error is not from a handshake.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    handshake(error).map(in_words)
}

/// Whether the server answered without TLS.
pub(crate) fn is_plain(error: &(dyn Error + 'static)) -> bool {
    matches!(handshake(error), Some(rustls::Error::InvalidMessage(_)))
}

fn handshake<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(mut error) = next {
        // How the Redis client wraps it.
        if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            error = &**shared;
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        if let Some(error) = found.or_else(|| error.downcast_ref()) {
            return Some(error);
        }
        next = error.source();
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, Other,
        UnknownIssuer,
    };
    let hint = match error {
        rustls::Error::InvalidCertificate(Other(other))
            if let Some(WrongPin { shown }) = other.0.downcast_ref() =>
        {
            return format!(
                "no TLS connection: the server's certificate is none of those that `tls: {{pin: …}}` \
                 has for this address; its pin is {shown}, to be added if it is the right one"
            );
        }
        // BadSignature if the CA has the same name as a trusted one.
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "the server's certificate is not signed by a trusted CA; set `tls: {ca: FILE}`, or pin \
             the certificate with `tls: {pin: {HOST: [sha256:…]}}`"
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the server's certificate is for another name; write that name in the address, or pin \
             the certificate with `tls: {pin: {HOST: [sha256:…]}}`"
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "the server's certificate has expired, or this machine's clock is wrong"
        }
        rustls::Error::InvalidCertificate(Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the server's certificate is a CA certificate; trust it with `tls: {ca: FILE}`, or pin it \
             with `tls: {pin: {HOST: [sha256:…]}}`"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a client certificate; set `tls: {cert: FILE, key: FILE}`"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate,
        ) => {
            "the server does not trust the client certificate; check `tls: {cert: FILE, key: FILE}`"
        }
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on that port",
        _ => return format!("no TLS connection: {error}"),
    };
    format!("no TLS connection: {hint} ({error})")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::UnixTime;

    use super::*;

    fn ca(name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_server_with_a_ca_certificate_is_reported() {
        let mut roots = RootCertStore::empty();
        roots.add(ca("other")).unwrap();
        let verifier = Verifier::signed(Vec::new(), roots, Arc::new(ring::default_provider()));
        let name = ServerName::try_from("host").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let error = verifier.verify_server_cert(&ca("host"), &[], &name, &[], now).unwrap_err();
        assert!(in_words(&error).contains("is a CA certificate"), "{error}");
    }
}
