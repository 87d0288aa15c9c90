//! What the commands share: logs, the database, the key.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use tracing::field::Field;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::master_key;
use crate::config::{Config, LogFormat};
use crate::engine::Engine;
use crate::engine::odoo_client::OdooClient;
use crate::outlook;
use crate::outlook::client::GraphClient;
use crate::outlook::login::LoginClient;
use crate::store::content::{self, Content};
use crate::store::embedded::Embedded;
use crate::store::seal::Sealer;
use crate::store::{Connection, Store};

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To run the service, which alone makes what is missing.
    Serve { newer: Newer },
    /// To update the schema.
    Migrate,
    /// To work on what the service has made.
    Use,
    /// To replace what the database holds.
    Restore,
}

/// Whether the service may start on a database that a later version has updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newer {
    Refused,
    Accepted,
}

/// Checks what the database holds and the master key, then migrates: with a wrong key, or without
/// the right one, nothing is changed.
async fn prepare(config: &Config, store: &Store, purpose: Purpose) -> anyhow::Result<Sealer> {
    let mut conn = store.get().await?;
    check_identity(config, &mut conn, purpose).await?;
    check_content(&content::of(&mut conn).await?, purpose)?;
    if purpose == Purpose::Restore {
        return Ok(master_key::own(config, &mut conn).await?.sealer);
    }
    let is_serve = matches!(purpose, Purpose::Serve { .. });
    let is_sealed = Sealer::is_sealed(&mut conn).await?;
    let sealer = if is_sealed {
        master_key::fitting(config, &mut conn).await?.sealer
    } else {
        ensure!(
            is_serve,
            "the service has not finished its first start on this database: start it, and look at its log"
        );
        match &config.master_key {
            Some(key) => Sealer::parse(key).context("setting master_key")?,
            None => Sealer::from_file(&master_key::file(config), true)?,
        }
    };
    if purpose != Purpose::Use {
        for version in store.migrate().await? {
            tracing::info!(migration = %version, "migrated");
        }
    }
    if is_serve {
        sealer.check(&mut conn).await?;
    }
    Ok(sealer)
}

/// Checks that a command works on the database of the service.
async fn check_identity(config: &Config, conn: &mut Connection, purpose: Purpose) -> anyhow::Result<()> {
    let (Some(service), Some(identity)) = (&config.found.service, content::identity(conn).await) else {
        return Ok(());
    };
    if service.identity == identity {
        return Ok(());
    }
    match &service.running {
        Some(words) => bail!(
            "these settings lead to another database than the one that the running service works on ({words}). Nothing was done. Leave \
             out --config and OUTLOOK_BRIDGE_… to work on the service's own database. If the settings were changed since its start, \
             restart it. If they are those of another service, give that one a data_dir of its own"
        ),
        // A backup may be restored into a new database before the service is started on it.
        None if purpose == Purpose::Use => bail!(
            "these settings lead to another database than the one that the service worked on last, and it does not run now, so that \
             its own settings cannot be found. Nothing was done. Start it and type the command again: systemctl start outlook-bridge. \
             It may have a database_url in its unit that is not in the configuration file"
        ),
        None => Ok(()),
    }
}

/// Checks that the database is this service's, and that this program knows its schema.
fn check_content(content: &Content, purpose: Purpose) -> anyhow::Result<()> {
    let schema = match content {
        Content::Foreign(table) => bail!(
            "this is no database of outlook-bridge: it holds other tables ('{table}', …). Nothing was done. Let database_url lead to \
             the service's database, or for a new service to an empty one"
        ),
        Content::Nothing if matches!(purpose, Purpose::Serve { .. } | Purpose::Restore) => return Ok(()),
        Content::Nothing => bail!(
            "this database is empty: no service was started on it. Nothing was done. If the service has other settings, pass its \
             configuration file with --config; if it is a new one, start it first"
        ),
        Content::Own(schema) => schema,
    };
    let accepted = Purpose::Serve {
        newer: Newer::Accepted,
    };
    ensure!(
        schema.unknown == 0 || purpose == accepted,
        "a later version of outlook-bridge has updated this database ({} step(s) are not known to {}). Nothing was done. Install that \
         version again, or restore the backup from before. The version right before it may run for a while: \
         'outlook-bridge serve --accept-newer-schema'",
        schema.unknown,
        env!("CARGO_PKG_VERSION")
    );
    ensure!(
        schema.pending == 0 || purpose != Purpose::Use,
        "this program is newer than the database, whose schema lacks {} step(s). Nothing was done. Restart the service with this \
         version, or run 'outlook-bridge migrate'",
        schema.pending
    );
    Ok(())
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

/// Returns the URL of the configured database, or starts the private Postgres.
async fn connect(config: &Config, purpose: Purpose) -> anyhow::Result<(String, Option<Embedded>)> {
    let own = config.database_url.as_ref();
    let is_serve = matches!(purpose, Purpose::Serve { .. });
    // With a configured database and key, nothing is stored on disk.
    if is_serve && (own.is_none() || config.master_key.is_none()) {
        std::fs::create_dir_all(&config.data_dir).with_context(|| {
            format!(
                "creating the data directory {} (setting data_dir)",
                config.data_dir.display()
            )
        })?;
    }
    if let Some(url) = own {
        return Ok((url.expose_secret().to_owned(), None));
    }
    let embedded = if is_serve {
        Embedded::start(&config.data_dir).await?
    } else {
        Embedded::attach(&config.data_dir).await?
    };
    Ok((embedded.url.clone(), Some(embedded)))
}

/// A database to work with. The embedded one is started if none is configured.
pub struct Opened {
    pub store: Store,
    pub sealer: Arc<Sealer>,
    pub embedded: Option<Embedded>,
}

impl Opened {
    /// Connects, and checks the database and the master key.
    ///
    /// # Errors
    /// The error says what to do next.
    pub async fn open_for(config: &Config, purpose: Purpose) -> anyhow::Result<Self> {
        let (url, embedded) = connect(config, purpose).await?;
        let store = Store::new(&url, config.workers * 2 + 8)?;
        match prepare(config, &store, purpose)
            .await
            .context("preparing the database")
        {
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
