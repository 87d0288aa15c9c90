//! Settings of the process: defaults < configuration file < `OUTLOOK_BRIDGE_*` environment < command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::TimeDelta;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;

use crate::engine::notify_url::Notifications;
use crate::engine::odoo_client::THIS_MACHINE;
use crate::engine::{LONGEST_AHEAD, LONGEST_BACK, Settings};
use crate::web::HttpSettings;
use crate::web::tls::Files;

/// The defaults. The file is also the documentation of the settings.
const DEFAULTS: &str = include_str!("../config.default.toml");

/// The address of Microsoft Graph.
pub const GRAPH_URL: &str = "https://graph.microsoft.com/v1.0";
pub const LOGIN_URL: &str = "https://login.microsoftonline.com";

/// The configuration file that is read if none is named and it exists.
pub const DEFAULT_FILE: &str = "/etc/outlook-bridge/config.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: String,
    admin_listen: String,
    trusted_proxies: String,
    allow_odoo_on: String,
    #[serde(default)]
    tls_cert: Option<PathBuf>,
    #[serde(default)]
    tls_key: Option<PathBuf>,
    allow_plain_http: bool,
    #[serde(default)]
    pub database_url: Option<SecretString>,
    pub data_dir: PathBuf,
    #[serde(default)]
    pub master_key: Option<SecretString>,
    notifications: bool,
    #[serde(default)]
    public_url: Option<String>,
    pub graph_url: String,
    pub login_url: String,
    pub tenant: String,
    pub log: String,
    pub log_format: LogFormat,
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    pub poll_seconds: i64,
    poll_seconds_quiet: i64,
    pub days_back: i64,
    pub days_ahead: i64,
    pub workers: usize,
    pub polls: usize,
    pub journal_days: i64,
    #[serde(skip)]
    pub found: Found,
}

/// What was found out about the service beside its settings.
#[derive(Debug, Default)]
pub struct Found {
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// The key file beside the configuration file, which systemd hands over to the service as a
    /// credential, and which only root may read.
    pub spare_key: Option<(PathBuf, SecretString)>,
    /// The database that the service with this data directory works on, or worked on last.
    pub service: Option<ServiceDatabase>,
}

/// The database of a service.
#[derive(Debug)]
pub struct ServiceDatabase {
    /// See [`crate::store::content::identity`].
    pub identity: String,
    /// The service, in words: its process, user and start. None if it is stopped.
    pub running: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads the settings. `environment` returns the value of a variable.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn load(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut table: toml::Table = DEFAULTS.parse().context("in the built-in defaults")?;
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("reading the configuration file {}", file.display()))?;
            let own: toml::Table = text
                .parse()
                .map_err(|error| without_values(file, &text, &error))?;
            table.extend(own);
        }
        for name in SETTINGS {
            let variable = format!("OUTLOOK_BRIDGE_{}", name.to_uppercase());
            let value = match environment(&variable).filter(|value| !value.is_empty()) {
                None if CREDENTIALS.contains(name) => credential(name, &environment)?,
                value => value,
            };
            if let Some(value) = value {
                let value = match table.get(*name) {
                    Some(toml::Value::Integer(_)) => toml::Value::Integer(
                        value
                            .parse()
                            .with_context(|| format!("{variable} must be a whole number"))?,
                    ),
                    Some(toml::Value::Boolean(_)) => toml::Value::Boolean(
                        value
                            .parse()
                            .with_context(|| format!("{variable} must be true or false"))?,
                    ),
                    _ => toml::Value::String(value),
                };
                table.insert((*name).to_owned(), value);
            }
        }
        // Checked first, as the error about the whole file would quote its values.
        for name in SECRETS {
            let is_text = table.get(*name).is_none_or(toml::Value::is_str);
            anyhow::ensure!(is_text, "{name} must be text, in quotation marks");
        }
        let mut config: Self = table.try_into().context("in the configuration")?;
        config.validate()?;
        config.found.file = file.map(Path::to_owned);
        Ok(config)
    }

    fn validate(&self) -> anyhow::Result<()> {
        for (name, value) in [("graph_url", &self.graph_url), ("login_url", &self.login_url)] {
            let url = url::Url::parse(value).with_context(|| format!("{name} must be a URL"))?;
            anyhow::ensure!(
                matches!(url.scheme(), "http" | "https"),
                "{name} must be an http(s) URL"
            );
            // The client secret and all tokens are sent there.
            anyhow::ensure!(
                url.scheme() == "https" || leads_to_this_machine(&url),
                "{name} must be an https URL"
            );
        }
        if let Some(endpoint) = &self.otlp_endpoint {
            collector_url("otlp_endpoint", endpoint)?;
        }
        self.validate_tls()?;
        networks("trusted_proxies", &self.trusted_proxies)?;
        networks("allow_odoo_on", &self.allow_odoo_on)?;
        anyhow::ensure!(
            (1..=86_400).contains(&self.poll_seconds),
            "poll_seconds must be from 1 to 86400"
        );
        anyhow::ensure!(
            (1..=86_400).contains(&self.poll_seconds_quiet),
            "poll_seconds_quiet must be from 1 to 86400"
        );
        if let Some(url) = &self.public_url {
            let url = url::Url::parse(url).context("public_url must be a URL")?;
            let is_plain = url.scheme() == "http" && leads_to_this_machine(&url);
            anyhow::ensure!(
                url.scheme() == "https" || is_plain,
                "public_url must be an https URL: Microsoft sends notifications to no other"
            );
            anyhow::ensure!(
                url.query().is_none() && url.fragment().is_none(),
                "public_url must be an address without a query"
            );
        }
        anyhow::ensure!(
            (0..=LONGEST_BACK).contains(&self.days_back),
            "days_back must be from 0 to {LONGEST_BACK}"
        );
        anyhow::ensure!(
            (1..=LONGEST_AHEAD).contains(&self.days_ahead),
            "days_ahead must be from 1 to {LONGEST_AHEAD}"
        );
        anyhow::ensure!((1..=256).contains(&self.workers), "workers must be from 1 to 256");
        anyhow::ensure!((1..=1024).contains(&self.polls), "polls must be from 1 to 1024");
        anyhow::ensure!(
            (1..=3650).contains(&self.journal_days),
            "journal_days must be from 1 to 3650"
        );
        Ok(())
    }

    fn validate_tls(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.tls_cert.is_some() == self.tls_key.is_some(),
            "tls_cert and tls_key belong together: set both of them, or neither"
        );
        anyhow::ensure!(
            self.tls_cert.is_some() || is_loopback(&self.listen) || self.allow_plain_http,
            "listen: beyond this machine, keys and calendars would cross the network unencrypted. Set tls_cert and tls_key; or, \
             where a proxy before the service or a private network encrypts, allow_plain_http = true"
        );
        Ok(())
    }

    /// Returns the address of the service on its own machine.
    pub fn url(&self) -> String {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.listen)
    }

    /// Returns the certificate files, if the service uses HTTPS.
    pub fn tls_files(&self) -> Option<Files> {
        Some(Files {
            cert: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
        })
    }

    /// Returns where the service listens, and which proxies it trusts.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn http(&self) -> anyhow::Result<HttpSettings> {
        Ok(HttpSettings {
            listen: self.listen.clone(),
            admin_listen: (self.admin_listen != OFF).then(|| self.admin_listen.clone()),
            trusted_proxies: networks("trusted_proxies", &self.trusted_proxies)?,
            public_url: self.public_url.as_deref().map(url::Url::parse).transpose()?,
        })
    }

    /// Returns the networks in which an Odoo may be although they are not public.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn odoo_networks(&self) -> anyhow::Result<Vec<IpNet>> {
        let mut allowed = networks("allow_odoo_on", &self.allow_odoo_on)?;
        if is_loopback(&self.listen) {
            allowed.extend(THIS_MACHINE.iter().filter_map(|net| net.parse::<IpNet>().ok()));
        }
        Ok(allowed)
    }

    /// Returns where Microsoft sends notifications of changes.
    pub fn notifications(&self) -> Notifications {
        match &self.public_url {
            _ if !self.notifications => Notifications::Off,
            Some(url) => Notifications::Own(url.trim_end_matches('/').to_owned()),
            None => Notifications::ThroughOdoo,
        }
    }

    pub fn sync_settings(&self) -> Settings {
        Settings {
            poll_interval: TimeDelta::seconds(self.poll_seconds),
            quiet_interval: TimeDelta::seconds(self.poll_seconds_quiet),
            days_back: self.days_back,
            days_ahead: self.days_ahead,
            workers: self.workers,
            polls: self.polls,
            journal_days: self.journal_days,
        }
    }
}

/// Reads a credential that systemd passes with `LoadCredential=`, which only this process can read.
fn credential(name: &str, environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<String>> {
    let Some(folder) = environment("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    let file = Path::new(&folder).join(name);
    if !file.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("reading the credential {}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

/// Parses the address of a collector of OpenTelemetry.
///
/// # Errors
/// Names the setting or variable, and not its value, which may contain a password.
pub(crate) fn collector_url(name: &str, text: &str) -> anyhow::Result<url::Url> {
    let url = url::Url::parse(text).with_context(|| format!("{name} must be a URL"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "{name} must be an http(s) URL, like http://127.0.0.1:4318"
    );
    anyhow::ensure!(
        url.username().is_empty() && url.password().is_none(),
        "{name} must not contain a password: use OTEL_EXPORTER_OTLP_HEADERS"
    );
    Ok(url)
}

/// Returns whether only this machine can reach an address to listen on.
fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Returns whether a URL leads to this machine, by an address or name that cannot mean another one.
pub(crate) fn leads_to_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Parses networks or single addresses, separated by commas.
fn networks(name: &str, text: &str) -> anyhow::Result<Vec<IpNet>> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let address = word.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| word.parse())
                .with_context(|| format!("{name} must be networks like 10.0.0.0/8, separated by commas"))
        })
        .collect()
}

/// Returns an error with the place in the file, but not its content, which may be a secret.
fn without_values(file: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    anyhow::anyhow!(
        "the configuration file {} is not TOML in line {}",
        file.display(),
        before.matches('\n').count() + 1
    )
}

/// The value of a setting that disables listening.
const OFF: &str = "off";

/// The settings that no error may quote.
const SECRETS: &[&str] = &["database_url", "master_key"];

/// Every setting; each has an environment variable of the same name.
const SETTINGS: &[&str] = &[
    "listen",
    "tls_cert",
    "tls_key",
    "allow_plain_http",
    "admin_listen",
    "trusted_proxies",
    "allow_odoo_on",
    "database_url",
    "data_dir",
    "master_key",
    "notifications",
    "public_url",
    "graph_url",
    "login_url",
    "tenant",
    "log",
    "log_format",
    "otlp_endpoint",
    "poll_seconds",
    "poll_seconds_quiet",
    "days_back",
    "days_ahead",
    "workers",
    "polls",
    "journal_days",
];

/// The settings that may come as a credential.
const CREDENTIALS: &[&str] = &["database_url", "master_key"];

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file)?;
        Config::load(Some(&path), |name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_the_defaults() {
        let config = load(
            "days_back = 10\nlisten = '127.0.0.1:1'",
            &[("OUTLOOK_BRIDGE_LISTEN", "127.0.0.1:2")],
        )
        .unwrap();
        assert_eq!((config.days_back, config.listen.as_str()), (10, "127.0.0.1:2"));
        assert_eq!(config.graph_url, GRAPH_URL);
        assert_eq!(config.login_url, LOGIN_URL);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (file, environment, name) in [
            ("nonsense = 1", None, "nonsense"),
            (
                "",
                Some(("OUTLOOK_BRIDGE_WORKERS", "many")),
                "OUTLOOK_BRIDGE_WORKERS",
            ),
            ("", Some(("OUTLOOK_BRIDGE_GRAPH_URL", "graph")), "graph_url"),
            ("poll_seconds = 0", None, "poll_seconds"),
            ("otlp_endpoint = 'collector:4318'", None, "otlp_endpoint"),
        ] {
            let error = load(file, environment.as_slice()).unwrap_err();
            assert!(format!("{error:#}").contains(name), "{error:#}");
        }
    }

    #[test]
    fn nothing_leaves_the_machine_unencrypted_unless_that_is_said() {
        for (file, name) in [
            ("listen = '0.0.0.0:8470'", "allow_plain_http"),
            ("listen = '[::]:8470'", "allow_plain_http"),
            ("listen = '10.0.0.1:8470'", "tls_cert"),
            ("listen = 'bridge.example:8470'", "tls_cert"),
            ("tls_cert = '/x'", "tls_key"),
            ("graph_url = 'http://graph.example'", "graph_url"),
            ("login_url = 'http://127.0.0.1.evil.example'", "login_url"),
        ] {
            let error = load(file, &[]).unwrap_err();
            assert!(format!("{error:#}").contains(name), "{file}: {error:#}");
        }
        for file in [
            "graph_url = 'http://127.0.0.1:9/v1.0'",
            "login_url = 'http://localhost:9'",
            "listen = '[::1]:8470'",
            "listen = '0.0.0.0:8470'\nallow_plain_http = true",
            "listen = '0.0.0.0:8470'\ntls_cert = '/x'\ntls_key = '/y'",
        ] {
            assert!(load(file, &[]).is_ok(), "{file}");
        }
        let all = ("OUTLOOK_BRIDGE_LISTEN", "0.0.0.0:8470");
        assert!(load("", &[all, ("OUTLOOK_BRIDGE_ALLOW_PLAIN_HTTP", "true")]).is_ok());
        let error = load("", &[all, ("OUTLOOK_BRIDGE_ALLOW_PLAIN_HTTP", "yes")]).unwrap_err();
        assert!(format!("{error:#}").contains("true or false"), "{error:#}");
    }

    #[test]
    fn a_credential_is_read_where_systemd_hands_one_over() {
        use secrecy::ExposeSecret;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("master_key"), "of-systemd\n").unwrap();
        let folder = ("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap());
        let key = |environment: &[(&str, &str)]| {
            let config = load("master_key = 'of-the-file'", environment).unwrap();
            assert!(config.database_url.is_none());
            config.master_key.unwrap().expose_secret().to_owned()
        };
        assert_eq!(key(&[]), "of-the-file");
        assert_eq!(key(&[folder]), "of-systemd");
        assert_eq!(key(&[folder, ("OUTLOOK_BRIDGE_MASTER_KEY", "own")]), "own");
    }

    #[test]
    fn no_error_quotes_a_value() {
        for file in [
            "poll_seconds = 5\nmaster_key = \"hush-hush",
            "master_key = hush-hush",
            "master_key = [\"hush-hush\"]",
            "database_url = { hush-hush = 1 }",
            "graph_url = \"hush-hush\"",
            "trusted_proxies = \"hush-hush\"",
            "allow_odoo_on = \"hush-hush\"",
        ] {
            let error = format!("{:?}", load(file, &[]).unwrap_err());
            assert!(!error.contains("hush"), "{error}");
        }
        let error = load("days_back = 1\nmaster_key = \"x", &[]).unwrap_err();
        assert!(format!("{error:#}").contains("line 2"), "{error:#}");
    }

    #[test]
    fn an_odoo_on_this_machine_is_called_if_nobody_else_can_call() {
        let nets = |file: &str| load(file, &[]).unwrap().odoo_networks().unwrap();
        let has = |nets: Vec<IpNet>, address: &str| {
            nets.iter()
                .any(|n| n.contains(&address.parse::<IpAddr>().unwrap()))
        };
        assert!(has(nets(""), "127.0.0.1"));
        assert!(has(nets("listen = '[::1]:8470'"), "127.0.0.1"));
        let beyond = "listen = '0.0.0.0:8470'\nallow_plain_http = true";
        assert!(!has(nets(beyond), "127.0.0.1"));
        let named = nets(&format!("{beyond}\nallow_odoo_on = '10.0.0.0/8, 127.0.0.1'"));
        assert!(
            has(named.clone(), "10.1.1.1") && has(named.clone(), "127.0.0.1") && !has(named, "127.0.0.2")
        );
    }

    #[test]
    fn every_setting_is_documented_in_the_defaults() {
        for name in SETTINGS {
            assert!(DEFAULTS.contains(&format!("{name} =")), "{name}");
        }
    }
}
