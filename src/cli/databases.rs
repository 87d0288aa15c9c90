//! Which database of Odoo a command is about.

use anyhow::{Context, bail};

use crate::store::Connection;
use crate::store::databases::{self, Database};

/// Returns the only database with this name or UUID.
///
/// # Errors
/// When there is none, or more than one.
pub async fn called(conn: &mut Connection, name: &str) -> anyhow::Result<Database> {
    let mut found = databases::all(conn).await?;
    found.retain(|database| database.uuid == name || database.name == name);
    match found.len() {
        0 => bail!("no paired database is called '{name}': 'outlook-bridge status' lists them"),
        1 => found.pop().context("one database"),
        _ => bail!(
            "several databases are called '{name}': name the uuid that 'outlook-bridge status --json' shows"
        ),
    }
}

/// Returns the database with this name or UUID, or all if none is named.
///
/// # Errors
/// When no database, or more than one, has the name.
pub async fn all_or_called(conn: &mut Connection, name: Option<&str>) -> anyhow::Result<Vec<Database>> {
    match name {
        Some(name) => Ok(vec![called(conn, name).await?]),
        None => Ok(databases::all(conn).await?),
    }
}

/// Returns the named database, or the only one.
///
/// # Errors
/// When no database has the name, or none is named and there is not exactly one.
pub async fn only_or_called(conn: &mut Connection, name: Option<&str>) -> anyhow::Result<Database> {
    let mut found = all_or_called(conn, name).await?;
    match found.len() {
        1 => found.pop().context("one database"),
        0 => bail!("no Odoo database is paired: 'outlook-bridge enroll' prints a code for one"),
        _ => bail!(
            "{} databases are paired: name one ('outlook-bridge status' lists them)",
            found.len()
        ),
    }
}
