//! What Odoo shows of the journal, and the present state of one event.

use serde::{Deserialize, Serialize};

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
use crate::store::reason::Reason;
use crate::store::unit::{Dossier, UnitOfWork};

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
        standing: false,
    }));
    Ok(lines)
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
    let line = |message| JournalLine {
        time: OdooTime(people.now),
        level: Level::Info,
        title: dossier.meeting.title(),
        user_id: dossier.meeting.organizer_in_odoo(),
        res_id: request.res_id,
        message,
        standing: true,
    };
    Ok(messages.into_iter().flatten().map(line).collect())
}

/// Returns the line about attached files in Outlook, with the address where the organizer, or else
/// another owner of a copy, sees them.
fn about_attachments(dossier: &Dossier) -> Option<String> {
    let mut copies: Vec<_> = dossier.copies.iter().filter(|copy| !copy.gone).collect();
    copies.sort_by_key(|copy| !copy.is_organizer);
    // Data of another version of the service is ignored.
    let mut shown = copies
        .into_iter()
        .filter_map(|copy| copy.wire_event::<WireEvent>().ok());
    let event = shown.find(WireEvent::has_files)?;
    let link = event.web_link.as_deref().map(str::trim);
    let link = link.filter(|link| link.starts_with("https://") && !link.contains(char::is_whitespace));
    Some(match link {
        Some(link) => format!("it has attachments in Outlook, which are seen there alone: {link}"),
        None => "it has attachments in Outlook, which are seen there alone".to_owned(),
    })
}

fn not_synced(reason: &Reason) -> String {
    format!("it is not synced. {reason}")
}

/// Returns why an event of Odoo is not in Outlook, or differs there; `None` if it is in step, or
/// over.
fn why_apart(dossier: &Dossier, people: &People) -> anyhow::Result<Option<String>> {
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
        return Ok(Some(format!(
            "it was changed in Odoo and is another one in Outlook, as {closed}"
        )));
    }
    let template = record.template().ok();
    if meeting.differs {
        let organizer = template.as_ref().and_then(|template| people.organizer(template));
        let words = if organizer.is_some_and(Person::is_connected) {
            "it was changed in Odoo, and goes to Outlook once its organizer's mailbox has shown it"
        } else {
            "it was changed in Odoo and is another one in Outlook, as its organizer's mailbox is not connected"
        };
        return Ok(Some(words.to_owned()));
    }
    let Some(template) = template else {
        return Ok(None);
    };
    let Some(organizer) = &template.organizer else {
        let is_shown = dossier.copies.iter().any(|copy| !copy.gone);
        return Ok((!is_shown).then(|| "it is in Odoo alone, as nobody organizes it".to_owned()));
    };
    let name = organizer.name.as_deref().or(organizer.email.as_deref());
    let name = name.unwrap_or("its organizer");
    let account = people.organizer(&template);
    let words = match account {
        _ if dossier.copies.iter().any(|copy| !copy.gone) => match account {
            Some(account) if !account.is_active() && !dossier.writes.is_empty() => {
                format!("its changes wait for {name}, whose calendar is not synced for now")
            }
            Some(_) | None if !dossier.writes.is_empty() => {
                "its changes are on their way to Outlook".to_owned()
            }
            Some(_) | None => return Ok(None),
        },
        Some(account) if account.is_connected() => {
            let made = people.made_at(&record);
            if account.ignore_before.is_some_and(|before| made < before) {
                format!("it is in Odoo alone, as {name} chose to sync only what is new")
            } else if planner::closed::is_from_before(made, people) {
                "it is in Odoo alone, as it was created before the date from which on events go to Outlook (in the settings)".to_owned()
            } else if people.database.paused || !account.is_active() {
                format!("it waits for {name}, whose calendar is not synced for now")
            } else {
                "it is on its way to Outlook".to_owned()
            }
        }
        Some(_) => format!("it is in Odoo alone until {name} has logged in to Outlook again"),
        None => format!("it is in Odoo alone, as its organizer, {name}, is not connected to Outlook"),
    };
    Ok(Some(words))
}
