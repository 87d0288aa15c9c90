//! The journal: what was done, in words for a person.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Connection;
use super::databases::Database;
use super::meetings::Meeting;
use super::schema::journal::{self, dsl};
use super::text_enum::{Stored, text_enum};
use crate::calendar::field::Side;
use crate::words::Said;

/// Rows per statement: Postgres accepts 65,535 values, and a line has nineteen.
const ROWS: usize = 2_000;

text_enum! {
    /// The importance of a journal line (`journal.level`).
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Level {
        Info = "info",
        /// A person may want to look at this decision.
        Warning = "warning",
        /// Something needs a person.
        Error = "error",
    }
}

/// The lines to write when a write is done. They are stored with the write in the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    #[serde(flatten)]
    pub said: Said,
    /// Additional lines: decisions against one side.
    pub decisions: Vec<Decision>,
    /// The event before it was deleted.
    pub content: Option<Value>,
}

/// A decision against one side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Decision {
    Said {
        #[serde(flatten)]
        said: Said,
        /// What both sides had changed, if they had.
        #[serde(default)]
        conflict: Box<Conflict>,
    },
    /// Of an earlier version.
    English(String),
}

/// What both sides had changed, and which value was kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Insertable)]
#[diesel(table_name = journal)]
pub struct Conflict {
    #[diesel(column_name = conflict_field)]
    pub field: Option<String>,
    /// The date of the occurrence that it is about, in the zone of its series.
    #[serde(default)]
    #[diesel(column_name = conflict_slot)]
    pub slot: Option<NaiveDate>,
    #[diesel(column_name = conflict_kept)]
    pub kept: Option<String>,
    #[diesel(column_name = conflict_odoo)]
    pub odoo: Option<String>,
    #[diesel(column_name = conflict_outlook)]
    pub outlook: Option<String>,
    /// Both values as they are said in other languages, if that is not their text.
    #[diesel(column_name = conflict_odoo_words)]
    pub odoo_words: Option<Value>,
    #[diesel(column_name = conflict_outlook_words)]
    pub outlook_words: Option<Value>,
    /// The value that was not kept, as fields of Odoo's event.
    #[diesel(column_name = conflict_other)]
    pub other: Option<Value>,
}

/// A line to write.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = journal)]
pub struct Line {
    pub database_id: Uuid,
    pub odoo_user_id: Option<i32>,
    pub odoo_id: Option<i32>,
    pub level: Level,
    /// The event's title.
    pub title: String,
    pub message: String,
    /// The message as a sentence, if it is one.
    pub words: Option<Value>,
    /// The event before it was deleted.
    pub content: Option<Value>,
    /// The key by which Odoo knows the series, if the line is about one.
    pub series_key: Option<String>,
    /// Where it was written, if anywhere.
    pub side: Option<Stored<Side>>,
    /// How many mails Outlook sent because of it.
    pub mails: i32,
    /// The user who organizes the event in Odoo.
    pub organizer_id: Option<i32>,
    #[diesel(embed)]
    pub conflict: Conflict,
}

impl Line {
    /// Makes a line about the database, or about one of its users.
    pub fn general(
        database_id: Uuid,
        odoo_user_id: Option<i32>,
        level: Level,
        said: impl Into<Said>,
    ) -> Self {
        let said = said.into();
        Self {
            database_id,
            odoo_user_id,
            odoo_id: None,
            level,
            title: String::new(),
            words: said.to_json(),
            message: said.message,
            content: None,
            series_key: None,
            side: None,
            mails: 0,
            organizer_id: None,
            conflict: Conflict::default(),
        }
    }

    /// Makes a line about a meeting.
    pub fn of(
        meeting: &Meeting,
        odoo_user_id: Option<i32>,
        level: Level,
        said: impl Into<Said>,
        content: Option<Value>,
    ) -> Self {
        let said = said.into();
        Self {
            database_id: meeting.database_id,
            odoo_user_id,
            odoo_id: meeting.odoo_id,
            level,
            title: meeting.title(),
            words: said.to_json(),
            message: said.message,
            content,
            series_key: meeting.series_key.clone(),
            side: None,
            mails: 0,
            organizer_id: meeting.organizer_in_odoo(),
            conflict: Conflict::default(),
        }
    }
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = journal)]
pub struct StoredLine {
    pub odoo_user_id: Option<i32>,
    pub odoo_id: Option<i32>,
    pub at: DateTime<Utc>,
    pub level: Level,
    pub title: String,
    pub message: String,
    pub words: Option<Value>,
}

impl Decision {
    pub fn of(said: impl Into<Said>) -> Self {
        Self::Said {
            said: said.into(),
            conflict: Box::default(),
        }
    }
}

impl Done {
    pub fn of(said: impl Into<Said>) -> Self {
        Self {
            said: said.into(),
            decisions: Vec::new(),
            content: None,
        }
    }

    /// Returns the lines to write when the write is done.
    pub fn lines(self, meeting: &Meeting, user_id: i32, side: Side, mails: i32) -> Vec<Line> {
        let line = |level, said: Said, content| Line::of(meeting, Some(user_id), level, said, content);
        let decided = |decision| match decision {
            Decision::English(message) => line(Level::Warning, message.into(), None),
            Decision::Said { said, conflict } => Line {
                conflict: *conflict,
                ..line(Level::Warning, said, None)
            },
        };
        let decisions = self.decisions.into_iter();
        decisions
            .map(decided)
            .chain([Line {
                side: Some(Stored(side)),
                mails,
                ..line(Level::Info, self.said, self.content)
            }])
            .collect()
    }
}

/// Writes a line about the database or one of its users.
pub async fn note(
    conn: &mut Connection,
    database: &Database,
    user_id: Option<i32>,
    level: Level,
    said: impl Into<Said>,
) -> QueryResult<usize> {
    write(conn, Line::general(database.id, user_id, level, said)).await
}

pub async fn write(conn: &mut Connection, line: Line) -> QueryResult<usize> {
    write_all(conn, vec![line]).await
}

pub async fn write_all(conn: &mut Connection, lines: Vec<Line>) -> QueryResult<usize> {
    let mut lines = lines.into_iter();
    let mut written = 0;
    loop {
        let some: Vec<Line> = lines.by_ref().take(ROWS).collect();
        if some.is_empty() {
            return Ok(written);
        }
        written += diesel::insert_into(dsl::journal)
            .values(some)
            .execute(conn)
            .await?;
    }
}

/// Returns whether this exact line was written about the database since a time.
pub async fn said_since(
    conn: &mut Connection,
    database_id: Uuid,
    message: &str,
    since: DateTime<Utc>,
) -> QueryResult<bool> {
    let said = dsl::journal
        .filter(dsl::database_id.eq(database_id).and(dsl::message.eq(message)))
        .filter(dsl::at.gt(since));
    diesel::select(diesel::dsl::exists(said)).get_result(conn).await
}

/// Returns the newest lines of the whole database, of one user, or of one event. With `key`, the
/// lines of its series are included.
pub async fn newest(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: Option<i32>,
    odoo_id: Option<i32>,
    key: Option<&str>,
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
    match (odoo_id, key) {
        (Some(odoo_id), Some(key)) => {
            let is_about = dsl::odoo_id.eq(Some(odoo_id)).or(dsl::series_key.eq(Some(key)));
            query = query.filter(is_about.assume_not_null());
        }
        (Some(odoo_id), None) => query = query.filter(dsl::odoo_id.eq(odoo_id)),
        (None, Some(key)) => query = query.filter(dsl::series_key.eq(key)),
        (None, None) => {}
    }
    query.load(conn).await
}

/// Which lines are wanted; what is not named does not matter.
#[derive(Debug, Default)]
pub struct Filter {
    pub user_id: Option<i32>,
    pub odoo_id: Option<i32>,
    /// A part of the event's title, in any case.
    pub title: Option<String>,
    /// From the first time until before the second.
    pub during: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Empty means all.
    pub levels: Vec<Level>,
    pub limit: i64,
}

/// The value of a conflict that was not kept.
#[derive(Debug, Queryable)]
pub struct NotKept {
    pub odoo_id: Option<i32>,
    pub series_key: Option<String>,
    /// The date of the occurrence that it is about.
    pub slot: Option<NaiveDate>,
    /// Fields of Odoo's event.
    pub values: Value,
}

/// Returns the value that a line says was not kept, if there is one.
pub async fn not_kept(
    conn: &mut Connection,
    database_id: Uuid,
    line_id: i64,
) -> QueryResult<Option<NotKept>> {
    dsl::journal
        .filter(dsl::database_id.eq(database_id).and(dsl::id.eq(line_id)))
        .filter(dsl::conflict_other.is_not_null())
        .select((
            dsl::odoo_id,
            dsl::series_key,
            dsl::conflict_slot,
            dsl::conflict_other.assume_not_null(),
        ))
        .first(conn)
        .await
        .optional()
}

/// Returns the latest lines that a filter lets through.
pub async fn filtered(
    conn: &mut Connection,
    database_id: Uuid,
    filter: &Filter,
) -> QueryResult<Vec<StoredLine>> {
    let mut query = dsl::journal
        .filter(dsl::database_id.eq(database_id))
        .select(StoredLine::as_select())
        .order(dsl::id.desc())
        .limit(filter.limit)
        .into_boxed();
    if let Some(user_id) = filter.user_id {
        query = query.filter(dsl::odoo_user_id.eq(user_id));
    }
    if let Some(odoo_id) = filter.odoo_id {
        query = query.filter(dsl::odoo_id.eq(odoo_id));
    }
    if let Some(title) = &filter.title {
        let is_special = |c| matches!(c, '%' | '_' | '\\');
        let escaped = title
            .chars()
            .flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c]));
        query = query.filter(dsl::title.ilike(format!("%{}%", escaped.collect::<String>())));
    }
    if let Some((from, until)) = filter.during {
        query = query.filter(dsl::at.ge(from).and(dsl::at.lt(until)));
    }
    if !filter.levels.is_empty() {
        query = query.filter(dsl::level.eq_any(filter.levels.clone()));
    }
    query.load(conn).await
}

/// Returns the lines that contain a deleted event, with that event, latest first.
pub async fn deleted(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: Option<i32>,
) -> QueryResult<Vec<(StoredLine, Value)>> {
    let mut query = dsl::journal
        .filter(dsl::database_id.eq(database_id).and(dsl::content.is_not_null()))
        .select((StoredLine::as_select(), dsl::content.assume_not_null()))
        .order(dsl::id.desc())
        .into_boxed();
    if let Some(user_id) = user_id {
        query = query.filter(dsl::odoo_user_id.eq(user_id));
    }
    query.load(conn).await
}
