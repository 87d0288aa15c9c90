//! The commands that read and erase what is kept about people.

use std::io::{BufWriter, Write};

use anyhow::{Context, bail};

use super::databases::called;
use super::output;
use super::start::Opened;
use crate::store::{accounts, erasing, journal};

/// Prints deleted events from the journal: from Outlook as Outlook had them, from Odoo the last
/// snapshot.
///
/// # Errors
/// When no database has this name.
pub async fn deleted(opened: &Opened, name: &str, user: Option<i32>) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = called(&mut conn, name).await?;
    for (line, content) in journal::deleted(&mut conn, database.id, user).await? {
        let line = serde_json::json!({"at": line.at, "user_id": line.odoo_user_id, "res_id": line.odoo_id,
            "title": line.title, "message": line.message, "content": content});
        output::line(&line.to_string())?;
    }
    Ok(())
}

/// Prints everything that is kept about a user, one JSON document per line.
///
/// # Errors
/// When no database has this name, or the output is closed.
pub async fn export(opened: &Opened, name: &str, user: i32) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = called(&mut conn, name).await?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    erasing::export(&mut conn, database.id, user, |document| {
        writeln!(out, "{document}").context("writing to standard output")
    })
    .await?;
    out.flush().context("writing to standard output")
}

/// Erases a database that is not paired, or a user whose mailbox is not connected.
///
/// # Errors
/// When no database has this name, or what is to be erased is still in use. The error says how to
/// end that.
pub async fn forget(opened: &Opened, name: &str, user: Option<i32>) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = called(&mut conn, name).await?;
    let (whom, erased) = if let Some(user) = user {
        let account = accounts::of_user(&mut conn, database.id, user).await?;
        if let Some(account) = account.filter(|account| account.is_connected() || account.resetting) {
            bail!(
                "user {user} of {} is connected as {}, and what is erased would be read again: press Reset Account on \
                 the user in Odoo, or archive the user, first. Nothing was erased",
                database.name,
                account.login
            );
        }
        let whom = format!("user {user} of {}", database.name);
        (whom, erasing::user(&mut conn, database.id, user).await?)
    } else {
        if database.key_hash.is_some() {
            bail!(
                "{} is paired, and what is erased would be told again: unpair it in Odoo's settings, or run \
                 'outlook-bridge revoke {}', first. Nothing was erased",
                database.name,
                database.uuid
            );
        }
        (
            database.name.clone(),
            erasing::database(&mut conn, database.id).await?,
        )
    };
    output::line(&format!(
        "{whom} is forgotten: {} account(s), {} meeting(s) and {} line(s) of the journal were erased. Outlook and Odoo keep what \
         they have",
        erased.accounts, erased.meetings, erased.lines
    ))?;
    Ok(())
}
