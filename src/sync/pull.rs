//! From Outlook: follows a mailbox's delta and stores what it shows.
//!
//! A page's rows and the link to go on from are stored in one transaction, so a crash repeats a page and loses none.
//! `@removed` is a hint (Graph sends it for what left the window, too): Outlook is asked before anything is
//! taken for deleted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use uuid::Uuid;

use super::admin::note;
use super::people::People;
use super::planner::{self, Effects};
use super::{Engine, now};
use crate::calendar::event::{Address, Answer, Attendee, AttendeeKind, Event};
use crate::odoo::snapshot::odoo_answer;
use crate::outlook::GraphError;
use crate::outlook::client::Next;
use crate::outlook::wire::{self, DeltaRow, WireEvent};
use crate::store::accounts::{self, Account};
use crate::store::journal::Level;
use crate::store::meetings::{self, Copy, SeenCopy};
use crate::store::{Connection, databases, outbox};

/// The window is renewed when it reaches less than this share of its days ahead.
const RENEW_AT: i64 = 2;
/// How many meetings are worked on in one transaction, where there may be any number.
const CHUNK: i64 = 200;
/// While many pages are read, Odoo takes what there is; it is told this often.
const POKE_EVERY: Duration = Duration::from_secs(2);

/// Why a pull ended early.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A meeting may be one whose creation is in the air: look again in a moment.
    #[error("a creation is in flight")]
    Deferred,
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// A row with what had to be asked about it.
enum Sight {
    Event(Box<WireEvent>),
    /// Gone for good: a GET says so.
    Gone(String),
    /// No event as we know it, in words.
    Unreadable(String),
}

/// Follows the delta to its end, and adds what comes of it to `effects`.
///
/// # Errors
/// See [`PullError`]; everything stored until then stays.
pub async fn pull(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    effects: &mut Effects,
) -> Result<(), PullError> {
    let mut resynced = false;
    let mut link = current_link(engine, account).await?;
    let mut series = BTreeSet::new();
    let mut poked: Option<Instant> = None;
    loop {
        let page = match &link {
            Some(link) => engine.graph.delta_next(token, link).await,
            None => {
                let (start, end) = open_window(engine, account).await?;
                engine.graph.calendar_view_delta_start(token, start, end).await
            }
        };
        let page = match page {
            Ok(page) => page,
            // Graph forgets delta tokens when it likes; starting over compares with what is known and writes nothing.
            Err(GraphError::ResyncRequired) if !resynced => {
                tracing::info!(account.id = account.id, "the delta token is gone, starting over");
                resynced = true;
                link = None;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        series.extend(page.rows.iter().filter_map(series_of));
        let sights = look_closer(engine, account, token, page.rows).await?;
        let (next, is_last) = match page.next {
            Next::Page(next) => (next, false),
            Next::Round(next) => (next, true),
        };
        let stored = {
            let mut conn = engine.store.get().await?;
            let (sights, next) = (&sights, next.as_str());
            conn.transaction::<_, PullError, _>(async |conn| {
                databases::serialize(conn, account.database_id).await?;
                let effects = store_page(conn, account, sights).await?;
                accounts::set_delta(conn, account.id, Some(next)).await?;
                Ok(effects)
            })
            .await?
        };
        let news = stored.poke_users.clone();
        effects.merge(stored);
        if is_last {
            // The run ends with a poke.
            break;
        }
        if !news.is_empty() && poked.is_none_or(|at| at.elapsed() > POKE_EVERY) {
            engine.poke(account.database_id, news);
            poked = Some(Instant::now());
        }
        link = Some(next);
    }
    effects.merge(ask_about_missing(engine, account, token).await?);
    if !account.pulled_once {
        effects.merge(finish_first_pull(engine, account, series.len()).await?);
    }
    Ok(())
}

impl From<diesel::result::Error> for PullError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// The series that a row is part of.
fn series_of(row: &DeltaRow) -> Option<String> {
    let DeltaRow::Event(event) = row else { return None };
    event
        .series_master_id
        .clone()
        .or_else(|| event.is_recurring().then(|| event.id.clone()))
}

/// After a window was listed anew: a delta does not say what was deleted before it began. Whatever of the window was
/// not shown is asked about.
async fn ask_about_missing(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
) -> Result<Effects, PullError> {
    let account = {
        let mut conn = engine.store.get().await?;
        accounts::by_id(&mut conn, account.id).await?
    };
    let mut effects = Effects::default();
    let Some(since) = account.listing_since else {
        return Ok(effects);
    };
    let mut after = 0;
    loop {
        let missing = {
            let mut conn = engine.store.get().await?;
            meetings::unseen_since(&mut conn, account.id, since, after, CHUNK).await?
        };
        let Some(last) = missing.last() else { break };
        after = last.id;
        let mut sights = Vec::new();
        for copy in missing {
            let time = copy.event()?.time;
            let inside = account.window_start.is_none_or(|start| time.ends_at() > start)
                && account.window_end.is_none_or(|end| time.starts_at() < end);
            if inside {
                let found = engine.graph.get_event(token, &copy.graph_id).await?;
                sights.push(found.map_or(Sight::Gone(copy.graph_id), |event| Sight::Event(Box::new(event))));
            }
        }
        let mut conn = engine.store.get().await?;
        let (account, sights) = (&account, &sights);
        let stored = conn
            .transaction::<_, PullError, _>(async |conn| {
                databases::serialize(conn, account.database_id).await?;
                store_page(conn, account, sights).await
            })
            .await?;
        effects.merge(stored);
    }
    let mut conn = engine.store.get().await?;
    accounts::end_listing(&mut conn, account.id).await?;
    Ok(effects)
}

/// The link to go on from; none when the window has to be opened, or moved on.
async fn current_link(engine: &Engine, account: &Account) -> Result<Option<String>, PullError> {
    let ahead = TimeDelta::days(engine.settings.days_ahead / RENEW_AT);
    let reaches = account.window_end.is_some_and(|end| end > now() + ahead);
    Ok(account.delta_link.clone().filter(|_| reaches))
}

async fn open_window(
    engine: &Engine,
    account: &Account,
) -> Result<(chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>), PullError> {
    let start = now() - TimeDelta::days(engine.settings.days_back);
    let end = now() + TimeDelta::days(engine.settings.days_ahead);
    let mut conn = engine.store.get().await?;
    accounts::open_window(&mut conn, account.id, (start, end), now()).await?;
    Ok((start, end))
}

/// Asks Outlook about what a page says is removed.
async fn look_closer(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    rows: Vec<DeltaRow>,
) -> Result<Vec<Sight>, PullError> {
    let mut sights = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            DeltaRow::Event(event) => sights.push(Sight::Event(event)),
            DeltaRow::Unreadable { problem, .. } => sights.push(Sight::Unreadable(problem)),
            DeltaRow::Removed { id, .. } => {
                let known = {
                    let mut conn = engine.store.get().await?;
                    meetings::copy_by_graph_id(&mut conn, account.id, &id).await?
                };
                if known.is_none_or(|copy| copy.gone) {
                    continue;
                }
                match engine.graph.get_event(token, &id).await? {
                    Some(event) => sights.push(Sight::Event(Box::new(event))),
                    None => sights.push(Sight::Gone(id)),
                }
            }
        }
    }
    Ok(sights)
}

async fn store_page(
    conn: &mut Connection,
    account: &Account,
    sights: &[Sight],
) -> Result<Effects, PullError> {
    let people = People::load(conn, account.database_id, now()).await?;
    let account = people
        .account(account.id)
        .cloned()
        .unwrap_or_else(|| account.clone());
    let mut touched = BTreeSet::new();
    for sight in sights {
        match sight {
            Sight::Event(event) => touched.extend(see(conn, &people, &account, event).await?),
            Sight::Gone(graph_id) => {
                if let Some(copy) = meetings::copy_by_graph_id(conn, account.id, graph_id).await? {
                    meetings::mark_gone(conn, copy.id).await?;
                    touched.insert(copy.meeting_id);
                }
            }
            Sight::Unreadable(problem) => {
                let message = format!("Outlook sent something that cannot be read: {problem}");
                note(
                    conn,
                    &people.database,
                    Some(account.odoo_user_id),
                    Level::Error,
                    message,
                )
                .await?;
            }
        }
    }
    let mut effects = Effects::default();
    for meeting_id in touched {
        effects.merge(planner::replan(conn, &people, meeting_id).await?);
    }
    Ok(effects)
}

/// Stores what a mailbox shows of one event; returns the meeting that has news, if it has any.
async fn see(
    conn: &mut Connection,
    people: &People,
    account: &Account,
    event: &WireEvent,
) -> Result<Option<i64>, PullError> {
    let known = meetings::copy_by_graph_id(conn, account.id, &event.id).await?;
    if event.is_recurring() {
        return Ok(match known {
            Some(copy) => mark_series(conn, copy.meeting_id, true).await?,
            None => None,
        });
    }
    if event.is_draft == Some(true) {
        return Ok(None);
    }
    // Our own write coming back, or a repeated row.
    if let Some(copy) = &known
        && !copy.gone
        && (is_same_state(copy, event) || is_older(copy, event))
    {
        meetings::touch_copy(conn, copy.id, now()).await?;
        return Ok(None);
    }
    let state = match project(event, account) {
        Ok(state) => state,
        Err(reason) => {
            let message = format!(
                "“{}” in Outlook cannot be read: {reason}",
                event.subject.as_deref().unwrap_or("")
            );
            note(
                conn,
                &people.database,
                Some(account.odoo_user_id),
                Level::Error,
                message,
            )
            .await?;
            return Ok(None);
        }
    };
    let meeting_id = match &known {
        Some(copy) => copy.meeting_id,
        None => match find_meeting(conn, people, account, event, &state).await? {
            Some(id) => id,
            None => return Ok(None),
        },
    };
    if known.is_some() {
        mark_series(conn, meeting_id, false).await?;
    }
    store_copy(conn, meeting_id, account, event, &state).await?;
    Ok(Some(meeting_id))
}

fn is_same_state(copy: &Copy, event: &WireEvent) -> bool {
    copy.change_key.is_some() && copy.change_key == event.change_key
}

/// A change that is told again, late.
fn is_older(copy: &Copy, event: &WireEvent) -> bool {
    matches!((event.last_modified_date_time, copy.modified_at), (Some(told), Some(known)) if told < known)
}

/// Stores a copy as Graph answered it.
///
/// # Errors
/// When Postgres fails.
pub(super) async fn store_copy(
    conn: &mut Connection,
    meeting_id: i64,
    account: &Account,
    event: &WireEvent,
    state: &Event,
) -> anyhow::Result<()> {
    let seen = SeenCopy {
        meeting_id,
        account_id: account.id,
        graph_id: &event.id,
        change_key: event.change_key.as_deref(),
        is_organizer: event.is_organizer.unwrap_or(false),
        state: serde_json::to_value(state)?,
        wire: serde_json::to_value(event)?,
        modified_at: event.last_modified_date_time,
        seen_at: now(),
        gone: false,
        cancelled: event.is_cancelled.unwrap_or(false),
        answer: event.own_answer().map(odoo_answer),
    };
    meetings::see_copy(conn, &seen).await?;
    Ok(())
}

/// The domain's view of an event in this mailbox. In an attendee's mailbox the owner's own answer is the one that
/// counts: Graph hides or delays it in the list of attendees.
///
/// # Errors
/// A sentence for the journal.
pub(super) fn project(event: &WireEvent, account: &Account) -> Result<Event, String> {
    let mut state = wire::to_event(event).map_err(|e| e.to_string())?;
    if event.is_organizer != Some(true)
        && let (Some(owner), Some(answer)) = (Address::parse(&account.login), event.own_answer())
    {
        let attendee = state.attendees.entry(owner.clone()).or_insert_with(|| Attendee {
            name: owner.to_string(),
            answer: Answer::NeedsAction,
            kind: AttendeeKind::Required,
        });
        attendee.answer = answer;
    }
    Ok(state)
}

/// Which meeting an unknown event is: by our own mark, by Outlook's identity, by content where the user had it in
/// Odoo before connecting, or a new one.
async fn find_meeting(
    conn: &mut Connection,
    people: &People,
    account: &Account,
    event: &WireEvent,
    state: &Event,
) -> Result<Option<i64>, PullError> {
    let database_id = account.database_id;
    if let Some(link) = event
        .link()
        .or_else(|| event.transaction_id.as_deref().and_then(link_of_transaction))
        && let Some(id) = meetings::by_link(conn, database_id, link).await?
    {
        let mut meeting = meetings::lock(conn, id).await?;
        if meeting.ical_uid.is_none() {
            meeting.ical_uid.clone_from(&event.ical_uid);
            meetings::save(conn, &meeting).await?;
        }
        // Another identity under our mark: somebody duplicated the event in Outlook. It is one of its own.
        if meeting.ical_uid == event.ical_uid {
            return Ok(Some(id));
        }
    }
    // An id that is absent matches nothing.
    let Some(uid) = event.ical_uid.as_deref().filter(|uid| !uid.is_empty()) else {
        return Ok(None);
    };
    if let Some(id) = meetings::by_ical_uid(conn, database_id, uid).await? {
        return Ok(Some(id));
    }
    if event.is_cancelled == Some(true) {
        return Ok(None);
    }
    if event.is_organizer != Some(true)
        && let Some(organizer) = state
            .organizer
            .as_ref()
            .and_then(|o| people.account_of_address(&o.address))
        && outbox::creation_in_flight(conn, organizer.id).await?
    {
        return Err(PullError::Deferred);
    }
    let before = account.ignore_before;
    if before.is_some_and(|before| event.created_date_time.is_some_and(|created| created < before)) {
        return Ok(None);
    }
    if event.is_organizer == Some(true)
        && let Some(id) = match_by_content(conn, account, state, uid).await?
    {
        return Ok(Some(id));
    }
    Ok(Some(meetings::create(conn, database_id, None, Some(uid)).await?))
}

/// An event that the user has in both calendars, never linked: same title, same time.
async fn match_by_content(
    conn: &mut Connection,
    account: &Account,
    state: &Event,
    uid: &str,
) -> Result<Option<i64>, PullError> {
    let candidates =
        meetings::unlinked_with_title(conn, account.database_id, account.odoo_user_id, &state.title).await?;
    for mut meeting in candidates {
        let same_time = meeting
            .snapshot()?
            .filter(|s| s.active && !s.recurrent)
            .and_then(|s| s.to_event(&std::collections::BTreeMap::new()).ok())
            .is_some_and(|odoo| odoo.time.same_span(&state.time));
        if same_time {
            meeting.ical_uid = Some(uid.to_owned());
            meetings::save(conn, &meeting).await?;
            return Ok(Some(meeting.id));
        }
    }
    Ok(None)
}

/// The link in `<link>-<generation>`.
fn link_of_transaction(transaction_id: &str) -> Option<Uuid> {
    let (link, generation) = transaction_id.rsplit_once('-')?;
    generation.parse::<u32>().ok()?;
    Uuid::parse_str(link).ok()
}

/// Notes that an event became a series in Outlook, or a single one again.
async fn mark_series(conn: &mut Connection, meeting_id: i64, series: bool) -> Result<Option<i64>, PullError> {
    let mut meeting = meetings::lock(conn, meeting_id).await?;
    if meeting.series == series {
        return Ok(None);
    }
    meeting.series = series;
    meetings::save(conn, &meeting).await?;
    Ok(Some(meeting_id))
}

/// The mailbox is known now: what waited for that (events that Odoo had before) is planned, some at a time, as others
/// wait for the same lock.
async fn finish_first_pull(engine: &Engine, account: &Account, series: usize) -> Result<Effects, PullError> {
    let mut effects = Effects::default();
    let mut conn = engine.store.get().await?;
    let ids = meetings::of_account(&mut conn, account.database_id, account.id, account.odoo_user_id).await?;
    for some in ids.chunks(usize::try_from(CHUNK).unwrap_or(1)) {
        let planned = conn
            .transaction::<_, PullError, _>(async |conn| {
                databases::serialize(conn, account.database_id).await?;
                let mut people = People::load(conn, account.database_id, now()).await?;
                people.mark_pulled(account.id);
                let mut effects = Effects::default();
                for id in some {
                    effects.merge(planner::replan(conn, &people, *id).await?);
                }
                Ok(effects)
            })
            .await?;
        effects.merge(planned);
    }
    // Last, so that a crash repeats it.
    conn.transaction::<_, PullError, _>(async |conn| {
        accounts::set_pulled_once(conn, account.id).await?;
        if series > 0 {
            let database = databases::by_id(conn, account.database_id).await?;
            let message = format!(
                "{series} recurring event(s) of the Outlook calendar stay in Outlook alone: recurring events are not \
                 synchronised yet"
            );
            note(
                conn,
                &database,
                Some(account.odoo_user_id),
                Level::Warning,
                message,
            )
            .await?;
        }
        Ok(())
    })
    .await?;
    Ok(effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_id_names_its_link() {
        let link = Uuid::new_v4();
        assert_eq!(link_of_transaction(&format!("{link}-3")), Some(link));
        assert_eq!(link_of_transaction(&link.to_string()), None);
        assert_eq!(link_of_transaction("somebody else's"), None);
    }
}
