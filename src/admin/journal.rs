//! What Odoo shows of the journal, and the present state of one event.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::auth::registrations::problem_of;
use crate::calendar::choices::Kept;
use crate::engine::now;
use crate::mailbox::trouble;
use crate::odoo::time::OdooTime;
use crate::outlook::wire::WireEvent;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, BackfillState};
use crate::store::databases::Database;
use crate::store::journal::{self, Level};
use crate::store::meetings::Identities;
use crate::store::outbox::OutlookWrite;
use crate::store::people::Person;
use crate::store::reason::{self, Reason};
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, registrations, troubles};
use crate::words::{Arg, Said, Sentence, say};

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
    /// The event's organizer: it is said how an event stands that this service was never told of.
    #[serde(default)]
    organizer_id: Option<i32>,
    /// A rule of another add-on keeps it out of Outlook, of which this service may know nothing.
    #[serde(default)]
    excluded: bool,
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

/// The values that add-ons do not know that do not know `by_occurrence` (in `records::JOURNAL`, too).
const NEWER_VALUES: [&str; 2] = ["reminder_minutes", "rule"];

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
    /// Who does not know which events are meant, or these values, would save it wrongly.
    #[serde(skip)]
    pub needs_by_occurrence: bool,
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
    let needs_by_occurrence =
        update == Some("self_only") || NEWER_VALUES.iter().any(|name| found.values.get(name).is_some());
    Ok(Some(OtherValue {
        res_id,
        key: found.series_key,
        recurrence_update: update,
        values: found.values,
        needs_by_occurrence,
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
        let title = String::new();
        let line = |said| line_of(said, request, people.now, (title, request.organizer_id));
        let said = if request.excluded {
            Some(not_synced(&Reason::Excluded))
        } else {
            let organizer = request.organizer_id.map(|user| people.account_of_user(user));
            organizer.map(why_unknown)
        };
        return Ok(said.map(line).into_iter().collect());
    };
    let waits = if is_shown(dossier) && dossier.writes.is_empty() {
        Waits::default()
    } else {
        Waits::of(conn, dossier).await?
    };
    let messages = [why_apart(dossier, &people, &waits)?, about_attachments(dossier)];
    let about = || (dossier.meeting.title(), dossier.meeting.organizer_in_odoo());
    let line = |said| line_of(said, request, people.now, about());
    Ok(messages.into_iter().flatten().map(line).collect())
}

fn line_of(
    said: Said,
    request: &JournalRequest,
    now: DateTime<Utc>,
    (title, user_id): (String, Option<i32>),
) -> JournalLine {
    JournalLine {
        time: OdooTime(now),
        level: Level::Info,
        title,
        user_id,
        res_id: request.res_id,
        message_words: said.to_json(),
        message: said.message,
        standing: true,
    }
}

/// Returns why Outlook does not have an event that Odoo never sent here.
fn why_unknown(organizer: Option<&Person>) -> Said {
    let words = match organizer {
        None => say::stands_never_connected(),
        Some(account) if !account.is_connected() => say::stands_until_login(say::its_organizer()),
        Some(account) if account.existing != BackfillState::Told => say::stands_comparing(),
        Some(_) => say::stands_outside(),
    };
    words.into()
}

/// What of the organizer's mailbox keeps a meeting's changes from being sent.
#[derive(Debug, Default)]
struct Waits {
    /// Mails wait for approval.
    holds_mails: bool,
    /// What is wrong with the mailbox.
    trouble: Option<Said>,
}

impl Waits {
    async fn of(conn: &mut Connection, dossier: &Dossier) -> anyhow::Result<Self> {
        let Some(user) = dossier.meeting.organizer_in_odoo() else {
            return Ok(Self::default());
        };
        let Some(account) = accounts::of_user(conn, dossier.meeting.database_id, user).await? else {
            return Ok(Self::default());
        };
        let known = troubles::of(conn, account.id).await?;
        let registrations = registrations::of_database(conn, account.database_id).await?;
        let stored = || {
            Some(Said::stored(
                account.reason.clone()?,
                account.reason_words.clone(),
            ))
        };
        let lasting = || trouble::describe_lasting_limit(&known, &account).map(Said::from);
        Ok(Self {
            holds_mails: account.holds_mails(),
            trouble: problem_of(&registrations, &account)
                .or_else(stored)
                .or_else(lasting),
        })
    }
}

/// Returns whether Outlook shows it in some mailbox.
fn is_shown(dossier: &Dossier) -> bool {
    dossier.copies.iter().any(|copy| !copy.gone)
}

/// Returns what the changes of a meeting wait for; `None` if they are on their way.
fn why_waiting(
    account: &Person,
    dossier: &Dossier,
    people: &People,
    waits: &Waits,
    name: &Arg,
) -> Option<Sentence> {
    let is_held = |write: &OutlookWrite| {
        waits.holds_mails && write.account_id == account.id && write.collected && write.mails > 0
    };
    let is_known = is_shown(dossier);
    if people.database.shut_out().is_some() {
        return Some(say::stands_shut_out());
    }
    if people.database.paused {
        return Some(say::stands_paused());
    }
    if !account.is_connected() {
        return Some(if is_known {
            say::stands_changes_until_login(name.clone())
        } else {
            say::stands_until_login(name.clone())
        });
    }
    if account.resetting {
        return Some(say::stands_resetting(name.clone()));
    }
    if !account.is_active() {
        return Some(say::stands_stopped(name.clone()));
    }
    if dossier.writes.iter().any(is_held) {
        return Some(say::stands_mails_wait(name.clone()));
    }
    let trouble = waits.trouble.clone()?;
    Some(say::stands_trouble(name.clone(), trouble))
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
fn why_apart(dossier: &Dossier, people: &People, waits: &Waits) -> anyhow::Result<Option<Said>> {
    let meeting = &dossier.meeting;
    let record = match meeting.record() {
        Ok(record) => record,
        // The record is of another version. The reason for setting it aside can be said all the
        // same.
        Err(_) => return Ok(meeting.set_aside.as_ref().map(not_synced)),
    };
    let Some(record) = record.filter(|_| !meeting.odoo_gone) else {
        return Ok(None);
    };
    if !record.active() && !is_shown(dossier) {
        return Ok(Some(say::stands_archived().into()));
    }
    if meeting.ended && dossier.writes.is_empty() {
        return Ok(None);
    }
    if let Some(mailbox) = dossier.debt.as_ref().and_then(|debt| debt.held_for)
        && !is_shown(dossier)
    {
        // Until the mailbox has been read to its end, nobody knows whether it is one of many.
        let is_limited = people.account(mailbox).is_some_and(|one| one.is_braked);
        return Ok(Some(if is_limited {
            say::stands_removal_waits().into()
        } else {
            say::stands_removal_on_its_way().into()
        }));
    }
    if let Some(reason) = &meeting.set_aside {
        return Ok(Some(not_synced(reason)));
    }
    let event = record.document(&people.mailboxes).ok().flatten();
    let event = event.map(|document| planner::in_one(&document, people.now.date_naive()));
    let closed = event
        .as_ref()
        .and_then(|event| planner::closed::why_closed(&record, event, people));
    if meeting.differs
        && let Some(closed) = closed
    {
        return Ok(Some(say::stands_differs_as(closed.as_part()).into()));
    }
    if meeting.view_of.is_some() && !is_shown(dossier) {
        let left = Reason::NotChosen(Kept::CalendarNotChosen);
        return Ok(Some(not_synced(&left)));
    }
    let mut live = dossier.copies.iter().filter(|copy| !copy.gone);
    if meeting.differs && is_shown(dossier) && live.all(|copy| copy.calendar.is_some()) {
        let why = reason::choice(&Kept::FurtherCalendar);
        return Ok(Some(say::stands_differs_as(why).into()));
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
        return Ok((!is_shown(dossier)).then(|| say::stands_without_organizer().into()));
    };
    let name = organizer.name.as_deref().or(organizer.email.as_deref());
    let name = name.map_or_else(|| say::its_organizer().into(), Arg::from);
    let is_known = is_shown(dossier);
    let account = people.organizer(&template);
    // What others answer is no change of the organizer's.
    let is_own = |write: &&OutlookWrite| account.is_none_or(|account| write.account_id == account.id);
    let has_changes = dossier.writes.iter().any(|write| is_own(&write));
    let words = match account {
        _ if is_known && !has_changes => return Ok(None),
        Some(account) if is_known => why_waiting(account, dossier, people, waits, &name)
            .unwrap_or_else(say::stands_changes_on_their_way),
        None if is_known => say::stands_changes_on_their_way(),
        Some(account) => {
            let made = people.made_at(&record);
            let existed = made < account.connected_at && !meeting.revived;
            if account.ignore_before.is_some_and(|before| made < before) {
                say::stands_only_new(name)
            } else if planner::closed::is_from_before(made, people) {
                say::stands_too_early()
            } else if existed && event.is_some_and(|event| planner::closed::is_outside(&event, people)) {
                say::stands_outside()
            } else if let Some(why) = why_waiting(account, dossier, people, waits, &name) {
                why
            } else if existed && !account.pulled_once {
                say::stands_comparing()
            } else {
                say::stands_on_its_way()
            }
        }
        None => say::stands_unconnected(name),
    };
    Ok(Some(words.into()))
}
