//! What the commands share: logs, the database, the key.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;
use tracing::field::Field;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};
use crate::engine::Engine;
use crate::engine::odoo_client::OdooClient;
use crate::outlook;
use crate::outlook::client::GraphClient;
use crate::outlook::login::LoginClient;
use crate::store::Store;
use crate::store::embedded::Embedded;
use crate::store::seal::Sealer;

/// Checks the master key, then migrates: with a wrong key, or without the right one, nothing is changed.
async fn prepare(config: &Config, store: &Store) -> anyhow::Result<Sealer> {
    let mut conn = store.get().await?;
    let is_sealed = Sealer::is_sealed(&mut conn).await?;
    let sealer = match &config.master_key {
        Some(key) => Sealer::parse(key).context("setting master_key")?,
        None => Sealer::from_file(&config.data_dir.join("master.key"), !is_sealed)?,
    };
    if is_sealed {
        sealer.verify(&mut conn).await?;
    }
    for version in store.migrate().await? {
        tracing::info!(migration = %version, "migrated");
    }
    sealer.check(&mut conn).await?;
    Ok(sealer)
}

/// Starts the log on standard error. Standard output is for the commands' results.
pub fn start_logs(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| format!("setting log: '{}'", config.log))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let logs = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(is_fit_for_logs));
    match config.log_format {
        LogFormat::Text => logs
            .with(
                lines
                    .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                    .fmt_fields(debug_fn(write_field).delimited(" ")),
            )
            .init(),
        LogFormat::Json => logs.with(lines.json()).init(),
    }
    Ok(())
}

/// Writes one field of a line. It stays one line, whatever the value is.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Escapes line breaks and other characters that a terminal or a log reader would interpret.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(self.0, "{}", c.escape_default()),
            c => self.0.write_char(c),
        })
    }
}

/// Returns whether a message may be logged. Libraries' messages below `info` may contain what they
/// carry: keys, tokens, calendars. They are never logged, whatever the setting is.
fn is_fit_for_logs(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || line.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// A database to work with. The embedded one is started if none is configured.
pub struct Opened {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub embedded: Option<Embedded>,
}

impl Opened {
    /// Connects, migrates, and checks the master key.
    ///
    /// # Errors
    /// The error says what to do next.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let own = config.database_url.as_ref();
        // With a configured database and key, nothing is stored on disk.
        if own.is_none() || config.master_key.is_none() {
            std::fs::create_dir_all(&config.data_dir).with_context(|| {
                format!(
                    "creating the data directory {} (setting data_dir)",
                    config.data_dir.display()
                )
            })?;
        }
        let (url, embedded) = match own {
            Some(url) => (url.expose_secret().to_owned(), None),
            None => {
                let embedded = Embedded::start(&config.data_dir).await?;
                (embedded.url.clone(), Some(embedded))
            }
        };
        let store = Store::new(&url, config.workers * 2 + 8)?;
        match prepare(config, &store).await.context("preparing the database") {
            Ok(sealer) => Ok(Self {
                store,
                sealer: Arc::new(sealer),
                embedded,
            }),
            Err(error) => {
                if let Some(embedded) = &embedded {
                    embedded.stop_if_started().await;
                }
                Err(error)
            }
        }
    }

    /// Restores the state before the command: stops a cluster that the command has started.
    pub async fn close(&self) {
        if let Some(embedded) = &self.embedded {
            embedded.stop_if_started().await;
        }
    }

    /// Makes the engine.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn engine(&self, config: &Config) -> anyhow::Result<Engine> {
        // Installed once per process. A second call finds it installed.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let http = outlook::http_client().context("building the HTTP client")?;
        let graph = GraphClient::new(
            http.clone(),
            config.graph_url.parse().context("setting graph_url")?,
        );
        let login = LoginClient::new(
            http.clone(),
            config.login_url.parse().context("setting login_url")?,
            &config.tenant,
        );
        let engine = Engine::new(
            self.store.clone(),
            Arc::clone(&self.sealer),
            graph,
            login,
            http,
            OdooClient::new(config.odoo_networks()?)?,
            config.sync_settings(),
        );
        Ok(Engine {
            notifications: config.notifications(),
            ..engine
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_line() {
        let mut text = String::new();
        write!(Escaped(&mut text), "a\nINFO forged\u{1b}[2J é").unwrap();
        assert_eq!(text, "a\\nINFO forged\\u{1b}[2J é");
    }
}
