//! TLS to brokers: whom to trust, and who we are.
//!
//! Certificates are always verified. The files are read for each new connection, so that renewed ones
//! need no restart.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::regular_file;

/// A bundle of all public authorities takes a quarter of a MiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Which files say it, all of them PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that are trusted; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate with what links it to its authority, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What is in the files.
pub(crate) struct Content {
    /// The authorities that are trusted instead of the system's.
    pub(crate) ca: Option<Vec<u8>>,
    /// Our certificate and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// What is wrong with one of the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Tls {
    /// Reads the files, and does not look into them.
    pub(crate) fn read(&self) -> Result<Content, TlsError> {
        let read = |path: &PathBuf| {
            regular_file::read(path, MAX_FILE_BYTES)
                .map_err(|source| TlsError::Unreadable { path: path.clone(), source })
        };
        let ca = self.ca.as_ref().map(read).transpose()?;
        let client = match &self.client {
            Some((cert, key)) => Some((read(cert)?, read(key)?)),
            None => None,
        };
        Ok(Content { ca, client })
    }

    /// What a connection needs.
    ///
    /// # Errors
    /// When a file cannot be read, holds nothing of use, or the key belongs to another certificate.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let content = self.read()?;
        let mut roots = RootCertStore::empty();
        match (&self.ca, content.ca) {
            (Some(path), Some(pem)) => {
                for authority in certificates(path, &pem)? {
                    roots.add(authority).map_err(|error| invalid(path, error))?;
                }
            }
            _ => {
                // As many as there are: a broken one among them is not ours to mend.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match (&self.client, content.client) {
            (Some((cert, key)), Some((cert_pem, key_pem))) => {
                let chain = certificates(cert, &cert_pem)?;
                let no_key = |_| invalid(key, "there is no private key in it");
                let key_der = PrivateKeyDer::from_pem_slice(&key_pem).map_err(no_key)?;
                let refused = |error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        invalid(key, format!("it is not the key of {}", cert.display()))
                    }
                    error => invalid(cert, error),
                };
                config.with_client_auth_cert(chain, key_der).map_err(refused)?
            }
            _ => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

impl TlsError {
    /// The file in question.
    pub(crate) fn path(&self) -> &Path {
        match self {
            TlsError::Unreadable { path, .. } | TlsError::Invalid { path, .. } => path,
        }
    }

    /// Whether others may be allowed to read it.
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

/// What a failed handshake means and what to do, if it is a handshake that failed.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(mut error) = next {
        // As the Redis client keeps it.
        if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            error = &**shared;
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        if let Some(error) = found.or_else(|| error.downcast_ref()) {
            return Some(in_words(error));
        }
        next = error.source();
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        UnknownIssuer,
    };
    let hint = match error {
        // The latter where an authority has the name of one that is trusted.
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "nobody who is trusted has signed the server's certificate; name who has with `tls: {ca: \
             FILE}`"
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the server's certificate is for another name; write that one into the URL"
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "the server's certificate has to be renewed, or this machine's clock is wrong"
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the server's certificate is that of an authority; sign one for the server with it, or make \
             it anew with `basicConstraints=CA:FALSE`"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for our certificate; name it with `tls: {cert: FILE, key: FILE}`"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate,
        ) => "the server does not trust our certificate; see `tls: {cert: FILE, key: FILE}`",
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on that port",
        _ => return format!("no TLS connection: {error}"),
    };
    format!("no TLS connection: {hint} ({error})")
}
