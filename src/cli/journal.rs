//! `outlook-bridge journal`: what was done, to which event, and why.

use anyhow::Context;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::Args;
use comfy_table::Cell;
use serde_json::json;

use super::databases::all_or_called;
use super::output::{self, Mood, cell, lines, table, time};
use super::start::Opened;
use crate::store::journal::{self, Filter, Level, StoredLine};

/// Which lines are shown.
#[derive(Debug, Args)]
pub struct Shown {
    /// The name or UUID of the database; without it, all.
    #[arg(long)]
    database: Option<String>,
    /// Only lines about the user with this id in Odoo.
    #[arg(long)]
    user: Option<i32>,
    /// Only lines about the event with this id in Odoo, or with this in its title.
    #[arg(long)]
    event: Option<String>,
    /// Only lines of this day (UTC), such as 2026-11-30.
    #[arg(long)]
    day: Option<NaiveDate>,
    /// Only lines of at least this importance: info, warning or error.
    #[arg(long, default_value = "info", value_parser = ["info", "warning", "error"])]
    level: String,
    /// At most so many lines of each database, the latest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
}

impl Shown {
    fn filter(&self) -> anyhow::Result<Filter> {
        let (odoo_id, title) = match self.event.as_deref().map(|event| (event.parse::<i32>(), event)) {
            Some((Ok(id), _)) => (Some(id), None),
            Some((Err(_), title)) => (None, Some(title.to_owned())),
            None => (None, None),
        };
        let levels = match self.level.as_str() {
            "error" => vec![Level::Error],
            "warning" => vec![Level::Warning, Level::Error],
            _ => Vec::new(),
        };
        Ok(Filter {
            user_id: self.user,
            odoo_id,
            title,
            during: self.day.map(of_day).transpose()?,
            levels,
            limit: self.limit,
        })
    }
}

/// Returns the beginning and the end of a day.
fn of_day(day: NaiveDate) -> anyhow::Result<(DateTime<Utc>, DateTime<Utc>)> {
    let next = day
        .checked_add_days(Days::new(1))
        .context("--day is out of range")?;
    Ok((
        day.and_time(NaiveTime::MIN).and_utc(),
        next.and_time(NaiveTime::MIN).and_utc(),
    ))
}

/// Prints lines of the journal, the latest last, as in a log.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn show(opened: &Opened, shown: &Shown, as_json: bool) -> anyhow::Result<()> {
    let filter = shown.filter()?;
    let mut conn = opened.store.get().await?;
    let mut found: Vec<(String, StoredLine)> = Vec::new();
    for database in all_or_called(&mut conn, shown.database.as_deref()).await? {
        let some = journal::filtered(&mut conn, database.id, &filter).await?;
        found.extend(some.into_iter().map(|line| (database.name.clone(), line)));
    }
    found.sort_by_key(|(_, line)| line.at);
    if as_json {
        let as_documents = found.iter().map(|(database, line)| {
            json!({"database": database, "at": line.at, "level": line.level, "user_id": line.odoo_user_id,
                "res_id": line.odoo_id, "title": line.title, "message": line.message})
        });
        return output::json(&as_documents.collect::<Vec<_>>());
    }
    if found.is_empty() {
        return output::line("no such line in the journal");
    }
    let mut shown = table(&["TIME", "DATABASE", "USER", "EVENT", "TITLE", "WHAT WAS DONE"]);
    for (database, line) in &found {
        let id = |id: Option<i32>| id.map(|id| id.to_string()).unwrap_or_default();
        let message = match line.level {
            Level::Info => Cell::new(&line.message),
            Level::Warning => cell(&line.message, Mood::Waits),
            Level::Error => cell(&line.message, Mood::Bad),
        };
        shown.add_row(vec![
            Cell::new(time(line.at)),
            Cell::new(database),
            Cell::new(id(line.odoo_user_id)),
            Cell::new(id(line.odoo_id)),
            Cell::new(&line.title),
            message,
        ]);
    }
    output::print(&lines(&shown))
}
