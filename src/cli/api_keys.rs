//! The commands about keys of people.

use anyhow::bail;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde::Serialize;

use super::databases::only_or_called;
use super::output::{self, Mood};
use super::start::Opened;
use crate::admin::keys::{self, Purpose};
use crate::engine::now;
use crate::store::api_keys::{self, ApiKey};
use crate::store::databases::Database;

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key. Standard output gets only the key, which is shown this once.
    Create(Wanted),
    /// List the keys, without the keys themselves.
    List {
        /// The name or UUID of the database, if there are several.
        #[arg(long)]
        database: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key. Its sessions end at once.
    Revoke {
        /// The number of the key in the list.
        number: i64,
        /// The name or UUID of the database, if there are several.
        #[arg(long)]
        database: Option<String>,
    },
}

/// The key to be made.
#[derive(Debug, Args)]
pub struct Wanted {
    /// A name by which you recognize the key.
    #[arg(long)]
    name: String,
    /// For the user with this id in Odoo, who sees only what is the user's own. Without it, the key is an administrator's.
    #[arg(long)]
    user: Option<i32>,
    /// The key changes nothing.
    #[arg(long)]
    read_only: bool,
    /// For how many days the key is valid. Without it, until it is revoked.
    #[arg(long)]
    days: Option<i64>,
    /// The name or UUID of the database, if there are several.
    #[arg(long)]
    database: Option<String>,
}

/// A key as it is listed for programs.
#[derive(Serialize)]
struct Listed<'a> {
    number: i64,
    name: &'a str,
    user_id: Option<i32>,
    scope: &'static str,
    created_at: String,
    expires_at: Option<String>,
    is_expired: bool,
}

impl<'a> Listed<'a> {
    fn of(key: &'a ApiKey) -> Self {
        Self {
            number: key.id,
            name: &key.name,
            user_id: key.odoo_user_id,
            scope: if key.may_write { "full" } else { "read-only" },
            created_at: output::time(key.created_at),
            expires_at: key.expires_at.map(output::time),
            is_expired: key.expires_at.is_some_and(|at| at <= now()),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be reached, it is not clear which one is meant, or there is no such key.
pub async fn run(opened: &Opened, command: &Keys) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let (Keys::Create(Wanted { database, .. }) | Keys::List { database, .. } | Keys::Revoke { database, .. }) =
        command;
    let database = only_or_called(&mut conn, database.as_deref()).await?;
    match command {
        Keys::Create(wanted) => {
            let purpose = Purpose {
                name: &wanted.name,
                user_id: wanted.user,
                may_write: !wanted.read_only,
                days: wanted.days,
            };
            let made = keys::create(&mut conn, &database, &purpose).await?;
            output::line(&made.key)?;
            explain(&database, wanted, made.id);
            Ok(())
        }
        Keys::List { json, .. } => {
            let found = api_keys::of_database(&mut conn, database.id).await?;
            let listed: Vec<Listed<'_>> = found.iter().map(Listed::of).collect();
            if *json {
                return output::json(&listed);
            }
            list(&database, &listed)
        }
        Keys::Revoke { number, .. } => {
            if !keys::revoke(&mut conn, &database, *number).await? {
                bail!(
                    "{} has no key with the number {number}: 'outlook-bridge keys list' lists them",
                    database.name
                );
            }
            output::line(&format!(
                "key {number} of {} opens nothing any more",
                database.name
            ))
        }
    }
}

fn explain(database: &Database, wanted: &Wanted, number: i64) {
    let (whose, login) = match wanted.user {
        Some(user) => (format!("what is user {user}'s own"), user.to_string()),
        None => ("everything of this database".to_owned(), "admin".to_owned()),
    };
    let scope = if wanted.read_only {
        "reads"
    } else {
        "reads and changes"
    };
    eprintln!(
        "Key {number} {scope} {whose} in {}. Use it in place of a password, with the login {login}. It is not shown again; revoke \
         it with 'outlook-bridge keys revoke {number}'.",
        database.name
    );
}

fn list(database: &Database, listed: &[Listed<'_>]) -> anyhow::Result<()> {
    if listed.is_empty() {
        return output::line(&format!("{} has no keys beside the add-on's", database.name));
    }
    let mut table = output::table(&["NUMBER", "NAME", "WHOSE", "SCOPE", "MADE", "EXPIRES"]);
    for key in listed {
        let whose = key
            .user_id
            .map_or_else(|| "administrator".to_owned(), |user| format!("user {user}"));
        let mood = if key.is_expired { Mood::Bad } else { Mood::Good };
        table.add_row(vec![
            Cell::new(key.number),
            Cell::new(key.name),
            Cell::new(whose),
            Cell::new(key.scope),
            Cell::new(&key.created_at),
            output::cell(key.expires_at.as_deref().unwrap_or("never"), mood),
        ]);
    }
    output::print(&output::lines(&table))
}
