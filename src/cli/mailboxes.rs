//! The commands that let mailboxes be worked: `sync`, `retry`, and the preview of a reset.

use anyhow::ensure;
use comfy_table::Cell;
use serde_json::json;

use super::databases::{all_or_called, only_or_called};
use super::output::{self, lines, table, time};
use super::start::Opened;
use crate::config::Config;
use crate::reset::preview::{PreviewRequest, preview};
use crate::store::Connection;
use crate::store::accounts::{self, Account};
use crate::store::databases::Database;
use crate::store::leases::{self, Urgency};
use crate::store::put_aside::{self, Listed};

/// Which mailboxes are meant.
#[derive(Debug)]
pub struct Chosen<'a> {
    pub database: Option<&'a str>,
    pub user: Option<i32>,
}

impl Chosen<'_> {
    async fn find(&self, conn: &mut Connection) -> anyhow::Result<Vec<(Database, Account)>> {
        let mut found = Vec::new();
        for database in all_or_called(conn, self.database).await? {
            for account in accounts::of_database(conn, database.id).await? {
                if self.user.is_none_or(|user| account.odoo_user_id == user) {
                    found.push((database.clone(), account));
                }
            }
        }
        if let Some(user) = self.user {
            ensure!(
                !found.is_empty(),
                "no mailbox of a user {user} is known: 'outlook-bridge accounts' lists them"
            );
        }
        Ok(found)
    }
}

/// Makes mailboxes due; a running service notices within a second.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn sync(opened: &Opened, chosen: &Chosen<'_>) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let found = chosen.find(&mut conn).await?;
    let ids: Vec<i64> = found
        .iter()
        .map(|(_, account)| account)
        .filter(|account| account.is_active())
        .map(|account| account.id)
        .collect();
    let resting = found.len() - ids.len();
    let woken = ids.len();
    leases::wake(&mut conn, ids, Urgency::News).await?;
    let mut text = format!("{woken} mailbox(es) will be synced");
    if resting > 0 {
        text.push_str(&format!(
            "; {resting} more rest until their users log in or start the sync ('outlook-bridge accounts')"
        ));
    }
    output::line(&text)
}

/// What `retry` does with events that are set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    List { as_json: bool },
    Now,
}

/// Lists events that are set aside, or lets them be tried again now.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn retry(opened: &Opened, chosen: &Chosen<'_>, what: Retry) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let found = chosen.find(&mut conn).await?;
    let as_json = match what {
        Retry::List { as_json } => as_json,
        Retry::Now => {
            let ids: Vec<i64> = found.iter().map(|(_, account)| account.id).collect();
            let count = put_aside::make_due(&mut conn, &ids).await?;
            let active = found.iter().map(|(_, account)| account);
            let active = active
                .filter(|account| account.is_active())
                .map(|account| account.id);
            leases::wake(&mut conn, active.collect(), Urgency::News).await?;
            return output::line(&match count {
                0 => "nothing is set aside".to_owned(),
                count => {
                    format!("{count} event(s) will be tried again; the journal says what became of them")
                }
            });
        }
    };
    let mut listed: Vec<(&Database, &Account, Listed)> = Vec::new();
    for (database, account) in &found {
        let some = put_aside::list(&mut conn, account.id).await?;
        listed.extend(some.into_iter().map(|one| (database, account, one)));
    }
    if as_json {
        let documents = listed.iter().map(|(database, account, one)| {
            json!({"database": database.name, "user_id": account.odoo_user_id, "login": account.login, "title": one.title,
                "reason": one.reason, "attempts": one.attempts, "since": one.since, "next_at": one.next_at})
        });
        return output::json(&documents.collect::<Vec<_>>());
    }
    if listed.is_empty() {
        return output::line("nothing is set aside");
    }
    let mut shown = table(&["DATABASE", "USER", "EVENT", "SINCE", "ATTEMPTS", "NEXT", "REASON"]);
    for (database, account, one) in &listed {
        shown.add_row(vec![
            Cell::new(&database.name),
            Cell::new(account.odoo_user_id),
            Cell::new(one.title.as_deref().unwrap_or_default()),
            Cell::new(time(one.since)),
            Cell::new(one.attempts),
            Cell::new(time(one.next_at)),
            Cell::new(&one.reason),
        ]);
    }
    output::print(&lines(&shown))
}

/// Prints what a reset of a user's account would delete, and whom it would mail. Changes nothing.
///
/// # Errors
/// When no database or user is meant, or the database cannot be reached.
pub async fn preview_reset(
    config: &Config,
    opened: &Opened,
    database: Option<&str>,
    user: i32,
    as_json: bool,
) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = only_or_called(&mut conn, database).await?;
    let engine = opened.engine(config)?;
    let told = preview(&engine, &database, &PreviewRequest { user_id: user })
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    if as_json {
        return output::json(&told);
    }
    let outlook = &told.outlook;
    let mut text = format!(
        "A reset of user {user} ({}) of {} would delete, if it is told to:\n",
        told.login, database.name
    );
    text.push_str(&format!(
        "  from Outlook  {} event(s) and {} series, which sends {} cancellation(s) to {} person(s), {} of them outside\n",
        outlook.loss.events, outlook.loss.series, outlook.cancellations, outlook.people, outlook.outside
    ));
    text.push_str(&format!(
        "  from Odoo     {} event(s) and {} series, which mails nobody\n",
        told.odoo.events, told.odoo.series
    ));
    if !told.reachable {
        text.push_str("Nothing can be deleted from Outlook now, as the user's login at Microsoft is not valid any more.\n");
    }
    text.push_str(
        "Nothing was done. A reset is started in Odoo: Settings, Users, the user, Calendar, Reset Account.\n",
    );
    output::print(&text)
}
