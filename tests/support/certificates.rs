//! A test authority, and certificates that it has signed, as files.

use std::fs;
use std::path::PathBuf;

use downbeat::tls::Pin;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

/// Signs certificates; clients have to trust its own.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

impl Pair {
    /// The text that pins the certificate.
    pub(crate) fn pin(&self) -> String {
        Pin::of(&CertificateDer::from_pem_file(&self.cert).unwrap()).to_string()
    }
}

impl Authority {
    /// An authority that nobody trusts by default.
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {:x}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::Builder::new().prefix("authority").tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    /// Its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The same with its key.
    pub(crate) fn own(&self) -> Pair {
        let key = self.folder.path().join("ca.key.pem");
        fs::write(&key, self.issuer.key().serialize_pem()).unwrap();
        Pair { cert: self.ca(), key }
    }

    /// A certificate for a host's name or address.
    pub(crate) fn sign(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.folder.path().join(format!("{name}.{kind}.pem"));
        let pair = Pair { cert: file("cert"), key: file("key") };
        fs::write(&pair.cert, cert.pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }
}
