//! The command `put-back`.

use anyhow::Context;
use comfy_table::Cell;
use serde_json::json;

use super::databases::only_or_called;
use super::doctor::Form;
use super::output::{self, lines, table, time};
use super::start::Opened;
use crate::admin::put_back::{self, Preview};
use crate::config::Config;

/// The number of events that are listed.
const MOST: i64 = 200;

/// How an event is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Only show what would be done.
    Show,
    /// Only if nobody is mailed.
    Silently,
    /// Outlook may invite the guests again.
    Invite,
}

/// Lists what was deleted last.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn list(
    opened: &Opened,
    database: Option<&str>,
    user: Option<i32>,
    form: Form,
) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = only_or_called(&mut conn, database).await?;
    let lost = put_back::list(&mut conn, database.id, user, MOST).await?;
    if form == Form::Json {
        return output::json(&lost);
    }
    if lost.is_empty() {
        return output::line("nothing was deleted that is known here");
    }
    let mut shown = table(&[
        "EVENT",
        "DELETED",
        "USER",
        "TITLE",
        "TIME",
        "CANNOT BE PUT BACK, AS",
    ]);
    for one in &lost {
        shown.add_row(vec![
            Cell::new(one.lost.id),
            Cell::new(one.deleted_at.map(time).unwrap_or_default()),
            Cell::new(one.lost.user_id.map(|user| user.to_string()).unwrap_or_default()),
            Cell::new(&one.lost.title),
            Cell::new(one.lost.time.as_deref().unwrap_or_default()),
            Cell::new(one.lost.obstacle.as_deref().unwrap_or_default()),
        ]);
    }
    output::print(&lines(&shown))
}

/// Puts an event back, or shows what that would do.
///
/// # Errors
/// When the database cannot be reached, none has the given name, or the event cannot be put back.
pub async fn put_back(
    config: &Config,
    opened: &Opened,
    database: Option<&str>,
    event: i64,
    how: How,
    form: Form,
) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = only_or_called(&mut conn, database).await?;
    let seen = put_back::preview(&mut conn, &database, event)
        .await
        .context("'outlook-bridge put-back' lists what was deleted")?;
    drop(conn);
    let is_done = match how {
        How::Show => false,
        How::Silently => seen.invited.is_empty(),
        How::Invite => true,
    };
    if is_done {
        let engine = opened.engine(config)?;
        let users = put_back::put_back(&engine, &database, event, &seen.invited).await?;
        // This process ends, so nobody else waits for the answer.
        engine.poke_to_the_end(database.id, &users).await;
    }
    if form == Form::Json {
        return output::json(&json!({"done": is_done, "preview": seen}));
    }
    output::print(&words(&seen, how, is_done))
}

fn words(seen: &Preview, how: How, is_done: bool) -> String {
    let would = |present: &str, future: &str| {
        if is_done {
            present.to_owned()
        } else {
            format!("would {future}")
        }
    };
    let mut text = format!(
        "“{}”{}\n  in Odoo     {}\n  in Outlook  {} in the calendar of {}\n",
        seen.lost.title,
        seen.lost
            .time
            .as_ref()
            .map(|time| format!(", {time}"))
            .unwrap_or_default(),
        if seen.record_is_new {
            would("is made again", "be made again")
        } else {
            would("is active again", "be active again")
        },
        would("is made anew", "be made anew"),
        seen.mailbox,
    );
    if seen.invited.is_empty() {
        text.push_str("  mails       nobody\n");
    } else {
        let people: Vec<String> = seen.invited.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "  mails       {} invitation(s) by Outlook: {}\n",
            people.len(),
            people.join(", ")
        ));
    }
    text.push_str(match (is_done, how) {
        (true, _) => {
            "It is under way: Odoo was told, and fetches it within a minute if it did not answer. The event's journal says what became of it.\n"
        }
        (false, How::Show) => "Nothing was done.\n",
        (false, _) => "Nothing was done, as that would mail people: repeat it with --invite.\n",
    });
    text
}
