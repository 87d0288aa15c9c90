//! `calendar.event.sync`: stores Odoo's changes and acknowledgements, and answers with the changes
//! that Odoo must apply.

mod existing;
mod parts;
mod shown;
mod was;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncConnection;
use futures_util::future::join;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use uuid::Uuid;

use crate::calendar::document::Document;
use crate::calendar::document::merge::{Written, advance, advance_whole};
use crate::calendar::field::{Group, Side};
use crate::calendar::invitations::{Guests, Mailer};
use crate::calendar::merge::Told;
use crate::engine::{Engine, health, now, tenants};
use crate::mailbox::bodies;
use crate::measures::{self, Purpose};
use crate::migration::{baseline, moving};
use crate::odoo::OdooError;
use crate::odoo::exchange::{
    Ack, AckResult, Actor, Cause, Change, ChangeKind, NumberedChange, OdooChange, Place, Rejected,
    SyncAnswer, SyncRequest, WantedRecord, at_most,
};
use crate::odoo::identity::Identity;
use crate::odoo::record::{Record, descriptions};
use crate::odoo::series::group_of_field;
use crate::odoo::time::OdooTime;
use crate::outlook::wire::WireEvent;
use crate::planning::people::People;
use crate::planning::planner::refusals;
use crate::planning::planner::{self, Effects, read_groups};
use crate::store::accounts;
use crate::store::databases::{self, AcceptedCall, Database, PlanningLock};
use crate::store::journal::{self, Level, Line};
use crate::store::leases::{self, Urgency};
use crate::store::meetings::{Copy, Identities, Meeting};
use crate::store::outbox::OdooDebt;
use crate::store::reason::{Reason, Words};
use crate::store::stubs::{self, Stub};
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, from_json, outbox};
use crate::words::{Said, say};

/// The longest that one answer waits, whatever was requested.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often to check whether another process has worked a mailbox that somebody waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a user who opens the calendar, or asks for a sync, is expected to look at it.
const WATCHED_FOR: TimeDelta = TimeDelta::minutes(10);
/// The most records of long past meetings that are requested at once.
const MOST_RECORDS: i64 = 200;
/// The most changes in one page.
const LARGEST_PAGE: u32 = 500;
/// The most occurrences that the changes of one page may write.
const MOST_OCCURRENCES: u32 = 3000;

/// Carries out one exchange.
///
/// # Errors
/// `Internal` when Postgres fails. Nothing was stored then, and Odoo sends it again.
pub async fn sync(
    engine: &Engine,
    database: &Database,
    request: SyncRequest,
) -> Result<SyncAnswer, OdooError> {
    let answered = carry_out(engine, database, request)
        .await
        .map_err(|error| match error {
            OdooError::Internal(cause) if cause.is::<databases::Busy>() => tenants::busy(),
            error => error,
        });
    match &answered {
        Ok(_) => health::note_success(engine, database).await,
        Err(OdooError::Internal(error)) => health::note_failure(engine, database, error).await,
        Err(_) => {}
    }
    answered
}

async fn carry_out(
    engine: &Engine,
    database: &Database,
    request: SyncRequest,
) -> Result<SyncAnswer, OdooError> {
    let started = now();
    let known = request.state_tag.as_deref();
    let mut runs = engine.runs.subscribe();
    look_at_descriptions(database, &request).await;
    let taken = {
        let mut conn = engine.store.get().await?;
        let request = &request;
        let clocks = ClockOffsets::of(engine, request, started);
        conn.transaction(async |conn| take(conn, database.id, request, started, clocks).await)
            .await?
    };
    let Taken::Taken {
        acked,
        rejected,
        want_existing,
        mut want_records,
        arrived,
        mut effects,
    } = taken
    else {
        return nothing_taken(engine, database, known).await;
    };
    let settled = existing::settle(engine, database, arrived).await?;
    want_records.extend(settled.records);
    effects.wake_accounts.extend(settled.told);
    engine.wake(&effects, request.user_id, database).await?;
    if let Some(user_id) = request.user_id.filter(|_| request.wait_ms > 0) {
        let longest = Duration::from_millis(request.wait_ms).min(LONGEST_WAIT);
        wait_for_run(
            engine,
            database,
            user_id,
            started,
            Instant::now() + longest,
            &mut runs,
        )
        .await?;
    }
    let mut conn = engine.store.get().await?;
    let (changes, owes_more) = deliver(&mut conn, database, &request).await?;
    let state = crate::admin::state::state(&conn, &engine.settings, database.id, known).await?;
    let more = !state.paused && (owes_more || settled.is_more);
    Ok(SyncAnswer {
        acked,
        rejected,
        changes,
        more,
        state,
        want_existing,
        want_records,
    })
}

/// Delivers a page of the pending changes; returns them, and whether there are more.
async fn deliver(
    conn: &mut Connection,
    database: &Database,
    request: &SyncRequest,
) -> anyhow::Result<(Vec<NumberedChange>, bool)> {
    // Usually there are none, and nothing is locked. Odoo is poked for those that come now.
    if !outbox::owes_odoo_more_than(conn, database.id, 0).await? {
        return Ok((Vec::new(), false));
    }
    let limit = i64::from(request.limit.min(LARGEST_PAGE));
    // A page is read and marked as delivered in one transaction: a delivered change must not be
    // planned again while Odoo applies it.
    let changes = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize_soon(conn, database.id, Purpose::Exchange).await?;
            if databases::by_id(conn, database.id).await?.paused {
                return Ok(Vec::new());
            }
            let page = outbox::odoo_page(conn, database.id, request.user_id, limit).await?;
            let changes = parts::readable(conn, &lock, page).await?;
            let changes = at_most(changes, MOST_OCCURRENCES);
            outbox::mark_delivered(conn, changes.iter().map(|c| c.id).collect(), now()).await?;
            Ok(changes)
        })
        .await?;
    let sent = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let owes_more = outbox::owes_odoo_more_than(conn, database.id, sent).await?;
    Ok((changes, owes_more))
}

/// Processes Odoo's descriptions before anything waits for them. Those that are not done in time
/// are processed where they are needed.
async fn look_at_descriptions(database: &Database, request: &SyncRequest) {
    let told: Vec<&Value> = request.changes.iter().chain(&request.acks).collect();
    bodies::process_descriptions(&told, |told| descriptions(told, &database.base_url)).await;
}

/// The usual duration of a request, and the precision of clocks.
const USUAL_LATENCY: TimeDelta = TimeDelta::seconds(2);
/// The longest time that a request of Odoo takes to arrive: Odoo gives up after ten seconds.
const LONGEST_LATENCY: TimeDelta = TimeDelta::seconds(15);

/// Corrections of times. A difference that the duration of a request may explain counts as zero.
#[derive(Clone, Copy)]
struct ClockOffsets {
    /// What to add to Odoo's times to get ours.
    odoo: TimeDelta,
    /// The same, but only for clocks that are wrong beyond doubt. An event that was made just
    /// before its organizer connected must not seem to be made afterwards, as its guests would be
    /// invited.
    odoo_if_certain: TimeDelta,
    /// What to add to our times to get Microsoft's.
    microsoft: TimeDelta,
}

impl ClockOffsets {
    fn of(engine: &Engine, request: &SyncRequest, received: DateTime<Utc>) -> Self {
        let tell = |difference: TimeDelta, way: TimeDelta| {
            if difference.abs() > way {
                difference
            } else {
                TimeDelta::zero()
            }
        };
        let odoo = request.now.as_ref();
        let odoo = odoo.map_or(TimeDelta::zero(), |now| received - now.0);
        Self {
            odoo: tell(odoo, USUAL_LATENCY),
            odoo_if_certain: tell(odoo, LONGEST_LATENCY),
            microsoft: tell(engine.graph.clock_offset(), USUAL_LATENCY),
        }
    }

    /// Returns what to add to Odoo's times to get Microsoft's.
    fn between(self) -> TimeDelta {
        self.odoo + self.microsoft
    }
}

async fn nothing_taken(
    engine: &Engine,
    database: &Database,
    known: Option<&str>,
) -> Result<SyncAnswer, OdooError> {
    let conn = engine.store.get().await?;
    let state = crate::admin::state::state(&conn, &engine.settings, database.id, known).await?;
    Ok(SyncAnswer {
        acked: Vec::new(),
        rejected: Vec::new(),
        changes: Vec::new(),
        more: false,
        state,
        want_existing: Vec::new(),
        want_records: Vec::new(),
    })
}

/// Waits until a run has worked the user's mailbox since `started`, or the time is over.
async fn wait_for_run(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    started: DateTime<Utc>,
    until: Instant,
    runs: &mut tokio::sync::broadcast::Receiver<i64>,
) -> Result<(), OdooError> {
    let account = {
        let mut conn = engine.store.get().await?;
        accounts::of_user(&mut conn, database.id, user_id).await?
    };
    let Some(account) = account.filter(|a| a.is_active() && a.last_sync_at.is_none_or(|at| at < started))
    else {
        return Ok(());
    };
    // Another process may work the mailbox, and does not notify this one.
    let mut look = tokio::time::interval(LOOK_AGAIN);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.tick().await;
    while Instant::now() < until {
        tokio::select! {
            () = sleep_until(until) => break,
            run = runs.recv() => match run {
                Ok(finished) if finished == account.id => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            _ = look.tick() => {
                let mut conn = engine.store.get().await?;
                let now = accounts::by_id(&mut conn, account.id).await?;
                if now.last_sync_at.is_some_and(|at| at >= started) {
                    break;
                }
            }
        }
    }
    Ok(())
}

impl Engine {
    /// Makes mailboxes due that have something to send, and the one that a person waits for.
    pub(crate) async fn wake(
        &self,
        effects: &Effects,
        waiting: Option<i32>,
        database: &Database,
    ) -> Result<(), OdooError> {
        let ids: Vec<i64> = effects.wake_accounts.iter().copied().collect();
        let mut conn = self.store.get().await?;
        let mut woken = 0;
        if !ids.is_empty() {
            woken += leases::wake(&mut conn, ids, Urgency::Saved).await?;
        }
        if let Some(user_id) = waiting
            && let Some(account) = accounts::of_user(&mut conn, database.id, user_id).await?
        {
            accounts::watch(&mut conn, account.id, WATCHED_FOR).await?;
            woken += leases::wake(&mut conn, vec![account.id], Urgency::Person).await?;
        }
        if woken > 0 {
            self.wake_workers();
        }
        Ok(())
    }
}

enum Taken {
    Taken {
        acked: Vec<i64>,
        rejected: Vec<Rejected>,
        want_existing: Vec<i32>,
        want_records: Vec<WantedRecord>,
        /// The users whose events are complete, and are to be settled.
        arrived: Vec<i32>,
        effects: Effects,
    },
    Nothing,
}

async fn take(
    conn: &mut Connection,
    database_id: Uuid,
    request: &SyncRequest,
    now: DateTime<Utc>,
    clocks: ClockOffsets,
) -> anyhow::Result<Taken> {
    People::prepare(conn, database_id).await?;
    // Sent together: Postgres carries them out in this order.
    let (lock, database) = join(
        databases::serialize_soon(conn, database_id, Purpose::Exchange),
        databases::lock(conn, database_id),
    )
    .await;
    let (lock, mut database) = (lock?, database?);
    let repeated = match fence(conn, &database, request).await? {
        Fence::Closed => return Ok(Taken::Nothing),
        Fence::Open { repeated } => repeated,
    };
    database.clock_behind = clocks.odoo_if_certain.num_seconds();
    let call = AcceptedCall {
        last_call: request.call,
        called_at: request.now.as_ref().map(|now| now.0),
        clock_behind: database.clock_behind,
    };
    let departures = parts::depart_all(conn, &lock, &database, &request.departed).await?;
    let people = People::of(conn, database, now).await?;
    let (items, unreadable) = parts::read(&people, request);
    let parts::Settled {
        acked,
        rejected,
        mut effects,
    } = parts::take_all(conn, &lock, &people, clocks.between(), items, unreadable).await?;
    effects.merge(departures);
    parts::note_untold(conn, &lock, &people, &request.untold).await?;
    let asked = existing::ask(conn, &people, request, repeated).await?;
    let mut wanted = asked.records;
    let (noted, of_stubs) = join(
        note_call(conn, database_id, request, &call, repeated),
        stubs_to_ask_for(conn, database_id, request, repeated),
    )
    .await;
    noted?;
    wanted.extend(of_stubs?);
    // The mailbox's next run plans the changes that waited for this, as there may be many.
    effects.wake_accounts.extend(asked.told);
    Ok(Taken::Taken {
        acked,
        rejected,
        want_existing: asked.users,
        want_records: wanted,
        arrived: asked.arrived,
        effects,
    })
}

/// Reads the meetings that an exchange is about.
async fn load(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    acks: &[&Ack],
    changes: &[&Change],
) -> anyhow::Result<UnitOfWork> {
    let database_id = people.database.id;
    let mut unit = UnitOfWork::new(lock);
    if !acks.is_empty() {
        let ids = acks.iter().map(|ack| ack.id).collect();
        let ids = outbox::meetings_of_debts(conn, database_id, ids).await?;
        unit.read(conn, &ids).await?;
    }
    // Includes other meetings that have the id of a record that Odoo has made or written.
    let told = acks
        .iter()
        .filter_map(|ack| ack.record.as_ref().map(Record::identity));
    let named: Vec<Identity> = changes
        .iter()
        .flat_map(|c| c.kind.identities())
        .chain(told)
        .collect();
    if !named.is_empty() {
        let mut identities = Identities {
            odoo_ids: named.iter().filter_map(|i| i.odoo_id).collect(),
            keys: named.iter().filter_map(|i| i.key.as_deref()).collect(),
            links: named.iter().filter_map(|i| i.link).collect(),
            uids: changes.iter().filter_map(|c| moving::uid_told(c)).collect(),
            viewers: Vec::new(),
        };
        identities
            .keys
            .extend(changes.iter().filter_map(|c| continued(c)));
        unit.read_identities(conn, &identities).await?;
    }
    let is_sure = |id: i64| {
        let is_its = |dossier: &Dossier| dossier.meeting.id == id && !baseline::may_be_lost(&dossier.meeting);
        unit.find_dossier(is_its).is_some()
    };
    let may_be_new: Vec<&Change> = changes
        .iter()
        .copied()
        .filter(|change| !find(&unit, &change.kind.identities()).is_some_and(is_sure))
        .collect();
    shown::read(conn, people, &mut unit, &may_be_new).await?;
    Ok(unit)
}

/// Returns the meeting that Odoo means.
fn find(unit: &UnitOfWork, identities: &[Identity]) -> Option<i64> {
    identities.iter().find_map(|identity| {
        let key = identity.key.as_deref();
        key.and_then(|key| unit.by_series_key(key))
            .or_else(|| identity.link.and_then(|link| unit.by_link(link)))
            .or_else(|| identity.odoo_id.and_then(|id| unit.by_odoo_id(id)))
    })
}

/// Returns whether Outlook has files attached to it. A new event in Outlook does not get them.
fn has_files(dossier: &Dossier) -> bool {
    let mut copies = dossier.copies.iter().filter(|copy| !copy.gone);
    copies.any(|copy| {
        copy.wire_event::<WireEvent>()
            .is_ok_and(|event| event.has_files())
    })
}

/// Returns the key of the series that a new one continues.
fn continued(change: &Change) -> Option<&str> {
    match &change.kind {
        ChangeKind::Snapshot { record, .. } => record.series()?.split_from.as_deref(),
        ChangeKind::Tombstone { .. } | ChangeKind::Excluded { .. } => None,
    }
}

/// Stores that a call was accepted.
async fn note_call(
    conn: &Connection,
    database_id: Uuid,
    request: &SyncRequest,
    call: &AcceptedCall,
    repeated: bool,
) -> QueryResult<usize> {
    if repeated {
        return databases::note_repeated_call(conn, database_id, call).await;
    }
    let (next, previous) = (&request.next_nonce, &request.nonce);
    databases::note_next_call(conn, database_id, call, next, previous, now()).await
}

enum Fence {
    Open { repeated: bool },
    Closed,
}

/// Decides whether to accept a call: one with the stored nonce, or one that repeats the pair that was
/// accepted last (`docs/EXCHANGE.md`, Fencing).
async fn fence(conn: &mut Connection, database: &Database, request: &SyncRequest) -> anyhow::Result<Fence> {
    if database.shut_out().is_some() {
        return Ok(Fence::Closed);
    }
    if request.nonce == database.nonce
        && !request.next_nonce.is_empty()
        && request.next_nonce != request.nonce
    {
        return Ok(Fence::Open { repeated: false });
    }
    if Some(&request.nonce) == database.previous_nonce.as_ref() && request.next_nonce == database.nonce {
        // Odoo gave up this call, and has sent its content again since.
        if request.call < database.last_call {
            return Ok(Fence::Closed);
        }
        return Ok(Fence::Open { repeated: true });
    }
    if is_outdated(database, request) {
        tracing::warn!(
            database.uuid = %database.uuid,
            call = request.call,
            "a call that Odoo had given up has arrived late"
        );
        return Ok(Fence::Closed);
    }
    let reason = Said::from(say::histories_differ());
    databases::quarantine(conn, database.id, &reason.message).await?;
    let line = Line::general(database.id, None, Level::Error, reason);
    journal::write(conn, line).await?;
    tracing::error!(database.uuid = %database.uuid, "quarantined: the fencing nonces diverged");
    Ok(Fence::Closed)
}

/// Returns whether Odoo made this call before the one that was accepted last, and has gone on with
/// others since, as it got no answer. It was on its way for so long, or its process stood still. A
/// restored Odoo calls now.
fn is_outdated(database: &Database, request: &SyncRequest) -> bool {
    let is_earlier = database
        .called_at
        .zip(request.now.as_ref())
        .is_some_and(|(last, made)| made.0 < last);
    is_earlier && request.call < database.last_call
}

/// Returns the records of long past meetings that have news in Outlook.
async fn stubs_to_ask_for(
    conn: &Connection,
    database_id: Uuid,
    request: &SyncRequest,
    repeated: bool,
) -> anyhow::Result<Vec<WantedRecord>> {
    let mut wanted = Vec::new();
    for (user_id, stub) in stubs::unread_records(conn, database_id, MOST_RECORDS).await? {
        // Records that an earlier answer asked for are on their way.
        if repeated || !request.existing_left.contains(&user_id) {
            let Stub { place, .. } = from_json(stub, "stub")?;
            wanted.push(WantedRecord { user_id, place });
        }
    }
    Ok(wanted)
}

/// Stores news from Odoo, and collects the meetings to plan again.
struct Intake<'a> {
    people: &'a People,
    unit: UnitOfWork,
    /// What to add to Odoo's times to get Microsoft's.
    clock: TimeDelta,
    touched: BTreeSet<i64>,
}

impl<'a> Intake<'a> {
    fn new(people: &'a People, unit: UnitOfWork, clock: TimeDelta) -> Self {
        Self {
            people,
            unit,
            clock,
            touched: BTreeSet::new(),
        }
    }

    /// Returns the meetings, and the ids of those to plan again.
    fn end(self) -> (UnitOfWork, BTreeSet<i64>) {
        (self.unit, self.touched)
    }

    fn change(&mut self, change: &Change) -> anyhow::Result<()> {
        let known = self.find(change)?;
        match &change.kind {
            ChangeKind::Snapshot { times, record } => self.snapshot(known, times, record.clone(), change),
            ChangeKind::Excluded { times, .. } => match known {
                Some(id) => self.exclude(id, times),
                // The record was never sent, so its end is not news.
                None => Ok(()),
            },
            ChangeKind::Tombstone { .. } => {
                if let Some(id) = known {
                    let meeting = &mut self.unit.get(id)?.meeting;
                    // Odoo was asked for the record and does not have it, and nobody has deleted
                    // it: it was lost with a restore.
                    if change.cause == Cause::Existing && meeting.unconfirmed {
                        baseline::forget_record(meeting)?;
                        self.touched.insert(id);
                        return Ok(());
                    }
                    saved(meeting, self.people, &change.actors)?;
                    meeting.odoo_gone = true;
                    meeting.unread = false;
                    meeting.kept = false;
                    meeting.unconfirmed = false;
                    self.touched.insert(id);
                }
                Ok(())
            }
        }
    }

    fn snapshot(
        &mut self,
        known: Option<i64>,
        times: &BTreeMap<String, OdooTime>,
        mut record: Record,
        change: &Change,
    ) -> anyhow::Result<()> {
        let cause = change.cause;
        let known = match known {
            Some(id) => Some(id),
            None => self.meeting_known_from_outlook(&record, cause)?,
        };
        let mut id = match known {
            Some(id) if self.is_as_it_was(id, &record, times, cause)? => {
                self.unit.get(id)?.meeting.unconfirmed = false;
                return Ok(());
            }
            Some(id) => id,
            None => {
                self.begin_where_its_series_did(&mut record)?;
                moving::meeting_for(&mut self.unit, &record)?
            }
        };
        let organized_by = self.unit.get(id)?.meeting.organizer_in_odoo();
        if !self.give(id, &record)? {
            id = match self.meeting_known_from_outlook(&record, cause)? {
                Some(shown) => shown,
                None => self.unit.create(None, None),
            };
            self.give(id, &record)?;
        }
        let only_in_odoo = self.unit.get(id)?.copies.is_empty();
        let link = moving::link_told(&record, times);
        let known = self.note_times(id, times)?;
        let dossier = self.unit.get(id)?;
        // This is the record whose result could not be stored.
        if dossier
            .debt
            .as_ref()
            .is_some_and(|debt| debt.attempts > 0 && !is_unlink(debt).unwrap_or(false))
        {
            dossier.debt = None;
        }
        let dossier = self.unit.get(id)?;
        let compared = dossier.meeting.unconfirmed;
        if compared {
            baseline::confirm(dossier, &record, &known, self.people)?;
        }
        if let Some(link) = link {
            moving::note(&mut self.unit, id, link)?;
        }
        let dossier = self.unit.get(id)?;
        let is_restored = compared && cause == Cause::Existing && organized_by.is_some();
        if is_restored && organized_by != dossier.meeting.organizer_in_odoo() {
            planner::keep_restored(dossier);
        }
        let meeting = &mut self.unit.get(id)?.meeting;
        match cause {
            Cause::Save => {
                meeting.has_news();
                saved(meeting, self.people, &change.actors)?;
            }
            Cause::Existing => {
                meeting.collected = true;
                // Nobody has saved it: a restored Odoo has a record again that was deleted after
                // the backup.
                let is_chosen = matches!(meeting.guests(), Guests::LeftOut | Guests::Withheld);
                if meeting.ended && !is_chosen {
                    meeting.set_guests(Guests::Waiting);
                }
            }
        }
        meeting.collected |= compared;
        // Odoo did not mail a guest who was added after connecting, so Outlook has to invite.
        if cause == Cause::Save
            && meeting.guests() == Guests::AsSaved
            && record.mailer() == Some(Mailer::Outlook)
            && only_in_odoo
            && existed(meeting, &record, self.people)
        {
            meeting.set_guests(Guests::Announced);
        }
        meeting.archived_for_outlook = false;
        // Archiving ends the state in which an administrator kept the event in Odoo only.
        meeting.kept &= record.active();
        self.touched.insert(id);
        Ok(())
    }

    /// Returns whether a meeting is long past, and nobody has changed its record since it was
    /// forgotten.
    fn is_as_it_was(
        &mut self,
        id: i64,
        record: &Record,
        times: &BTreeMap<String, OdooTime>,
        cause: Cause,
    ) -> anyhow::Result<bool> {
        let Dossier { meeting, copies, .. } = self.unit.get(id)?;
        if meeting.odoo_state.is_some() || meeting.unread || meeting.odoo_gone {
            return Ok(false);
        }
        Ok(meeting.stub()?.is_some_and(|stub| {
            stub.version == record.version()
                && stub.create_date == record.create_date()
                && stub.place == Place::of(record)
                && cause == Cause::Existing
                && times.is_empty()
                && !copies.is_empty()
        }))
    }

    /// Gives a meeting Odoo's record. Returns `false` if the record is another meeting's, and the
    /// meeting's own record is lost. A meeting that loses a record is planned again.
    fn give(&mut self, id: i64, record: &Record) -> anyhow::Result<bool> {
        let robbed = baseline::give_record(&mut self.unit, id, record)?;
        let is_its = robbed.is_some();
        if !is_its {
            self.touched.insert(id);
        }
        self.touched.extend(robbed.into_iter().flatten());
        Ok(is_its)
    }

    /// Notes that a rule of Odoo keeps the meeting out of Outlook from now on. The last content
    /// that was sent stays.
    fn exclude(&mut self, id: i64, times: &BTreeMap<String, OdooTime>) -> anyhow::Result<()> {
        let meeting = &mut self.unit.get(id)?.meeting;
        let Some(mut record) = meeting.record()? else {
            return Ok(());
        };
        record.exclude();
        meeting.odoo_state = Some(serde_json::to_value(&record)?);
        self.note_times(id, times)?;
        let meeting = &mut self.unit.get(id)?.meeting;
        // The record exists, which answers the question.
        meeting.unconfirmed = false;
        self.touched.insert(id);
        Ok(())
    }

    /// Stores when each part was last edited.
    fn note_times(
        &mut self,
        id: i64,
        times: &BTreeMap<String, OdooTime>,
    ) -> anyhow::Result<BTreeMap<Group, DateTime<Utc>>> {
        let meeting = &mut self.unit.get(id)?.meeting;
        let mut known = meeting.edit_times()?;
        for (field, time) in times {
            if let Some(group) = group_of_field(field) {
                let time = time.0 + self.clock;
                let latest = known.get(&group).map_or(time, |t| (*t).max(time));
                known.insert(group, latest);
            }
        }
        meeting.set_edit_times(&known)?;
        Ok(known)
    }

    /// Gives a series that continues another one, which Outlook does not have, the other one's
    /// creation time: nobody asked for it in Outlook.
    fn begin_where_its_series_did(&mut self, record: &mut Record) -> anyhow::Result<()> {
        let Record::Series(series) = record else {
            return Ok(());
        };
        let before = series
            .split_from
            .as_deref()
            .and_then(|key| self.unit.by_series_key(key));
        let Some(before) = before else { return Ok(()) };
        let is_new = self.unit.by_series_key(&series.key).is_none();
        let before = self.unit.get(before)?;
        if is_new && has_files(before) {
            let message = say::goes_on_without_attachments();
            let user = before.meeting.organizer_in_odoo();
            let line = Line::of(&before.meeting, user, Level::Warning, message, None);
            before.lines.push(line);
        }
        if before.copies.is_empty()
            && let Some(earlier) = before.meeting.record()?
        {
            series.create_date = series.create_date.min(earlier.create_date());
        }
        Ok(())
    }

    /// Finds the meeting that a change is about.
    ///
    /// # Errors
    /// When the change names an earlier record that still exists, or one of another organizer.
    fn find(&mut self, change: &Change) -> anyhow::Result<Option<i64>> {
        if let Some(id) = self.by_identity(&change.kind.identity()) {
            return Ok(Some(id));
        }
        let Some(was) = change.kind.was() else {
            return Ok(None);
        };
        let Some(id) = self.by_identity(&was.identity()) else {
            return Ok(None);
        };
        let meeting = &self.unit.get(id)?.meeting;
        was::allows(meeting, was, change)?;
        Ok(Some(id))
    }

    fn by_identity(&self, identity: &Identity) -> Option<i64> {
        find(&self.unit, std::slice::from_ref(identity))
    }

    fn ack(&mut self, ack: &Ack) -> anyhow::Result<()> {
        let Some(dossier) = self.unit.owing(ack.id) else {
            return Ok(());
        };
        let Some(debt) = dossier.debt.take() else {
            return Ok(());
        };
        let id = dossier.meeting.id;
        let before = dossier.meeting.record().ok().flatten();
        if let Some(record) = &ack.record
            && !self.give(id, record)?
        {
            return Ok(());
        }
        let dossier = self.unit.get(id)?;
        if ack.result == AckResult::Stale {
            dossier.meeting.note_told(&planner::repeats::of_late(&debt));
        }
        if ack.result == AckResult::Applied {
            let waited = (self.people.now - debt.since).as_seconds_f64();
            // The time of Postgres' clock.
            measures::OUTLOOK_TO_ODOO.record("", waited.max(0.0));
            if let Some(edited) = edited_at(dossier, self.people).filter(|_| debt.outlook_state.is_some()) {
                let lag = (self.people.now - edited).as_seconds_f64();
                measures::EDIT_TO_ODOO.record("", lag.max(0.0));
            }
            dossier.meeting.note_told(&planner::repeats::of_debt(&debt));
            dossier.meeting.count_write(self.people.now);
            dossier.tell(debt.user_id, Side::Odoo, 0, debt.line.clone())?;
            if let Some(Ok(record)) = ack.record.as_ref().map(Record::template) {
                let before = before.as_ref().and_then(|before| before.template().ok());
                planner::agree_on_answers(&mut dossier.copies, before.as_ref(), &record, self.people)?;
            }
            // Archived because Outlook no longer has it: nobody in Odoo wants it removed from a
            // mailbox that is only read now.
            if matches!(
                from_json(debt.payload.clone(), "change")?,
                OdooChange::Archive { .. }
            ) {
                dossier.meeting.ended = true;
                dossier.meeting.archived_for_outlook = true;
            }
        }
        let change = from_json::<OdooChange>(debt.payload.clone(), "change")?;
        let meeting = &mut dossier.meeting;
        match (ack.result, &ack.record) {
            (AckResult::Applied, Some(record)) => {
                let by_guest = debt.outlook_state.as_ref().map(|state| dossier.is_guests(state));
                let meeting = &mut dossier.meeting;
                meeting.base_by_guest = by_guest.unwrap_or(meeting.base_by_guest);
                let outlook: Option<Document> = debt
                    .outlook_state
                    .map(|state| from_json(state, "Outlook state"))
                    .transpose()?;
                let odoo = record.document(&self.people.mailboxes).ok().flatten();
                match (odoo, outlook) {
                    (Some(odoo), Some(outlook)) if odoo.is_single() && outlook.is_single() => {
                        let groups = read_groups(&debt.groups)?;
                        let told = Told {
                            guests: Some(
                                change
                                    .guests(None)
                                    .unwrap_or_else(|| odoo.master.attendees.keys().cloned().collect()),
                            ),
                            ..Told::default()
                        };
                        let written = Written::Whole {
                            groups: groups.clone(),
                            schedule: false,
                        };
                        let base = advance(meeting.base()?, &written, &told, (&odoo, &outlook), Side::Odoo);
                        meeting.set_base(Some(&base))?;
                        dossier.forget_times(&groups)?;
                    }
                    // A series is applied as a whole.
                    (Some(odoo), Some(outlook)) => {
                        let event = planner::in_one(&odoo, self.people.now.date_naive());
                        // A value of Odoo that was not written yet is still to be written.
                        let is_owed = meeting.differs
                            || planner::closed::why_closed(record, &event, self.people).is_some();
                        let before =
                            before.and_then(|before| before.document(&self.people.mailboxes).ok()?);
                        let known = before.filter(|_| is_owed).zip(meeting.base()?);
                        if let Some((before, base)) = known {
                            let base = planner::taken(base, &before, &odoo, &outlook);
                            meeting.set_base(Some(&base))?;
                        } else {
                            let tz = odoo.tz();
                            let told = |slot: Option<NaiveDate>| change.guests(slot.map(|slot| (slot, tz)));
                            let base = advance_whole(meeting.base()?, told, &odoo, &outlook);
                            meeting.set_base(Some(&base))?;
                            dossier.forget_times(&planner::all_groups())?;
                        }
                    }
                    _ => {}
                }
            }
            (AckResult::Applied, None) => meeting.odoo_gone = true,
            // Deleting a record leaves a tombstone, which Odoo sends. Without one nothing is
            // deleted from Outlook.
            (AckResult::Gone, _) => {
                if is_unlink(&debt)? || meeting.put_back && !meeting.odoo_gone {
                    meeting.odoo_gone = true;
                } else if meeting.put_back {
                    // What is made cannot be gone, so it would be asked for without end.
                    meeting.put_back = false;
                } else if !meeting.odoo_gone {
                    refusals::set_aside(dossier, debt.user_id, Reason::LostInOdoo);
                }
            }
            (AckResult::Stale, Some(record)) => dossier.debt = unlink_of(&debt, record, self.people.now)?,
            (AckResult::Stale, None) => {}
            (AckResult::Refused, _) => {
                // Whoever asked for it asks again.
                meeting.put_back = false;
                let words = ack.message.as_deref().map(Words::new);
                let words = words.unwrap_or_else(|| Said::from(say::odoo_gave_no_reason()).into());
                let reason = Reason::RefusedByOdoo(words);
                refusals::set_aside(dossier, debt.user_id, reason);
            }
        }
        let meeting = &dossier.meeting;
        let refused = ack.result == AckResult::Refused || ack.result == AckResult::Gone && !meeting.odoo_gone;
        // A change that Odoo refused is tried again when either side changes it, not before.
        if !refused {
            self.touched.insert(meeting.id);
        }
        Ok(())
    }
}

/// Returns when a mailbox last changed a meeting, by Microsoft's clock, since it was connected.
fn edited_at(dossier: &Dossier, people: &People) -> Option<DateTime<Utc>> {
    let since_connected = |copy: &Copy| {
        let account = people.account(copy.account_id)?;
        copy.modified_at.filter(|at| *at > account.connected_at)
    };
    dossier.copies.iter().filter_map(since_connected).max()
}

/// Returns whether it was made before its organizer connected.
fn existed(meeting: &Meeting, record: &Record, people: &People) -> bool {
    let organizer = meeting.organizer_in_odoo();
    let account = organizer.and_then(|user| people.account_of_user(user));
    account.is_some_and(|account| people.made_at(record) < account.connected_at)
}

/// Notes that somebody saved the event. The resulting write is intended, and is sent without
/// approval, unless it was collected while nothing is sent.
fn saved(meeting: &mut Meeting, people: &People, actors: &[Actor]) -> anyhow::Result<()> {
    let organizer = meeting
        .organizer_in_odoo()
        .and_then(|user| people.account_of_user(user));
    meeting.collected = people.database.paused || organizer.is_some_and(|account| !account.is_active());
    meeting.unsent = false;
    meeting.saved_at.get_or_insert(people.now);
    if planner::waits_for_a_save(meeting) {
        meeting.set_aside = None;
    }
    meeting.add_savers(actors)
}

fn is_unlink(debt: &OdooDebt) -> anyhow::Result<bool> {
    let change = from_json(debt.payload.clone(), "change")?;
    Ok(matches!(change, OdooChange::Unlink { .. }))
}

/// Returns the deletion that a reset asked for again, although the record was edited meanwhile.
fn unlink_of(debt: &OdooDebt, record: &Record, now: DateTime<Utc>) -> anyhow::Result<Option<OdooDebt>> {
    let OdooChange::Unlink { user_id, .. } = from_json(debt.payload.clone(), "change")? else {
        return Ok(None);
    };
    let change = OdooChange::Unlink {
        place: Place::of(record),
        user_id,
        version: record.version().to_owned(),
    };
    Ok(Some(OdooDebt {
        database_id: debt.database_id,
        meeting_id: debt.meeting_id,
        user_id: debt.user_id,
        payload: serde_json::to_value(&change)?,
        groups: debt.groups.clone(),
        delivered_at: Some(now),
        line: debt.line.clone(),
        ..OdooDebt::default()
    }))
}
