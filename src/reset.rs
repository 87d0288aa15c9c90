//! Reset Account: returns an account to its beginning, with a choice for its events and for the
//! next sync.
//!
//! Deletions go through the outboxes like all changes, so that a reset of thousands of events runs
//! in the background and survives a crash. It only touches events that the user organizes.

pub mod preview;

use std::collections::BTreeSet;

use diesel_async::AsyncConnection;
use serde::Deserialize;
use serde_json::json;

use crate::calendar::invitations::Guests;
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::exchange::{Departed, OdooChange, Place};
use crate::odoo::record::Record;
use crate::planning::people::People;
use crate::planning::planner;
use crate::planning::planner::Effects;
use crate::store::Connection;
use crate::store::accounts::{self, Account};
use crate::store::choices::{StoredChoices, take_calendar_out};
use crate::store::databases::{Database, PlanningLock};
use crate::store::journal::{self, Done, Level, Line, note};
use crate::store::leases::{self, Urgency};
use crate::store::meetings::{Copy, Meeting};
use crate::store::outbox::{self, OdooDebt, OutlookWrite, WriteKind};
use crate::store::reason::Reason;
use crate::store::stubs::Stub;
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{addresses, api_keys, calendars, databases, mail_hours, meetings, resets};
use crate::words::{Sentence, say};

/// How many meetings are held in memory at once.
const CHUNK: usize = 200;

/// The keyword arguments of `microsoft.calendar.account.reset.reset_account`, with Odoo's own
/// names.
#[derive(Debug, Deserialize)]
pub struct ResetRequest {
    pub user_id: i32,
    pub delete_policy: DeletePolicy,
    pub sync_policy: SyncPolicy,
    /// The number of cancellations that was announced. So many need no other approval (see
    /// `budget`).
    #[serde(default)]
    pub mails: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletePolicy {
    DontDelete,
    DeleteMicrosoft,
    DeleteOdoo,
    DeleteBoth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPolicy {
    New,
    All,
}

impl DeletePolicy {
    fn in_outlook(self) -> bool {
        matches!(self, Self::DeleteMicrosoft | Self::DeleteBoth)
    }

    fn in_odoo(self) -> bool {
        matches!(self, Self::DeleteOdoo | Self::DeleteBoth)
    }

    /// Returns the policy for what is only read from Outlook: nothing is deleted there.
    fn without_outlook(self) -> Self {
        match self {
            Self::DontDelete | Self::DeleteMicrosoft => Self::DontDelete,
            Self::DeleteOdoo | Self::DeleteBoth => Self::DeleteOdoo,
        }
    }

    /// Returns the name that Odoo's wizard uses.
    fn label(self) -> Sentence {
        match self {
            Self::DontDelete => say::left_untouched(),
            Self::DeleteMicrosoft => say::deleted_in_outlook_alone(),
            Self::DeleteOdoo => say::deleted_in_odoo_alone(),
            Self::DeleteBoth => say::deleted_in_both(),
        }
    }
}

impl SyncPolicy {
    fn label(self) -> Sentence {
        match self {
            Self::New => say::only_new_events(),
            Self::All => say::all_existing_events(),
        }
    }
}

/// The parts of a meeting that a reset may touch.
struct Reach<'c> {
    /// The live event in the user's mailbox that the user may delete.
    outlook: Option<&'c Copy>,
    /// Odoo's record, if it is linked with the mailbox, and its version.
    odoo: Option<(Place, String)>,
    /// The stub of a long past meeting.
    stub: Option<Stub>,
}

impl Reach<'_> {
    /// Returns how many cancellations the deletion in Outlook sends.
    fn mails(&self, copy: &Copy) -> anyhow::Result<usize> {
        Ok(match &self.stub {
            Some(stub) => stub.mails,
            None => copy.event()?.guests().count(),
        })
    }
}

/// Returns `None` if the user does not organize the meeting, the mailbox does not know it, or it
/// has ended already.
fn reach<'c>(meeting: &Meeting, copies: &'c [Copy], account: &Account) -> anyhow::Result<Option<Reach<'c>>> {
    let own = || copies.iter().filter(|copy| copy.account_id == account.id);
    let is_organizers = meeting.organizer_in_odoo() == Some(account.odoo_user_id);
    if !is_organizers || meeting.ended || meeting.kept || own().next().is_none() {
        return Ok(None);
    }
    let record = meeting.record()?;
    let stub = meeting.stub()?.filter(|_| record.is_none());
    let of_record = record
        .filter(Record::active)
        .map(|record| (Place::of(&record), record.version().to_owned()));
    let of_stub = || Some((stub.as_ref()?.place.clone(), stub.as_ref()?.version.clone()));
    let odoo = of_record.or_else(of_stub);
    Ok(Some(Reach {
        outlook: own()
            .find(|copy| copy.is_organizer && !copy.gone && !copy.cancelled)
            // Nothing is deleted from further calendars, which are only read.
            .filter(|copy| copy.calendar.is_none()),
        odoo: odoo.filter(|_| !meeting.odoo_gone),
        stub,
    }))
}

/// Starts a reset. The account is disconnected at once, or when the last deletion has reached
/// Outlook. A request during a reset continues that reset.
///
/// # Errors
/// `MissingError` for a user who never connected; `UserError` if something is to be deleted from
/// the mailbox and it cannot be reached; `Internal` when Postgres fails.
pub async fn reset_account(
    engine: &Engine,
    database: &Database,
    request: &ResetRequest,
) -> Result<(), OdooError> {
    if database.quarantined.is_some() {
        return Err(OdooError::user(say::refusal_reset_shut_out()));
    }
    let mut conn = engine.store.get().await?;
    let Some(account) = accounts::of_user(&mut conn, database.id, request.user_id).await? else {
        return Err(never_connected());
    };
    if request.delete_policy.in_outlook() && !account.is_connected() {
        return Err(OdooError::user(say::refusal_reset_without_login()));
    }
    let waiting = conn
        .transaction::<_, anyhow::Error, _>(async |conn| begin(conn, database, &account, request).await)
        .await?;
    if waiting {
        leases::wake(&mut conn, vec![account.id], Urgency::Person).await?;
        engine.wake_workers();
    }
    // The changes for Odoo need not wait for a job's turn.
    if outbox::owes_odoo_more_than(&mut conn, database.id, 0).await? {
        engine.poke(database.id, BTreeSet::from([account.odoo_user_id]));
    }
    Ok(())
}

fn never_connected() -> OdooError {
    OdooError::missing(say::refusal_nothing_to_reset())
}

/// Disconnects a mailbox, as a reset does that leaves all events untouched and continues with new
/// ones only.
///
/// # Errors
/// When Postgres fails.
pub async fn let_go(conn: &mut Connection, database: &Database, account: &Account) -> anyhow::Result<()> {
    let request = ResetRequest {
        user_id: account.odoo_user_id,
        delete_policy: DeletePolicy::DontDelete,
        sync_policy: SyncPolicy::New,
        mails: None,
    };
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        begin(conn, database, account, &request).await?;
        Ok(())
    })
    .await
}

async fn begin(
    conn: &mut Connection,
    database: &Database,
    account: &Account,
    request: &ResetRequest,
) -> anyhow::Result<bool> {
    let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
    let ids = meetings::of_account(conn, database.id, account.id, account.odoo_user_id).await?;
    for some in ids.chunks(CHUNK) {
        let mut unit = UnitOfWork::of(conn, &lock, some).await?;
        for id in some {
            let dossier = unit.get(*id)?;
            if dossier.meeting.organizer_in_odoo() != Some(account.odoo_user_id) {
                continue;
            }
            if let Some((ical_uid, copies)) = reset_meeting(dossier, account, request)? {
                let successor = unit.create(None, ical_uid.as_deref());
                unit.get(successor)?.copies = copies;
            }
        }
        unit.save(conn, now()).await?;
    }
    let mails = outbox::collected_mails(conn, account.id).await?;
    if request.mails.is_some_and(|announced| mails <= announced.into()) {
        outbox::approve(conn, account.id).await?;
        mail_hours::count(conn, account.id, -mails, now()).await?;
    }
    let message = say::was_reset(request.delete_policy.label(), request.sync_policy.label());
    note(
        conn,
        database,
        Some(account.odoo_user_id),
        Level::Warning,
        message,
    )
    .await?;
    // Removals that waited for an answer are dropped: nothing is removed except what was chosen.
    outbox::drop_held(conn, account.id).await?;
    let ignore_before = (request.sync_policy == SyncPolicy::New).then(now);
    resets::begin(conn, account).await?;
    // The next login may be for another mailbox.
    addresses::forget(conn, account.id).await?;
    accounts::forget_progress(conn, account.id, ignore_before).await?;
    let owed = outbox::standing(conn, account.id).await?;
    if owed > 0 {
        accounts::set_resetting(conn, account.id, true).await?;
        resets::set_total(conn, account.id, owed).await?;
        accounts::set_state(conn, account.id, accounts::SyncState::Active).await?;
        accounts::clear_reason(conn, account.id).await?;
    } else {
        disconnect(conn, account).await?;
    }
    Ok(owed > 0)
}

/// Carries out the choice for one meeting that the user organizes. May return a new meeting that
/// takes its place: Outlook's identity, and the copies in other mailboxes.
fn reset_meeting(
    dossier: &mut Dossier,
    account: &Account,
    request: &ResetRequest,
) -> anyhow::Result<Option<(Option<String>, Vec<Copy>)>> {
    let Dossier {
        meeting,
        copies,
        writes,
        debt,
        ..
    } = dossier;
    let mut own = copies.iter().filter(|c| c.account_id == account.id && !c.gone);
    let policy = if own.clone().next().is_some() && own.all(|copy| copy.calendar.is_some()) {
        request.delete_policy.without_outlook()
    } else {
        request.delete_policy
    };
    // If the reset is requested again, these are still to be deleted.
    writes.retain(|write| write.account_id != account.id || (write.stands && policy.in_outlook()));
    let reach = reach(meeting, copies, account)?;
    let was_linked = reach.is_some();
    if let Some(reach) = &reach
        && let Some(copy) = reach.outlook
        && policy.in_outlook()
    {
        writes.push(OutlookWrite {
            account_id: account.id,
            meeting_id: meeting.id,
            kind: WriteKind::Delete,
            graph_id: Some(copy.graph_id.clone()),
            body: json!({}),
            groups: json!([]),
            mails: i32::try_from(reach.mails(copy)?)?,
            collected: true,
            line: Some(serde_json::to_value(Done {
                said: say::deleted_from_outlook_by_reset().into(),
                decisions: Vec::new(),
                content: Some(copy.state.clone()),
            })?),
            stands: true,
            ..OutlookWrite::default()
        });
    }
    if let Some((place, version)) = reach.and_then(|reach| reach.odoo)
        && policy.in_odoo()
    {
        let change = OdooChange::Unlink {
            place,
            user_id: account.odoo_user_id,
            version,
        };
        *debt = Some(OdooDebt {
            database_id: meeting.database_id,
            meeting_id: meeting.id,
            user_id: account.odoo_user_id,
            payload: serde_json::to_value(&change)?,
            groups: json!([]),
            // A person asked for it, so no later planning removes it.
            delivered_at: Some(now()),
            line: Some(serde_json::to_value(Done {
                said: say::deleted_from_odoo_by_reset().into(),
                decisions: Vec::new(),
                content: meeting.odoo_state.clone(),
            })?),
            ..OdooDebt::default()
        });
    }
    // The next login may be for another mailbox. The same mailbox is matched by iCalUId.
    copies.retain(|copy| copy.account_id != account.id);
    meeting.unsent = false;
    // The choice about its guests ends, unless both sides still have it.
    if !was_linked || policy != DeletePolicy::DontDelete {
        meeting.set_guests(Guests::AsSaved);
    }
    if !was_linked {
        return Ok(None);
    }
    // If one side is deleted, the two are no longer a pair. With "all", the other side is news
    // again.
    let mut successor = None;
    match policy {
        DeletePolicy::DontDelete => return Ok(None),
        DeletePolicy::DeleteMicrosoft => {
            // The cancellation that guests' mailboxes show must not reach Odoo's event.
            meeting.kept = request.sync_policy == SyncPolicy::New;
            meeting.generation += 1;
            meeting.ical_uid = None;
        }
        DeletePolicy::DeleteOdoo => {
            meeting.ended = true;
            if request.sync_policy == SyncPolicy::All {
                // Outlook's event must come to Odoo again, and carries the old link.
                meeting.link = uuid::Uuid::new_v4();
                let ical_uid = meeting.ical_uid.take();
                if !copies.is_empty() {
                    successor = Some((ical_uid, std::mem::take(copies)));
                }
            }
        }
        DeletePolicy::DeleteBoth => {
            meeting.ended = true;
            meeting.generation += 1;
            meeting.ical_uid = None;
        }
    }
    meeting.revived = false;
    meeting.set_base(None)?;
    Ok(successor)
}

/// Ends a reset after a run has sent its deletions.
///
/// # Errors
/// When Postgres fails.
pub async fn finish(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    conn.transaction::<_, anyhow::Error, _>(async |conn| {
        let lock = databases::serialize(conn, account.database_id, Purpose::Push).await?;
        leases::hold(conn, account).await?;
        if outbox::outlook_owed(conn, account.id).await? > 0 {
            return Ok(());
        }
        forget_cancelled(conn, &lock, account).await?;
        disconnect(conn, account).await
    })
    .await
}

/// Forgets what other mailboxes know of the deleted events. Events that stay in Odoo may be made in
/// Outlook again.
async fn forget_cancelled(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
) -> anyhow::Result<()> {
    let user = account.odoo_user_id;
    each_meeting(conn, lock, account, |dossier| {
        let meeting = &mut dossier.meeting;
        if meeting.organizer_in_odoo() != Some(user) || meeting.ended || meeting.kept {
            return Ok(());
        }
        // A write that was in flight when the reset began has shown it once more.
        let was_shown = dossier
            .copies
            .iter()
            .any(|c| c.account_id == account.id && c.gone);
        if was_shown || (meeting.base_odoo.is_none() && meeting.ical_uid.is_none()) {
            meeting.ical_uid = None;
            meeting.set_base(None)?;
            dossier.copies.clear();
        }
        Ok(())
    })
    .await
}

/// Forgets what a mailbox has shown, as another one takes its place and must not be taken to have
/// these events.
///
/// # Errors
/// When Postgres fails. The caller holds the database's lock.
pub async fn forget_mailbox(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
) -> anyhow::Result<()> {
    let user = account.odoo_user_id;
    leave_calendars(conn, account).await?;
    each_meeting(conn, lock, account, |dossier| {
        dossier.copies.retain(|copy| copy.account_id != account.id);
        dossier.writes.retain(|write| write.account_id != account.id);
        let meeting = &mut dossier.meeting;
        // By its iCalUId, a view is found again if the calendar is.
        let is_view = meeting.view_of.is_some();
        if dossier.copies.is_empty() && meeting.organizer_in_odoo() == Some(user) && !is_view {
            meeting.generation += 1;
            meeting.ical_uid = None;
            meeting.set_base(None)?;
        }
        Ok(())
    })
    .await
}

/// Takes the further calendars of a mailbox that is forgotten out of its user's choices. Their events
/// stay in Odoo.
async fn leave_calendars(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    let mut choices = account.choices.to_choices();
    for calendar in calendars::of_account(conn, account.id).await? {
        if choices.calendars.remove(&calendar.graph_id) {
            let events = calendars::count_in_odoo(conn, account.id, &calendar.graph_id).await?;
            let left = say::calendar_is_left(&calendar.name, events);
            let user = Some(account.odoo_user_id);
            journal::write(conn, Line::general(account.database_id, user, Level::Info, left)).await?;
        }
    }
    choices.calendars.clear();
    take_calendar_out(conn, account.id, &StoredChoices::of(choices)).await?;
    calendars::forget_all(conn, account.id).await?;
    Ok(())
}

async fn each_meeting(
    conn: &mut Connection,
    lock: &PlanningLock,
    account: &Account,
    change: impl Fn(&mut Dossier) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ids = meetings::of_account(conn, account.database_id, account.id, account.odoo_user_id).await?;
    for some in ids.chunks(CHUNK) {
        let mut unit = UnitOfWork::of(conn, lock, some).await?;
        for id in some {
            change(unit.get(*id)?)?;
        }
        unit.save(conn, now()).await?;
    }
    Ok(())
}

async fn disconnect(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    accounts::set_resetting(conn, account.id, false).await?;
    accounts::disconnect(conn, account.id, &say::log_in_after_reset().into()).await?;
    Ok(())
}

/// Disconnects a user who was archived or deleted in Odoo: deletes the tokens, and leaves Outlook's
/// events as they are. An archived user can come back by logging in. Of a deleted user, nothing is
/// kept.
///
/// # Errors
/// When Postgres fails.
pub async fn depart(
    conn: &mut Connection,
    lock: &PlanningLock,
    database: &Database,
    departed: Departed,
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    api_keys::revoke_of_user(conn, database.id, departed.user_id).await?;
    let Some(account) = accounts::of_user(conn, database.id, departed.user_id).await? else {
        return Ok(effects);
    };
    if !departed.deleted && account.state == accounts::SyncState::NeedAuth && account.refresh_token.is_none()
    {
        return Ok(effects);
    }
    let message = if departed.deleted {
        say::user_deleted(&account.login)
    } else {
        say::user_archived(&account.login)
    };
    if departed.deleted {
        // Nobody is left to answer about the held removals: what other mailboxes show of these
        // meetings decides.
        let held = meetings::held_for(conn, account.id).await?;
        let owed = outbox::meetings_owed_to(conn, database.id, account.odoo_user_id).await?;
        // Odoo has refused changes that were delivered in the name of a user who was deleted just
        // before.
        let known = meetings::of_account(conn, database.id, account.id, account.odoo_user_id).await?;
        let refused =
            meetings::set_aside_for(conn, &known, |reason| matches!(reason, Reason::RefusedByOdoo(_)))
                .await?;
        forget_mailbox(conn, lock, &account).await?;
        accounts::remove(conn, account.id).await?;
        let ids: Vec<i64> = held
            .iter()
            .map(|meeting| meeting.id)
            .chain(owed)
            .chain(refused)
            .collect();
        effects = plan_without(conn, lock, departed.user_id, &ids).await?;
    } else {
        let reason = say::log_in_after_archiving().into();
        accounts::disconnect(conn, account.id, &reason).await?;
    }
    note(conn, database, Some(departed.user_id), Level::Warning, message).await?;
    Ok(effects)
}

/// Plans pending changes to Odoo again that were in the name of a user who is gone.
async fn plan_without(
    conn: &mut Connection,
    lock: &PlanningLock,
    user_id: i32,
    ids: &[i64],
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    let people = People::load(conn, lock.database_id(), now()).await?;
    for some in ids.chunks(CHUNK) {
        let mut unit = UnitOfWork::of(conn, lock, some).await?;
        for id in unit.ids() {
            let dossier = unit.get(id)?;
            if dossier.debt.as_ref().is_some_and(|debt| debt.user_id == user_id) {
                dossier.debt = None;
            }
            effects.merge(planner::replan(dossier, &people)?);
        }
        unit.save(conn, people.now).await?;
    }
    Ok(effects)
}

/// Returns how far a reset is, in words.
pub fn progress(left: i64, total: i64) -> Sentence {
    say::reset_progress(left, total.max(left))
}
