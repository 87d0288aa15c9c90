//! The certificate that the service shows. Its files are read again now and then, so that a renewed
//! certificate needs no restart.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often the files are read again, besides SIGHUP.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The certificate that is shown at present.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read, or the two do not match. The error quotes nothing of the key.
    pub fn read(files: Files) -> anyhow::Result<Arc<Self>> {
        let shown = RwLock::new(Arc::new(files.read()?));
        Ok(Arc::new(Self { files, shown }))
    }

    /// Returns the configuration with which a server shows it.
    ///
    /// # Errors
    /// When no version of TLS is left.
    pub(super) fn server_config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("preparing TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        Ok(config)
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        let shown = self
            .shown
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&shown)
    }

    /// Shows the present content of the files. If they cannot be used, nothing changes, as they may
    /// be half written.
    fn refresh(&self) {
        match self.files.read() {
            Ok(read) if read.cert == self.shown().cert => {}
            Ok(read) => {
                *self
                    .shown
                    .write()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(read);
                tracing::info!(file = %self.files.cert.display(), "another certificate is shown from now on");
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the certificate cannot be renewed: the one before is shown"
                );
            }
        }
    }

    /// Reads the files again at each SIGHUP, and every minute.
    ///
    /// # Errors
    /// When the process cannot wait for signals.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = hang_up.recv() => {}
                () = tokio::time::sleep(REFRESH_INTERVAL) => {}
            }
            let certificate = Arc::clone(&self);
            tokio::task::spawn_blocking(move || certificate.refresh())
                .await
                .context("reading the certificate")?;
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<CertifiedKey> {
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| {
                format!(
                    "reading the certificates in {} (setting tls_cert)",
                    self.cert.display()
                )
            })?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("reading the key in {} (setting tls_key)", self.key.display()))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).with_context(|| {
            format!(
                "{} and {} (settings tls_cert and tls_key) cannot be used together",
                self.cert.display(),
                self.key.display()
            )
        })
    }
}
