//! A second door, of HTTPS, for clients that speak to Microsoft in no other way (MSAL refuses an http authority).

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// Where to listen for HTTPS, and what to present there: a certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Tls {
    pub listen: String,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why the certificate or the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {0}: {1}")]
    Pem(PathBuf, pem::Error),
    #[error("{0} and its key cannot be used: {1}")]
    Unfit(PathBuf, rustls::Error),
}

impl Tls {
    pub(crate) fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let unreadable = |file: &Path, e| TlsError::Pem(file.to_owned(), e);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| unreadable(&self.certificate, e))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| unreadable(&self.key, e))?;
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| TlsError::Unfit(self.certificate.clone(), e))
    }
}
