//! `outlook-bridge status` and `outlook-bridge accounts`.

use std::fmt::Write;

use comfy_table::Cell;
use serde_json::json;

use super::databases::all_or_called;
use super::output::{self, Mood, cell, lines, table, time};
use super::overview::{self, AccountView, DatabaseView};
use super::site::Site;
use super::start::Opened;

/// Which mailboxes are shown.
#[derive(Debug, Default)]
pub struct Shown<'a> {
    pub database: Option<&'a str>,
    pub user: Option<i32>,
    /// Only those that somebody should look at.
    pub troubled: bool,
}

/// Prints the service, the databases and what is wrong with them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn status(site: &Site, opened: &Opened, as_json: bool) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let mut databases = Vec::new();
    let mut mailboxes = Vec::new();
    for database in all_or_called(&mut conn, None).await? {
        let (view, some) = overview::of(&mut conn, &site.config.sync_settings(), &database).await?;
        databases.push(view);
        mailboxes.extend(some);
    }
    if as_json {
        let service = site.running.as_ref().map(|found| &found.running);
        return output::json(&json!({"service": service, "databases": databases}));
    }
    let mut text = describe_service(site, opened);
    if databases.is_empty() {
        text.push_str("\nNo Odoo database is paired: 'outlook-bridge enroll' prints a code for one.\n");
        return output::print(&text);
    }
    let headers = [
        "DATABASE",
        "ADDRESS",
        "STATE",
        "LAST HEARD FROM",
        "MAILBOXES",
        "TO ODOO",
        "TO OUTLOOK",
        "SET ASIDE",
    ];
    let mut shown = table(&headers);
    for database in &databases {
        shown.add_row(row_of_database(database));
    }
    let _infallible = write!(text, "\n{}", lines(&shown));
    let mut told = Vec::new();
    for database in &databases {
        told.extend(
            database
                .problems
                .iter()
                .map(|problem| format!("{}: {problem}", database.name)),
        );
    }
    for mailbox in mailboxes.iter().filter(|one| one.is_in_trouble()) {
        told.push(describe_trouble(mailbox));
    }
    if !told.is_empty() {
        let _infallible = write!(text, "\n{}\n", told.join("\n"));
    }
    text.push_str(
        "\n'outlook-bridge accounts' lists the mailboxes, 'outlook-bridge journal' what was done.\n",
    );
    output::print(&text)
}

fn describe_service(site: &Site, opened: &Opened) -> String {
    let postgres = match (&site.config.database_url, &opened.embedded) {
        (None, Some(_)) => format!("private, in {}", site.config.data_dir.display()),
        _ => "database_url".to_owned(),
    };
    let service = match &site.running {
        Some(found) => format!("running ({}), version {}", found.words(), found.running.version),
        None if opened.embedded.is_some() => "NOT RUNNING".to_owned(),
        None => "not known to run on this machine".to_owned(),
    };
    format!("Service   {service}\nPostgres  {postgres}\n")
}

fn row_of_database(database: &DatabaseView) -> Vec<Cell> {
    let (state, mood) = match database {
        DatabaseView { paired: false, .. } => ("unpaired", Mood::Waits),
        DatabaseView { problems, .. } if !problems.is_empty() => ("see below", Mood::Bad),
        DatabaseView { paused: true, .. } => ("paused", Mood::Waits),
        _ => ("syncing", Mood::Good),
    };
    let mailboxes = match database.mailboxes_in_trouble {
        0 => Cell::new(database.mailboxes),
        some => cell(format!("{} ({some} in trouble)", database.mailboxes), Mood::Bad),
    };
    vec![
        Cell::new(&database.name),
        Cell::new(&database.base_url),
        cell(state, mood),
        Cell::new(time(database.heard_at)),
        mailboxes,
        Cell::new(database.owed_to_odoo),
        Cell::new(database.owed_to_outlook),
        Cell::new(database.set_aside),
    ]
}

/// Returns what is wrong with a mailbox, in a line.
fn describe_trouble(mailbox: &AccountView) -> String {
    let mut parts = vec![mailbox.words().to_owned()];
    if mailbox.failed_runs > 0 {
        parts.push(format!("{} run(s) in a row have failed", mailbox.failed_runs));
    }
    if mailbox.set_aside > 0 {
        parts.push(format!(
            "{} event(s) set aside ('outlook-bridge retry --list')",
            mailbox.set_aside
        ));
    }
    parts.extend(mailbox.reason.clone());
    format!(
        "{}, user {} ({}): {}",
        mailbox.database,
        mailbox.user_id,
        mailbox.login,
        parts.join(" · ")
    )
}

/// Prints the mailboxes.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn accounts(site: &Site, opened: &Opened, only: &Shown<'_>, as_json: bool) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let mut mailboxes = Vec::new();
    for database in all_or_called(&mut conn, only.database).await? {
        let (_, some) = overview::of(&mut conn, &site.config.sync_settings(), &database).await?;
        mailboxes.extend(some);
    }
    mailboxes.retain(|one| {
        only.user.is_none_or(|user| one.user_id == user) && (!only.troubled || one.is_in_trouble())
    });
    if as_json {
        return output::json(&mailboxes);
    }
    if mailboxes.is_empty() {
        return output::line("no such mailbox is known");
    }
    let headers = [
        "DATABASE",
        "USER",
        "MAILBOX",
        "STATE",
        "LAST SYNCED",
        "TO OUTLOOK",
        "SET ASIDE",
        "REASON",
    ];
    let mut shown = table(&headers);
    for mailbox in &mailboxes {
        shown.add_row(row_of_mailbox(mailbox));
    }
    output::print(&lines(&shown))
}

fn row_of_mailbox(mailbox: &AccountView) -> Vec<Cell> {
    use crate::odoo::exchange::AccountStatus::{Active, Resetting, Stopped};
    let mood = match mailbox.status {
        _ if mailbox.is_in_trouble() => Mood::Bad,
        Active => Mood::Good,
        Stopped | Resetting => Mood::Waits,
        _ => Mood::Bad,
    };
    vec![
        Cell::new(&mailbox.database),
        Cell::new(mailbox.user_id),
        Cell::new(&mailbox.login),
        cell(mailbox.words(), mood),
        Cell::new(mailbox.last_sync.map_or_else(|| "never".to_owned(), time)),
        Cell::new(mailbox.owed_to_outlook),
        Cell::new(mailbox.set_aside),
        Cell::new(mailbox.reason.as_deref().unwrap_or_default()),
    ]
}
