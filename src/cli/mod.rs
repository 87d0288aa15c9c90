//! The commands of `outlook-bridge`.

mod api_keys;
mod backup;
mod caller;
mod commands;
mod databases;
mod doctor;
mod journal;
mod keys;
mod mailboxes;
mod manual;
mod master_key;
mod output;
mod overview;
mod put_back;
mod records;
mod running;
mod serve;
mod site;
mod start;
mod status;
mod traces;
mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand};

use doctor::Form;
use mailboxes::{Chosen, Retry};
use put_back::How;
use site::Site;
use start::{Newer, Opened, Purpose};

use crate::config::Config;

/// Syncs the calendars of Odoo's users with Outlook.
#[derive(Debug, Parser)]
#[command(name = "outlook-bridge", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// The configuration file. config.default.toml lists every setting. If it is not given: that of the running service, or
    /// /etc/outlook-bridge/config.toml if it exists.
    #[arg(long, global = true, env = "OUTLOOK_BRIDGE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Only 'serve' makes anything: a data directory, a Postgres, a key. All other commands work on what the running service works on, as \
its user, so 'sudo outlook-bridge …' is safe beside it.

Examples:
  sudo outlook-bridge enroll                      a code that pairs an Odoo database
  sudo outlook-bridge status                      is all well?
  sudo outlook-bridge accounts --troubled         the mailboxes that need somebody
  sudo outlook-bridge journal --user 7 --day 2026-11-30
  sudo outlook-bridge sync --user 7               sync a mailbox now
  sudo outlook-bridge backup /var/backups/bridge.tar";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve {
        /// Start although a later version has updated the database. Only the version right before that one works.
        #[arg(long, env = "OUTLOOK_BRIDGE_ACCEPT_NEWER_SCHEMA")]
        accept_newer_schema: bool,
    },
    /// Print a one-time code that pairs an Odoo database. It expires after an hour.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge enroll\n  sudo outlook-bridge enroll --again production"
    )]
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
    /// Find out what is wrong with the installation, and what to do. Changes nothing. The exit code is 0 without problems,
    /// 1 with some, and 2 if the settings cannot be used.
    Doctor {
        /// Print the report as JSON. docs/doctor.md describes it.
        #[arg(long)]
        json: bool,
    },
    /// Show the service, the paired databases, and what needs somebody.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the mailboxes with their state.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge accounts --troubled\n  sudo outlook-bridge accounts --json"
    )]
    Accounts {
        /// The name or UUID of the database; without it, all.
        #[arg(long)]
        database: Option<String>,
        /// Only the mailbox of the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
        /// Only mailboxes that somebody should look at.
        #[arg(long)]
        troubled: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what was done, to which event, and why.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge journal --user 7 --day 2026-11-30\n  sudo outlook-bridge journal --event 'Board \
                      meeting' --level warning"
    )]
    Journal {
        #[command(flatten)]
        shown: journal::Shown,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sync every mailbox now, or those of one database or user.
    Sync {
        /// The name or UUID of the database.
        #[arg(long)]
        database: Option<String>,
        /// Only the mailbox of the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
    },
    /// Try events again now that are set aside. They are tried at growing intervals anyway.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge retry --list\n  sudo outlook-bridge retry --user 7"
    )]
    Retry {
        /// The name or UUID of the database.
        #[arg(long)]
        database: Option<String>,
        /// Only the mailbox of the user with this id in Odoo.
        #[arg(long)]
        user: Option<i32>,
        /// Only list the events, with the reasons.
        #[arg(long)]
        list: bool,
        /// Print JSON.
        #[arg(long, requires = "list")]
        json: bool,
    },
    /// List deleted events that can be put back on both sides, or put one back. What would mail anybody is shown first.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge put-back --user 7\n  sudo outlook-bridge put-back 41\n  sudo outlook-bridge \
                      put-back 41 --invite"
    )]
    PutBack {
        /// The number of the event in the list. Without it, the list is printed.
        event: Option<i64>,
        /// The name or UUID of the database, if there are several.
        #[arg(long)]
        database: Option<String>,
        /// Only list what the user with this id in Odoo organized.
        #[arg(long, conflicts_with = "event")]
        user: Option<i32>,
        /// Put it back although Outlook invites its guests again.
        #[arg(long, requires = "event")]
        invite: bool,
        /// Only show what it would do.
        #[arg(long, requires = "event", conflicts_with = "invite")]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a reset of a user's account would delete, and whom it would mail. A reset itself is started in Odoo.
    #[command(after_help = "Example:\n  sudo outlook-bridge reset --user 7 --dry-run")]
    Reset {
        /// The name or UUID of the database, if there are several.
        #[arg(long)]
        database: Option<String>,
        /// The id of the user in Odoo.
        #[arg(long)]
        user: i32,
        /// Only show it.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke the API key of an Odoo database. To sync again, it must be paired again.
    Revoke {
        /// The name or UUID of the database.
        database: String,
    },
    /// Make, list and revoke keys for other programs, which call the service as they call Odoo.
    #[command(
        subcommand,
        after_help = "Examples:\n  sudo outlook-bridge keys create --name reports --read-only --days 365\n  sudo outlook-bridge keys create \
                      --user 7 --name laptop\n  sudo outlook-bridge keys list\n  sudo outlook-bridge keys revoke 1"
    )]
    Keys(api_keys::Keys),
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
    /// Write a backup of the service's database to a file. The service may run meanwhile. The master key is not in it.
    #[command(
        after_help = "Examples:\n  sudo outlook-bridge backup /var/backups/bridge-2026-11-30.tar\n  sudo outlook-bridge backup bridge.tar \
                      --key-file /media/safe/bridge.key"
    )]
    Backup {
        /// The file to make. It must not exist.
        file: PathBuf,
        /// Write the master key to this file. Keep it in another place than the backup.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Replace the content of the service's database by that of a backup. The service must be stopped.
    #[command(
        after_help = "Example:\n  sudo systemctl stop outlook-bridge\n  sudo outlook-bridge restore bridge.tar --key-file bridge.key\n  \
                      sudo systemctl start outlook-bridge"
    )]
    Restore {
        /// The backup.
        file: PathBuf,
        /// The master key that was kept with the backup, if it is another one than this service's.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// Replace the databases that this service knows.
        #[arg(long)]
        replace: bool,
    },
    /// Move the private Postgres to another major version. The old data is kept.
    #[command(
        alias = "upgrade",
        after_help = "Example:\n  sudo outlook-bridge upgrade-postgres --rehearse\n  sudo systemctl stop outlook-bridge\n  sudo \
                      outlook-bridge upgrade-postgres\n  sudo systemctl start outlook-bridge\n  sudo outlook-bridge upgrade-postgres \
                      --delete-old"
    )]
    UpgradePostgres(upgrade::Wanted),
    /// Print the completions for a shell.
    #[command(
        after_help = "Example:\n  outlook-bridge completions bash > /etc/bash_completion.d/outlook-bridge"
    )]
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages of all commands into a folder.
    Manual { folder: PathBuf },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, for the person at the terminal.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if let Command::Doctor { json } = self.command {
            let form = if json { Form::Json } else { Form::Text };
            // What is wrong with the settings is a finding, too.
            return match Site::find(self.config.as_deref()) {
                Ok(site) => doctor::doctor(Ok(&site.config), form).await,
                Err(error) => doctor::doctor(Err(error), form).await,
            };
        }
        self.run_command().await.map(|()| ExitCode::SUCCESS)
    }

    async fn run_command(self) -> anyhow::Result<()> {
        let named = self.config.as_deref();
        let purpose = match &self.command {
            Command::Serve { accept_newer_schema } => {
                let newer = if *accept_newer_schema {
                    Newer::Accepted
                } else {
                    Newer::Refused
                };
                let file = site::configuration(named)?;
                site::check_configuration(file.as_deref(), None)?;
                let config = Config::load(file.as_deref(), |name| std::env::var(name).ok())?;
                return serve::serve(config, newer).await;
            }
            Command::Completions { shell } => return manual::completions(*shell),
            Command::Manual { folder } => return manual::pages(folder),
            Command::Reset { dry_run, .. } => {
                ensure!(
                    dry_run,
                    "a reset is started in Odoo, where it is known who asks for it: Settings, Users, the user, Calendar, Reset \
                     Account. With --dry-run this command shows what it would delete. Nothing was done"
                );
                Purpose::Use
            }
            Command::Migrate => Purpose::Migrate,
            _ => Purpose::Use,
        };
        let site = Site::find(named)?;
        match &self.command {
            Command::UpgradePostgres(wanted) => return wanted.run(&site).await,
            Command::Restore {
                file,
                key_file,
                replace,
            } => {
                let wanted = backup::restore::Wanted {
                    file,
                    key_file: key_file.as_deref(),
                    replace: *replace,
                };
                return backup::restore::run(&site, &wanted).await;
            }
            _ => {}
        }
        let opened = Opened::open_for(&site.config, purpose).await?;
        let done = self.command.run(&site, &opened).await;
        opened.close().await;
        done
    }
}

impl Command {
    /// Runs a command that works on the database alone.
    async fn run(self, site: &Site, opened: &Opened) -> anyhow::Result<()> {
        let config = &site.config;
        match self {
            Self::Enroll { again } => commands::enroll(config, opened, again.as_deref()).await,
            Self::Confirm { database } => commands::confirm(opened, &database).await,
            Self::Status { json } => status::status(site, opened, json).await,
            Self::Accounts {
                database,
                user,
                troubled,
                json,
            } => {
                let shown = status::Shown {
                    database: database.as_deref(),
                    user,
                    troubled,
                };
                status::accounts(site, opened, &shown, json).await
            }
            Self::Journal { shown, json } => journal::show(opened, &shown, json).await,
            Self::Sync { database, user } => {
                let database = database.as_deref();
                mailboxes::sync(opened, &Chosen { database, user }).await
            }
            Self::Retry {
                database,
                user,
                list,
                json,
            } => {
                let what = if list {
                    Retry::List { as_json: json }
                } else {
                    Retry::Now
                };
                let database = database.as_deref();
                mailboxes::retry(opened, &Chosen { database, user }, what).await
            }
            Self::PutBack {
                event,
                database,
                user,
                invite,
                dry_run,
                json,
            } => {
                let form = if json { Form::Json } else { Form::Text };
                let Some(event) = event else {
                    return put_back::list(opened, database.as_deref(), user, form).await;
                };
                let how = match (dry_run, invite) {
                    (true, _) => How::Show,
                    (false, true) => How::Invite,
                    (false, false) => How::Silently,
                };
                put_back::put_back(config, opened, database.as_deref(), event, how, form).await
            }
            Self::Reset {
                database, user, json, ..
            } => mailboxes::preview_reset(config, opened, database.as_deref(), user, json).await,
            Self::Revoke { database } => keys::revoke(opened, &database).await,
            Self::Keys(command) => api_keys::run(opened, &command).await,
            Self::Deleted { database, user } => records::deleted(opened, &database, user).await,
            Self::Export { database, user } => records::export(opened, &database, user).await,
            Self::Forget { database, user } => records::forget(opened, &database, user).await,
            Self::Backup { file, key_file } => backup::backup(site, opened, &file, key_file.as_deref()).await,
            Self::RotateKey => keys::rotate_key(opened).await,
            // Opening the database has migrated it.
            Self::Migrate => output::line("the schema is up to date"),
            Self::Serve { .. }
            | Self::Doctor { .. }
            | Self::Restore { .. }
            | Self::UpgradePostgres(_)
            | Self::Completions { .. }
            | Self::Manual { .. } => Ok(()),
        }
    }
}
