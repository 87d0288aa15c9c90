//! The address of Postgres, and the protection of the connection: `sslmode` and `sslrootcert` of
//! the URL, with libpq's meaning.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A Postgres to connect to.
#[derive(Clone)]
pub struct Target {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    /// Whether `sslmode` was chosen by default, as the URL does not name it.
    chosen: bool,
    checked: Checked,
    /// `sslrootcert`.
    root: Option<String>,
}

/// The authorities that the system trusts, for Postgres' own programs.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How much of the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checked {
    Nothing,
    Issuer,
    IssuerAndName,
}

const WITHOUT_SSLMODE: &str = "Postgres is on another machine, and database_url names no sslmode: the connection must be encrypted, and \
    the server's certificate be of its name (verify-full). Where another authority than the system's signed it, add sslrootcert=<file>; \
    or choose another sslmode: 'require' encrypts without knowing the server, 'disable' sends calendars in clear";

impl Target {
    /// Reads the URL. If it has no `sslmode`, a server on another machine must show a certificate
    /// with its name (`verify-full`); on this machine none is needed (`prefer`).
    ///
    /// # Errors
    /// When the URL cannot be used, or its `sslrootcert` cannot be read. The error quotes no part
    /// of the URL, as it contains a password.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            bail!("it must be a URL: postgres://user:password@host/database");
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut others) = (None, None, Vec::new());
        for part in query.split('&').filter(|part| !part.is_empty()) {
            // In form encoding, a plus would mean a space.
            let part_of_form = part.replace('+', "%2B");
            let decoded = url::form_urlencoded::parse(part_of_form.as_bytes()).next();
            match decoded.as_ref().map(|(name, value)| (name.as_ref(), value)) {
                Some(("sslmode", value)) => mode = Some(value.clone().into_owned()),
                Some(("sslrootcert", value)) => root = Some(value.clone().into_owned()),
                _ => others.push(part),
            }
        }
        let mut config: tokio_postgres::Config = format!("{base}?{}", others.join("&"))
            .parse()
            .context("it cannot be read")?;
        let root = root.as_deref();
        let (ssl_mode, checked) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Checked::Nothing),
            Some("allow" | "prefer") => (SslMode::Prefer, Checked::Nothing),
            None if is_local(&config) && root.is_none() => (SslMode::Prefer, Checked::Nothing),
            Some("require") if root.is_none() => (SslMode::Require, Checked::Nothing),
            Some("require" | "verify-ca") => (SslMode::Require, Checked::Issuer),
            Some("verify-full") | None => (SslMode::Require, Checked::IssuerAndName),
            Some(_) => bail!("sslmode must be disable, prefer, require, verify-ca or verify-full"),
        };
        config.ssl_mode(ssl_mode);
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(client_config(checked, root)?),
            chosen: mode.is_none() && ssl_mode == SslMode::Require,
            checked,
            root: root.map(str::to_owned),
        })
    }

    /// Returns the address for Postgres' own programs, as their environment: other users could read
    /// a password among the arguments.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let joined = |words: Vec<OsString>| words.join(OsStr::new(","));
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => OsString::from(name),
            Host::Unix(path) => path.clone().into_os_string(),
        });
        let mut environment = vec![("PGHOST", joined(hosts.collect()))];
        let addresses = self
            .config
            .get_hostaddrs()
            .iter()
            .map(|address| address.to_string().into());
        let ports = self.config.get_ports().iter().map(|port| port.to_string().into());
        environment.push(("PGHOSTADDR", joined(addresses.collect())));
        environment.push(("PGPORT", joined(ports.collect())));
        let words = [
            ("PGUSER", self.config.get_user().map(OsString::from)),
            ("PGDATABASE", self.config.get_dbname().map(OsString::from)),
            ("PGOPTIONS", self.config.get_options().map(OsString::from)),
            (
                "PGPASSWORD",
                self.config
                    .get_password()
                    .map(|word| OsStr::from_bytes(word).to_owned()),
            ),
        ];
        environment.extend(words.into_iter().filter_map(|(name, word)| Some((name, word?))));
        let mode = match (self.checked, self.config.get_ssl_mode()) {
            (Checked::IssuerAndName, _) => "verify-full",
            (Checked::Issuer, _) => "verify-ca",
            (Checked::Nothing, SslMode::Disable) => "disable",
            (Checked::Nothing, SslMode::Require) => "require",
            (Checked::Nothing, _) => "prefer",
        };
        environment.push(("PGSSLMODE", mode.into()));
        if self.checked != Checked::Nothing {
            let root = self.root.as_deref().filter(|root| *root != "system");
            environment.push(("PGSSLROOTCERT", root.unwrap_or(SYSTEM_AUTHORITIES).into()));
        }
        environment.retain(|(_, word)| !word.is_empty());
        environment
    }

    /// # Errors
    /// When Postgres cannot be reached, refuses the connection, or does not show the certificate
    /// that the URL requires.
    pub async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| ConnectionError::BadConnection(self.explain(&error)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }

    /// Adds the cause, which the error's own text leaves out.
    fn explain(&self, error: &tokio_postgres::Error) -> String {
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        if self.chosen {
            words = format!("{words}. {WITHOUT_SSLMODE}");
        }
        words
    }
}

/// Returns whether no data leaves this machine.
fn is_local(config: &tokio_postgres::Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(std::net::IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    })
}

fn client_config(checked: Checked, root: Option<&str>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let issuers: Option<Arc<dyn ServerCertVerifier>> = if checked == Checked::Nothing {
        None
    } else {
        Some(issuers(root, &provider)?)
    };
    let verifier = Verifier {
        issuers,
        names: checked == Checked::IssuerAndName,
        provider: Arc::clone(&provider),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("preparing TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Returns the trusted authorities: those of a file, or the system's.
fn issuers(
    root: Option<&str>,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
    let Some(file) = root.filter(|root| *root != "system") else {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        return Ok(Arc::new(system.context("reading the system's certificates")?));
    };
    let reading = || format!("reading the certificates in {file} (sslrootcert)");
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(Path::new(file)).with_context(reading)? {
        store
            .add(certificate.with_context(reading)?)
            .with_context(reading)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    Ok(verifier.with_context(reading)?)
}

/// Checks as much of a certificate as `sslmode` requires. It always checks that the server has the
/// certificate's key.
#[derive(Debug)]
struct Verifier {
    issuers: Option<Arc<dyn ServerCertVerifier>>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(issuers) = &self.issuers else {
            return Ok(ServerCertVerified::assertion());
        };
        match issuers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is checked last, so everything else is valid.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.names => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_nothing_leaves_the_machine_in_clear() {
        for (url, mode) in [
            ("postgres://u:p@db.example/d", SslMode::Require),
            (
                "postgres://u:p@10.0.0.1:5432/d?connect_timeout=5",
                SslMode::Require,
            ),
            ("postgres://u:p@127.0.0.1,db.example/d", SslMode::Require),
            ("postgres://u:p@localhost/d?hostaddr=10.0.0.1", SslMode::Require),
            ("postgres://u:p@127.0.0.1/d", SslMode::Prefer),
            ("postgres://u:p@localhost:5433/d", SslMode::Prefer),
            ("postgresql://u@%2Frun%2Fpostgres/d", SslMode::Prefer),
            ("postgres://u:p@db.example/d?sslmode=disable", SslMode::Disable),
            ("postgres://u:p@db.example/d?sslmode=require", SslMode::Require),
            ("postgres://u:p@127.0.0.1/d?sslmode=verify-full", SslMode::Require),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn postgres_own_programs_connect_to_the_same_server_as_safely() {
        let of = |url: &str| {
            let environment = Target::parse(url).unwrap().environment();
            let words = environment
                .into_iter()
                .map(|(name, word)| format!("{name}={}", word.display()));
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            of("postgres://u:p%40ss@db.example:5433/d"),
            "PGHOST=db.example PGPORT=5433 PGUSER=u PGDATABASE=d PGPASSWORD=p@ss PGSSLMODE=verify-full \
             PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt"
        );
        assert_eq!(
            of("postgres://u@%2Frun%2Fpostgres/d"),
            "PGHOST=/run/postgres PGPORT=5432 PGUSER=u PGDATABASE=d PGSSLMODE=prefer"
        );
        assert!(of("postgres://u@db/d?sslmode=disable").ends_with("PGSSLMODE=disable"));
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_password() {
        for (url, words) in [
            ("host=db user=u password=s3cret", "must be a URL"),
            ("postgres://u:s3cret@db/d?sslmode=verify", "sslmode must be"),
            (
                "postgres://u:s3cret@db/d?sslrootcert=/nowhere/ca.pem",
                "/nowhere/ca.pem (sslrootcert)",
            ),
            ("postgres://u:s3cret@db/d?nonsense=1", "nonsense"),
        ] {
            let error = format!("{:#}", Target::parse(url).err().unwrap());
            assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
        }
    }
}
