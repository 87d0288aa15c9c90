//! Adoption: takes over the links of Odoo's built-in sync, so that what it had synced is the same
//! meeting here, whatever either side calls it by now.
//!
//! A link names Outlook's event by its iCalUId, and by a mutable id of one mailbox. The iCalUId is
//! found when the mailbox is listed. The mutable id is translated. An event that is found by
//! neither is requested. Adoption by itself writes nothing to Outlook.

pub mod out;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::{Engine, now};
use crate::mailbox::error::PullError;
use crate::mailbox::trouble::{attribute_failure, backoff};
use crate::mailbox::{presence, series_completion};
use crate::measures::Purpose;
use crate::odoo::exchange::{Change, ChangeKind};
use crate::odoo::record::Record;
use crate::odoo::time::OdooTime;
use crate::outlook::GraphError;
use crate::outlook::wire::WireEvent;
use crate::planning::observation::{copy_of, project};
use crate::planning::people::People;
use crate::planning::planner::{self, Effects};
use crate::store::accounts::{self, Account, BackfillState};
use crate::store::databases::PlanningLock;
use crate::store::journal::{self, Level, Line};
use crate::store::leases::LeaseLost;
use crate::store::meetings::{self, Identities};
use crate::store::put_aside::{self, Item};
use crate::store::reason::{Reason, Words};
use crate::store::stock::{self, Awaited, StockLink, StockState, Waiting};
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, databases, leases};
use crate::words::{Said, say};

/// After so many refusals, besides those that lead to a single id, the ids are not the cause.
const MOST_REFUSALS: u32 = 8;

/// Returns the iCalUId under which Odoo's built-in sync knew a record.
pub fn uid_told(change: &Change) -> Option<&str> {
    match &change.kind {
        ChangeKind::Snapshot { record, .. } => uid_of(record),
        ChangeKind::Tombstone { .. } | ChangeKind::Excluded { .. } => None,
    }
}

fn uid_of(record: &Record) -> Option<&str> {
    record.stock_ids()?.uid.as_deref().filter(|uid| !uid.is_empty())
}

/// Returns the meeting of a new record: the one that a mailbox shows under the same iCalUId, or a
/// new one.
///
/// # Errors
/// When a meeting that was found is not there.
pub fn meeting_for(unit: &mut UnitOfWork, record: &Record) -> anyhow::Result<i64> {
    if let Some(id) = uid_of(record).and_then(|uid| unit.by_ical_uid(uid)) {
        let meeting = &unit.get(id)?.meeting;
        // The built-in sync is known to make duplicates. One of them is the event's record.
        if meeting.unconfirmed || meeting.odoo_state.is_none() && meeting.odoo_id.is_none() {
            return Ok(id);
        }
    }
    Ok(unit.create(None, None))
}

/// Returns the link of the built-in sync in a snapshot. A record that was archived before the
/// pairing has none, as that sync has deleted its event.
pub fn link_told(record: &Record, times: &BTreeMap<String, OdooTime>) -> Option<StockLink> {
    let ids = record.stock_ids()?.clone();
    let archived_since = times.contains_key("active") || times.contains_key("slots");
    (record.active() || archived_since).then(|| StockLink {
        ids,
        ..StockLink::default()
    })
}

/// Stores a link, unless more is known of the meeting already.
///
/// # Errors
/// When the meeting was not read.
pub fn note(unit: &mut UnitOfWork, id: i64, link: StockLink) -> anyhow::Result<()> {
    let uid = link.ids.uid.clone().filter(|uid| !uid.is_empty());
    let is_free = uid.as_deref().is_some_and(|uid| unit.by_ical_uid(uid).is_none());
    let meeting = &mut unit.get(id)?.meeting;
    if meeting.stock.is_some() || meeting.base_odoo.is_some() || meeting.ended {
        return Ok(());
    }
    if is_free && meeting.ical_uid.is_none() {
        meeting.ical_uid = uid;
    }
    meeting.set_stock_link(&link)
}

/// Returns the state after Odoo has sent a user's events: translating the links of the built-in
/// sync, if there are any.
///
/// # Errors
/// When Postgres fails.
pub async fn next_state(
    conn: &mut Connection,
    database_id: Uuid,
    odoo_user_id: i32,
) -> anyhow::Result<BackfillState> {
    let waiting = stock::waiting_for(conn, database_id, odoo_user_id, Awaited::Untranslated).await?;
    Ok(if waiting.is_empty() {
        BackfillState::Told
    } else {
        BackfillState::Moving
    })
}

/// Translates the ids of the built-in sync for meetings without a copy. Nothing is made in Odoo
/// before this is done, as it may be one of these meetings. A refused list is halved until the
/// refused id is found, and each part is stored. Returns `false` if `until` has come before
/// everything was asked for.
///
/// # Errors
/// See [`PullError`].
pub async fn translate(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
) -> Result<bool, PullError> {
    let mut waiting = {
        let mut conn = engine.store.get().await?;
        stock::waiting_for(
            &mut conn,
            account.database_id,
            account.odoo_user_id,
            Awaited::Untranslated,
        )
        .await?
    };
    if waiting.is_empty() && account.existing != BackfillState::Moving {
        return Ok(true);
    }
    if !waiting.is_empty() {
        let mut conn = engine.store.get().await?;
        let not_yet = put_aside::waiting_meetings(&mut conn, account.id, now()).await?;
        waiting.retain(|one| !not_yet.contains(&one.id));
    }
    let most_refusals = MOST_REFUSALS + 2 * waiting.len().checked_ilog2().unwrap_or(0);
    let (mut settled, mut refusals) = (0, 0);
    let mut parts = vec![waiting];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        // At least one part, so that it comes to an end.
        if settled > 0 && Instant::now() >= until {
            return Ok(false);
        }
        let ids: Vec<&str> = part.iter().filter_map(|w| w.microsoft_id.as_deref()).collect();
        let (reason, is_of_id) = match engine.graph.immutable_ids(token, &ids).await {
            Ok(translated) => {
                keep(engine, account, &part, &translated).await?;
                settled += 1;
                continue;
            }
            Err(error @ GraphError::Invalid { .. }) => (Reason::MicrosoftFails(error.words().into()), true),
            Err(error) => (attribute_failure(engine, token, error).await?, false),
        };
        refusals += 1;
        if settled == 0 && refusals > most_refusals {
            // The cause is not a single id.
            postpone(engine, account, &reason).await?;
            return Ok(true);
        }
        match part.as_slice() {
            // The event is found by its iCalUId, or requested.
            [one] if is_of_id => {
                tracing::warn!(meeting.id = one.id, %reason, "an id was not translated");
                keep(engine, account, &part, &BTreeMap::new()).await?;
                settled += 1;
            }
            [one] => {
                put_aside(engine, account, one.id, &reason).await?;
                settled += 1;
            }
            _ => {
                let second = part.split_off(part.len() / 2);
                parts.push(second);
                parts.push(part);
            }
        }
    }
    if account.existing == BackfillState::Moving {
        let mut conn = engine.store.get().await?;
        conn.transaction::<_, PullError, _>(async |conn| {
            leases::hold(conn, account).await?;
            accounts::set_existing(conn, account.id, BackfillState::Told).await?;
            accounts::plan_anew(conn, account.id).await?;
            Ok(())
        })
        .await?;
    }
    Ok(true)
}

/// Stores the translations of a part of the ids.
async fn keep(
    engine: &Engine,
    account: &Account,
    part: &[Waiting],
    translated: &BTreeMap<String, String>,
) -> Result<(), PullError> {
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, PullError, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Move).await?;
        leases::hold(conn, account).await?;
        keep_translations(conn, &lock, account, part, translated).await
    })
    .await
}

/// Lets the next run ask again, while the mailbox is read all the same. The journal says so once a
/// day.
async fn postpone(engine: &Engine, account: &Account, reason: &Reason) -> Result<(), PullError> {
    let message = Said::from(say::links_cannot_be_looked_up(reason.sentence()));
    let mut conn = engine.store.get().await?;
    let since = now() - TimeDelta::days(1);
    if !journal::said_since(&mut conn, account.database_id, &message.message, since).await? {
        let user_id = Some(account.odoo_user_id);
        let line = Line::general(account.database_id, user_id, Level::Error, message);
        journal::write(&mut conn, line).await?;
    }
    Ok(())
}

async fn keep_translations(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    waiting: &[Waiting],
    translated: &BTreeMap<String, String>,
) -> Result<(), PullError> {
    let ids: Vec<i64> = waiting.iter().map(|w| w.id).collect();
    let mut unit = UnitOfWork::of(conn, lock, &ids).await?;
    unit.read_copies(
        conn,
        account.id,
        translated.values().map(String::as_str).collect(),
    )
    .await?;
    let mut emptied = Vec::new();
    for id in ids {
        let meeting = &mut unit.get(id)?.meeting;
        let Some(mut link) = meeting.stock_link()? else {
            continue;
        };
        link.translated = true;
        link.immutable_id = link
            .ids
            .microsoft_id
            .as_ref()
            .and_then(|id| translated.get(id).cloned());
        meeting.set_stock_link(&link)?;
        // The mailbox has shown the event already, and nobody knew what it was.
        let shown = link
            .immutable_id
            .and_then(|immutable| unit.copy(account.id, &immutable))
            .map(|copy| copy.meeting_id);
        if let Some(other) = shown.filter(|other| *other != id)
            && join(conn, &mut unit, id, other).await?
        {
            emptied.push(other);
        }
    }
    unit.save(conn, now()).await?;
    stock::drop_empty(conn, &emptied).await?;
    Ok(())
}

/// Gives Outlook's half of `other` to a meeting that only Odoo has sent. Returns `false` if Odoo
/// has a record of both.
async fn join(conn: &mut Connection, unit: &mut UnitOfWork, id: i64, other: i64) -> anyhow::Result<bool> {
    let outlooks = unit.get(other)?;
    if outlooks.meeting.odoo_state.is_some() || outlooks.meeting.odoo_id.is_some() {
        return Ok(false);
    }
    let copies = std::mem::take(&mut outlooks.copies);
    let uid = outlooks.meeting.ical_uid.take();
    outlooks.debt = None;
    outlooks.writes.clear();
    // Cleared before the other meeting gets it, as it must be unique.
    stock::give_up_uid(conn, other).await?;
    let dossier = unit.get(id)?;
    dossier.copies.extend(copies);
    dossier.meeting.ical_uid = uid;
    Ok(true)
}

/// Asks a listed mailbox for events that it has not shown: those outside of its window, and those
/// that are gone. Returns `false` if `until` has come before everything was asked for.
///
/// # Errors
/// See [`PullError`].
pub async fn look_up(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    until: Instant,
    effects: &mut Effects,
) -> Result<bool, PullError> {
    let waiting = {
        let mut conn = engine.store.get().await?;
        stock::waiting_for(&mut conn, account.database_id, account.odoo_user_id, Awaited::All).await?
    };
    let not_yet = if waiting.is_empty() {
        BTreeSet::new()
    } else {
        let mut conn = engine.store.get().await?;
        put_aside::waiting_meetings(&mut conn, account.id, now()).await?
    };
    let waiting: Vec<&Waiting> = waiting.iter().filter(|one| !not_yet.contains(&one.id)).collect();
    let mut missing = 0;
    let mut asked = 0;
    for one in &waiting {
        // At least one, so that it comes to an end.
        if asked > 0 && Instant::now() >= until {
            break;
        }
        asked += 1;
        let found = async {
            let mut found = find(engine, token, one).await?;
            if let Some(event) = &mut found {
                series_completion::complete(engine, account, token, event).await?;
            }
            Ok(found)
        };
        let found = match found.await {
            Ok(found) => found,
            Err(PullError::Internal(error)) => return Err(error.into()),
            Err(PullError::Graph(error)) => {
                let reason = attribute_failure(engine, token, error).await?;
                put_aside(engine, account, one.id, &reason).await?;
                continue;
            }
        };
        let mut conn = engine.store.get().await?;
        let planned = conn
            .transaction::<_, PullError, _>(async |conn| {
                let lock = databases::serialize(conn, account.database_id, Purpose::Move).await?;
                leases::hold(conn, account).await?;
                put_aside::clear_meetings(conn, account.id, &[one.id]).await?;
                attach(conn, &lock, account, one.id, found.as_ref()).await
            })
            .await;
        drop(conn);
        match planned {
            Ok(planned) => effects.merge(planned),
            Err(PullError::Internal(error)) if error.is::<LeaseLost>() => return Err(error.into()),
            Err(error) => {
                tracing::error!(meeting.id = one.id, error = format!("{error:#}"), "not stored");
                let reason = Reason::NotStored {
                    title: Words::new(""),
                };
                put_aside(engine, account, one.id, &reason).await?;
                continue;
            }
        }
        missing += usize::from(found.is_none());
    }
    if asked > 0 {
        tracing::info!(
            account.id = account.id,
            asked,
            missing,
            "asked for what Odoo's own engine had linked"
        );
    }
    if missing > 0 {
        let mut conn = engine.store.get().await?;
        let database = databases::by_id(&conn, account.database_id).await?;
        let message = say::links_are_gone(missing);
        let user_id = Some(account.odoo_user_id);
        journal::note(&mut conn, &database, user_id, Level::Warning, message).await?;
    }
    Ok(asked == waiting.len())
}

/// Puts aside a link that could not be asked for. Until it is asked for again, its record stays in
/// Odoo only.
async fn put_aside(engine: &Engine, account: &Account, id: i64, reason: &Reason) -> Result<(), PullError> {
    let wait = |attempts| backoff(attempts, TimeDelta::minutes(1), TimeDelta::days(1));
    let mut conn = engine.store.get().await?;
    conn.transaction::<_, PullError, _>(async |conn| {
        leases::hold(conn, account).await?;
        let item = Item::Meeting(id);
        if put_aside::put(conn, account.id, item, Some(reason), wait, now()).await?
            && let Some(meeting) = meetings::read_all(conn, &[id]).await?.first()
        {
            let message = say::cannot_be_looked_up(reason.sentence());
            let user_id = Some(account.odoo_user_id);
            let line = Line::of(meeting, user_id, Level::Error, message, None);
            journal::write(conn, line).await?;
        }
        Ok(())
    })
    .await
}

/// Returns the event or series that a link means, if the mailbox has it.
async fn find(
    engine: &Engine,
    token: &SecretString,
    waiting: &Waiting,
) -> Result<Option<WireEvent>, GraphError> {
    let mut found = match &waiting.immutable_id {
        Some(id) => presence::find_event(engine, token, id, waiting.ical_uid.as_deref())
            .await?
            .event()
            .map(|event| *event),
        None => None,
    };
    if found.is_none()
        && let Some(uid) = &waiting.ical_uid
    {
        let by_uid = engine.graph.find_by_ical_uid(token, uid).await?;
        found = match by_uid.into_iter().next() {
            Some(event) => engine.graph.get_series(token, &event.id).await?,
            None => None,
        };
    }
    // Odoo's built-in sync knew it in the user's own calendar. If it was moved to a further calendar
    // that is followed, that one shows it.
    if let Some(event) = &mut found {
        event.calendar = None;
    }
    // An occurrence is part of a series, not a meeting of its own.
    Ok(found.filter(|event| event.series_master_id.is_none()))
}

/// Stores the mailbox's answer about a link.
async fn attach(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    id: i64,
    found: Option<&WireEvent>,
) -> Result<Effects, PullError> {
    let people = People::load(conn, account.database_id, now()).await?;
    let mut unit = UnitOfWork::of(conn, lock, &[id]).await?;
    let mut emptied = None;
    let ids = found.map(|event| event.id.as_str());
    unit.read_copies(conn, account.id, ids.into_iter().collect())
        .await?;
    let shown = found.map(|event| {
        project(
            event,
            &people.mailbox_of(account),
            unit.copy(account.id, &event.id),
        )
    });
    if let (Some(event), Some(Ok(shown))) = (found, shown) {
        let identities = Identities {
            uids: event.ical_uid.as_deref().into_iter().collect(),
            ..Identities::default()
        };
        unit.read_identities(conn, &identities).await?;
        let by_uid = event.ical_uid.as_deref().and_then(|uid| unit.by_ical_uid(uid));
        let other = unit
            .copy(account.id, &event.id)
            .map(|copy| copy.meeting_id)
            .or(by_uid)
            .filter(|other| *other != id);
        let is_free = match other {
            Some(other) => {
                let joined = join(conn, &mut unit, id, other).await?;
                emptied = joined.then_some(other);
                joined
            }
            None => true,
        };
        if is_free {
            unit.get(id)?.meeting.ical_uid.clone_from(&event.ical_uid);
            unit.see_copy(copy_of(id, account.id, event, &shown)?)?;
        }
    }
    let dossier = unit.get(id)?;
    if dossier.copies.is_empty()
        && let Some(mut link) = dossier.meeting.stock_link()?
    {
        link.state = StockState::Missing;
        dossier.meeting.set_stock_link(&link)?;
    }
    let effects = planner::replan_all(&mut unit, &people, [id])?;
    unit.save(conn, people.now).await?;
    stock::drop_empty(conn, emptied.as_slice()).await?;
    Ok(effects)
}
