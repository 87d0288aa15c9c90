//! The commands of `outlook-bridge`.

mod commands;
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
    /// A configuration file; config.default.toml shows every setting.
    #[arg(long, global = true, env = "OUTLOOK_BRIDGE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve,
    /// Print a one-time code that pairs an Odoo database; good for an hour.
    Enroll {
        /// The name or uuid of a database that is known already: the code pairs it again, and is good for nothing else. Needed
        /// where Odoo has lost its key or has an old one (unpaired, revoked, restored).
        #[arg(long)]
        again: Option<String>,
    },
    /// Confirm that a database which was paired again from another address or under another name is the same one. Until then
    /// nothing of it is exchanged.
    Confirm {
        /// The database's name or uuid.
        database: String,
    },
    /// Bring the database's schema up to date (serve does this, too).
    Migrate,
    /// Check the settings, the database, the key and the way to Microsoft.
    Doctor,
    /// Show the paired databases, their users, and what is owed to either side.
    Status,
    /// Ask for a sync of every mailbox, or of one database's.
    Sync {
        /// The database's name or uuid.
        #[arg(long)]
        database: Option<String>,
    },
    /// Take an Odoo database's API key away, until it is paired again.
    Revoke {
        /// The database's name or uuid.
        database: String,
    },
    /// Print what the bridge has deleted from a database's Outlook calendars or from Odoo, with all it held: a JSON document a
    /// line, the latest first.
    Deleted {
        /// The database's name or uuid.
        database: String,
        /// Only of the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
    },
    /// Print all that is kept about a user: the account, the meetings of their mailbox and the journal's lines about them, a JSON document
    /// a line.
    Export {
        /// The database's name or uuid.
        database: String,
        /// The user's id in Odoo.
        #[arg(long)]
        user: i32,
    },
    /// Erase all that is kept about a database that is not paired any more, or about one of its users whose mailbox is not connected.
    /// Outlook and Odoo keep what they have.
    Forget {
        /// The database's name or uuid.
        database: String,
        /// Only the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
    },
    /// Seal every secret anew with the first of the given master keys.
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
