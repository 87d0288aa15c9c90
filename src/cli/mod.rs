//! The commands of `outlook-bridge`.

mod commands;
#[cfg(test)]
mod documents;
mod keys;
mod records;
mod serve;
mod start;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use start::Opened;

use crate::config::Config;

/// Syncs the calendars of Odoo's users with Outlook.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// The configuration file. config.default.toml lists every setting.
    #[arg(long, global = true, env = "OUTLOOK_BRIDGE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve,
    /// Print a one-time code that pairs an Odoo database. It expires after an hour.
    Enroll {
        /// The name or UUID of a known database. The code can only pair this database again. Use this if Odoo has no valid key any
        /// more, because it was unpaired, revoked or restored from a backup.
        #[arg(long)]
        again: Option<String>,
    },
    /// Confirm that a database that was paired again from another address or under another name is the same one. Until then
    /// it is not synced.
    Confirm {
        /// The name or UUID of the database.
        database: String,
    },
    /// Update the schema of the service's database. `serve` does this as well.
    Migrate,
    /// Check the settings, the database, the master key and the connection to Microsoft.
    Doctor,
    /// Show the paired databases, their users, and the changes that are pending on either side.
    Status,
    /// Sync every mailbox now, or those of one database.
    Sync {
        /// The name or UUID of the database.
        #[arg(long)]
        database: Option<String>,
    },
    /// Revoke the API key of an Odoo database. To sync again, it must be paired again.
    Revoke {
        /// The name or UUID of the database.
        database: String,
    },
    /// Print the events of a database that the service has deleted from Outlook or from Odoo, with all their content. One JSON
    /// document per line, the latest first.
    Deleted {
        /// The name or UUID of the database.
        database: String,
        /// Only the events of the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
    },
    /// Print all data stored about a user: the account, the meetings in the mailbox and the lines of the journal. One JSON
    /// document per line.
    Export {
        /// The name or UUID of the database.
        database: String,
        /// The id of the user in Odoo.
        #[arg(long)]
        user: i32,
    },
    /// Erase all data stored about a database that is no longer paired, or about a user whose mailbox is not connected.
    /// Nothing changes in Outlook and Odoo.
    Forget {
        /// The name or UUID of the database.
        database: String,
        /// Only the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
    },
    /// Encrypt every secret again, with the first of the configured master keys.
    RotateKey,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, for the person at the terminal.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(self.config.as_deref(), |name| std::env::var(name).ok())?;
        match self.command {
            Command::Serve => serve::serve(config).await,
            Command::Doctor => commands::doctor(&config).await,
            command => {
                let opened = Opened::open(&config).await?;
                let done = command.run(&config, &opened).await;
                opened.close().await;
                done
            }
        }
    }
}

impl Command {
    /// Runs a command that works on the database alone.
    async fn run(self, config: &Config, opened: &Opened) -> anyhow::Result<()> {
        match self {
            Self::Enroll { again } => commands::enroll(config, opened, again.as_deref()).await,
            Self::Confirm { database } => commands::confirm(opened, &database).await,
            Self::Status => commands::status(opened, &config.sync_settings()).await,
            Self::Sync { database } => commands::sync(opened, database.as_deref()).await,
            Self::Revoke { database } => keys::revoke(opened, &database).await,
            Self::Deleted { database, user } => records::deleted(opened, &database, user).await,
            Self::Export { database, user } => records::export(opened, &database, user).await,
            Self::Forget { database, user } => records::forget(opened, &database, user).await,
            Self::RotateKey => keys::rotate_key(opened).await,
            // Opening the database has migrated it.
            Self::Migrate => {
                println!("the schema is up to date");
                Ok(())
            }
            Self::Serve | Self::Doctor => Ok(()),
        }
    }
}
