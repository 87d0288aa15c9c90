//! What was done, in words for a person.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::meetings::Meeting;
use super::schema::journal::{self, dsl};
use super::{Connection, from_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    /// Something was decided that a person may want to look at.
    Warning,
    /// Something needs a person.
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What is said of a write once it is done; kept with it in the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    pub message: String,
    /// Lines of their own: what was decided against one side.
    pub decisions: Vec<String>,
    /// The event before it was deleted.
    pub content: Option<Value>,
}

/// A line to write.
#[derive(Clone, Debug)]
pub struct Line {
    pub database_id: Uuid,
    pub odoo_user_id: Option<i32>,
    pub odoo_id: Option<i32>,
    pub level: Level,
    /// The event's title.
    pub title: String,
    pub message: String,
    /// The event before it was deleted.
    pub content: Option<Value>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = journal)]
pub struct StoredLine {
    pub odoo_user_id: Option<i32>,
    pub odoo_id: Option<i32>,
    pub at: DateTime<Utc>,
    pub level: String,
    pub title: String,
    pub message: String,
}

pub async fn write(conn: &mut Connection, line: Line) -> QueryResult<usize> {
    diesel::insert_into(dsl::journal)
        .values((
            dsl::database_id.eq(line.database_id),
            dsl::odoo_user_id.eq(line.odoo_user_id),
            dsl::odoo_id.eq(line.odoo_id),
            dsl::level.eq(line.level.name()),
            dsl::title.eq(line.title),
            dsl::message.eq(line.message),
            dsl::content.eq(line.content),
        ))
        .execute(conn)
        .await
}

/// Says of a write that it is done.
///
/// # Errors
/// When Postgres fails, or the stored line cannot be read.
pub async fn tell(
    conn: &mut Connection,
    meeting: &Meeting,
    user_id: i32,
    done: Option<Value>,
) -> anyhow::Result<()> {
    let Some(done) = done else { return Ok(()) };
    let done: Done = from_json(done, "journal line")?;
    let line = |level, message, content| Line {
        database_id: meeting.database_id,
        odoo_user_id: Some(user_id),
        odoo_id: meeting.odoo_id,
        level,
        title: meeting.title(),
        message,
        content,
    };
    for decision in done.decisions {
        write(conn, line(Level::Warning, decision, None)).await?;
    }
    write(conn, line(Level::Info, done.message, done.content)).await?;
    Ok(())
}

/// The newest lines of the whole database, of one user, or of one event.
pub async fn newest(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: Option<i32>,
    odoo_id: Option<i32>,
    limit: i64,
) -> QueryResult<Vec<StoredLine>> {
    let mut query = dsl::journal
        .filter(dsl::database_id.eq(database_id))
        .select(StoredLine::as_select())
        .order(dsl::id.desc())
        .limit(limit)
        .into_boxed();
    if let Some(user_id) = user_id {
        query = query.filter(dsl::odoo_user_id.eq(user_id));
    }
    if let Some(odoo_id) = odoo_id {
        query = query.filter(dsl::odoo_id.eq(odoo_id));
    }
    query.load(conn).await
}

/// Drops what is older than the given time.
pub async fn prune(conn: &mut Connection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(dsl::journal.filter(dsl::at.lt(before)))
        .execute(conn)
        .await
}
