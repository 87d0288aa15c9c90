//! What Odoo shows of the journal, and the present state of one event.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::calendar::choices::Kept;
use crate::engine::now;
use crate::odoo::record::Record;
use crate::odoo::time::OdooTime;
use crate::outlook::wire::WireEvent;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::Connection;
use crate::store::databases::Database;
use crate::store::journal::{self, Level};
use crate::store::meetings::Identities;
use crate::store::people::Person;
use crate::store::reason::{self, Reason};
use crate::store::unit::{Dossier, UnitOfWork};
use crate::words::{Arg, Said, say};

/// The keyword arguments of `outlook.bridge.journal`. Without a user and an event: the whole
/// database.
#[derive(Debug, Deserialize)]
pub struct JournalRequest {
    #[serde(default)]
    user_id: Option<i32>,
    #[serde(default)]
    res_id: Option<i32>,
    /// The key of the series that the event belongs to.
    #[serde(default)]
    key: Option<String>,
    #[serde(default = "default_lines")]
    limit: i64,
}

fn default_lines() -> i64 {
    100
}

#[derive(Debug, Serialize)]
pub struct JournalLine {
    time: OdooTime,
    level: Level,
    title: String,
    user_id: Option<i32>,
    res_id: Option<i32>,
    message: String,
    /// The message as a sentence, if it is one.
    message_words: Option<Value>,
    /// It says how the event stands now; otherwise what was done.
    standing: bool,
}

/// Returns the newest lines first. For an event that is not in step with Outlook, the first line
/// (`standing`) says why. For an event with attachments in Outlook, a line says so, as Odoo has no field for
/// them.
///
/// # Errors
/// When Postgres fails.
pub async fn read(
    conn: &mut Connection,
    database: &Database,
    request: &JournalRequest,
) -> anyhow::Result<Vec<JournalLine>> {
    let limit = request.limit.clamp(1, 1000);
    let key = request.key.as_deref();
    let stored = journal::newest(conn, database.id, request.user_id, request.res_id, key, limit).await?;
    let mut lines = Vec::with_capacity(stored.len() + 1);
    if request.res_id.is_some() || key.is_some() {
        lines.extend(standing(conn, database, request).await?);
    }
    lines.extend(stored.into_iter().map(|line| JournalLine {
        time: OdooTime(line.at),
        level: line.level,
        title: line.title,
        user_id: line.odoo_user_id,
        res_id: line.odoo_id,
        message: line.message,
        message_words: line.words,
        standing: false,
    }));
    Ok(lines)
}

/// The value of a conflict that was not kept, as it can be saved in Odoo.
#[derive(Debug, Serialize)]
pub struct OtherValue {
    /// The event in Odoo; of a series, the occurrence that it is about.
    res_id: Option<i32>,
    /// The key of the event's series.
    key: Option<String>,
    /// `self_only` or `all_events`, as Odoo asks when an event of a series is saved.
    recurrence_update: Option<&'static str>,
    /// Fields of Odoo's event, `reminder_minutes`, or the times of a series' first event with `rule`
    /// and `tz`.
    values: Value,
}

/// Returns the value that a line says was not kept; `None` if there is none, or no longer an
/// occurrence that it is about.
///
/// # Errors
/// When Postgres fails.
pub async fn other_value(
    conn: &mut Connection,
    database_id: Uuid,
    line_id: i64,
) -> anyhow::Result<Option<OtherValue>> {
    let Some(found) = journal::not_kept(conn, database_id, line_id).await? else {
        return Ok(None);
    };
    let (res_id, update) = match (&found.series_key, found.slot) {
        (Some(key), Some(slot)) => match occurrence_in_odoo(conn, database_id, key, slot).await? {
            Some(res_id) => (Some(res_id), Some("self_only")),
            None => return Ok(None),
        },
        (Some(_), None) => (found.odoo_id, Some("all_events")),
        (None, _) => (found.odoo_id, None),
    };
    Ok(Some(OtherValue {
        res_id,
        key: found.series_key,
        recurrence_update: update,
        values: found.values,
    }))
}

/// Returns the record that is the occurrence of a date, as Odoo last said.
async fn occurrence_in_odoo(
    conn: &mut Connection,
    database_id: Uuid,
    key: &str,
    slot: NaiveDate,
) -> anyhow::Result<Option<i32>> {
    let identities = Identities {
        keys: [key].into_iter().collect(),
        ..Identities::default()
    };
    let known = UnitOfWork::look_at(conn, database_id, &identities).await?;
    let meeting = known.iter().map(|one| &one.meeting);
    let meeting = meeting.filter(|meeting| meeting.series_key.as_deref() == Some(key));
    // Data of another version of the service is ignored.
    let records = meeting.filter_map(|meeting| meeting.record().ok().flatten());
    Ok(records
        .into_iter()
        .find_map(|record| record.series()?.record_of(slot)))
}

async fn standing(
    conn: &mut Connection,
    database: &Database,
    request: &JournalRequest,
) -> anyhow::Result<Vec<JournalLine>> {
    let people = People::load(conn, database.id, now()).await?;
    let identities = Identities {
        odoo_ids: request.res_id.into_iter().collect(),
        keys: request.key.as_deref().into_iter().collect(),
        ..Identities::default()
    };
    let known = UnitOfWork::look_at(conn, database.id, &identities).await?;
    let is_series = |one: &&Dossier| request.key.is_some() && one.meeting.series_key == request.key;
    let is_record = |one: &&Dossier| request.res_id.is_some() && one.meeting.odoo_id == request.res_id;
    let mut both = known
        .iter()
        .find(is_series)
        .into_iter()
        .chain(known.iter().find(is_record));
    let Some(dossier) = both.next() else {
        return Ok(Vec::new());
    };
    let messages = [why_apart(dossier, &people)?, about_attachments(dossier)];
    let line = |said: Said| JournalLine {
        time: OdooTime(people.now),
        level: Level::Info,
        title: dossier.meeting.title(),
        user_id: dossier.meeting.organizer_in_odoo(),
        res_id: request.res_id,
        message_words: said.to_json(),
        message: said.message,
        standing: true,
    };
    Ok(messages.into_iter().flatten().map(line).collect())
}

/// Returns the line about attached files in Outlook, with the address where the organizer, or else
/// another owner of a copy, sees them.
fn about_attachments(dossier: &Dossier) -> Option<Said> {
    let mut copies: Vec<_> = dossier.copies.iter().filter(|copy| !copy.gone).collect();
    copies.sort_by_key(|copy| !copy.is_organizer);
    // Data of another version of the service is ignored.
    let mut shown = copies
        .into_iter()
        .filter_map(|copy| copy.wire_event::<WireEvent>().ok());
    let event = shown.find(WireEvent::has_files)?;
    let link = event.web_link.as_deref().map(str::trim);
    let link = link.filter(|link| link.starts_with("https://") && !link.contains(char::is_whitespace));
    let said = link.map_or_else(say::stands_attachments, say::stands_attachments_at);
    Some(said.into())
}

fn not_synced(reason: &Reason) -> Said {
    say::stands_not_synced(reason.sentence()).into()
}

/// Returns why an event of Odoo is not in Outlook, or differs there; `None` if it is in step, or
/// over.
fn why_apart(dossier: &Dossier, people: &People) -> anyhow::Result<Option<Said>> {
    let meeting = &dossier.meeting;
    let record = match meeting.record() {
        Ok(record) => record,
        // The record is of another version. The reason for setting it aside can be said all the
        // same.
        Err(_) => return Ok(meeting.set_aside.as_ref().map(not_synced)),
    };
    let Some(record) = record.filter(Record::active) else {
        return Ok(None);
    };
    if meeting.odoo_gone || meeting.ended {
        return Ok(None);
    }
    if let Some(reason) = &meeting.set_aside {
        return Ok(Some(not_synced(reason)));
    }
    let event = record.document(&people.mailboxes).ok().flatten();
    let event = event.map(|document| planner::in_one(&document, people.now.date_naive()));
    let closed = event.and_then(|event| planner::closed::why_closed(&record, &event, people));
    if meeting.differs
        && let Some(closed) = closed
    {
        return Ok(Some(say::stands_differs_as(closed.sentence()).into()));
    }
    let template = record.template().ok();
    let organizer = template.as_ref().and_then(|template| people.organizer(template));
    let direction = organizer.map(|organizer| people.direction(organizer));
    if meeting.differs
        && let Some(direction) = direction
    {
        if !direction.to_outlook() {
            let why = reason::choice(&Kept::OnlyToOdoo);
            return Ok(Some(say::stands_differs_as(why).into()));
        }
        if !direction.to_odoo() {
            let why = reason::choice(&Kept::OnlyToOutlook);
            return Ok(Some(say::stands_outlook_differs_as(why).into()));
        }
    }
    if meeting.differs {
        let words = if organizer.is_some_and(Person::is_connected) {
            say::stands_until_shown()
        } else {
            say::stands_differs_unconnected()
        };
        return Ok(Some(words.into()));
    }
    let Some(template) = template else {
        return Ok(None);
    };
    let Some(organizer) = &template.organizer else {
        let is_shown = dossier.copies.iter().any(|copy| !copy.gone);
        return Ok((!is_shown).then(|| say::stands_without_organizer().into()));
    };
    let name = organizer.name.as_deref().or(organizer.email.as_deref());
    let name = name.map_or_else(|| say::its_organizer().into(), Arg::from);
    let account = people.organizer(&template);
    let words = match account {
        _ if dossier.copies.iter().any(|copy| !copy.gone) => match account {
            Some(account) if !account.is_active() && !dossier.writes.is_empty() => {
                say::stands_changes_wait(name)
            }
            Some(_) | None if !dossier.writes.is_empty() => say::stands_changes_on_their_way(),
            Some(_) | None => return Ok(None),
        },
        Some(account) if account.is_connected() => {
            let made = people.made_at(&record);
            if account.ignore_before.is_some_and(|before| made < before) {
                say::stands_only_new(name)
            } else if planner::closed::is_from_before(made, people) {
                say::stands_too_early()
            } else if people.database.paused || !account.is_active() {
                say::stands_waits(name)
            } else {
                say::stands_on_its_way()
            }
        }
        Some(_) => say::stands_until_login(name),
        None => say::stands_unconnected(name),
    };
    Ok(Some(words.into()))
}
