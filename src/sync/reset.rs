//! Reset Account: an account back to its beginning, with a choice for its events and for the next sync.
//!
//! Deletions go through the outboxes like everything else, so that a reset of thousands of events works in the
//! background and survives a crash. Only events that the user organizes are touched.

use diesel_async::AsyncConnection;
use serde::Deserialize;
use serde_json::json;

use super::admin::{self, note};
use super::{Engine, now};
use crate::odoo::OdooError;
use crate::odoo::exchange::{OdooChange, Place, State};
use crate::store::Connection;
use crate::store::accounts::{self, Account};
use crate::store::databases::Database;
use crate::store::journal::{Done, Level};
use crate::store::outbox::{self, OdooDebt, OutlookWrite, kind};
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{databases, meetings};

/// How many meetings are held in memory at once.
const CHUNK: usize = 200;

/// The keyword arguments of `microsoft.calendar.account.reset.reset_account`; Odoo's own names.
#[derive(Debug, Deserialize)]
pub struct ResetRequest {
    pub user_id: i32,
    pub delete_policy: DeletePolicy,
    pub sync_policy: SyncPolicy,
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
}

/// Starts a reset. The account is disconnected at once, or when the last deletion has reached Outlook.
///
/// # Errors
/// `MissingError` for a user who never connected; `Internal` when Postgres fails.
pub async fn reset_account(
    engine: &Engine,
    database: &Database,
    request: &ResetRequest,
) -> Result<State, OdooError> {
    let mut conn = engine.store.get().await?;
    let Some(account) = accounts::of_user(&mut conn, database.id, request.user_id).await? else {
        return Err(OdooError::Missing(
            "This user is not connected to Outlook: there is nothing to reset.".to_owned(),
        ));
    };
    if request.delete_policy.in_outlook() && !account.is_connected() {
        return Err(OdooError::user(
            "This user's login at Microsoft is not valid any more, so nothing can be deleted from Outlook. Let the \
             user log in again first, or choose to leave the events in Outlook.",
        ));
    }
    let waiting = conn
        .transaction::<_, anyhow::Error, _>(async |conn| begin(conn, database, &account, request).await)
        .await?;
    if waiting {
        accounts::wake(&mut conn, vec![account.id], now()).await?;
        engine.work.notify_one();
    }
    admin::state(&mut conn, database.id).await
}

async fn begin(
    conn: &mut Connection,
    database: &Database,
    account: &Account,
    request: &ResetRequest,
) -> anyhow::Result<bool> {
    databases::serialize(conn, database.id).await?;
    let ids = meetings::of_account(conn, database.id, account.id, account.odoo_user_id).await?;
    for some in ids.chunks(CHUNK) {
        let mut unit = UnitOfWork::of(conn, database.id, some).await?;
        for id in some {
            let dossier = unit.get(*id)?;
            if dossier.meeting.organizer_in_odoo() == Some(account.odoo_user_id) {
                reset_meeting(dossier, account, request)?;
            }
        }
        unit.save(conn, now()).await?;
    }
    let message = format!(
        "was reset: existing events {:?}, next sync {:?}",
        request.delete_policy, request.sync_policy
    );
    note(
        conn,
        database,
        Some(account.odoo_user_id),
        Level::Warning,
        message,
    )
    .await?;
    // Removals that waited for an answer are past: nothing is removed but what was chosen.
    outbox::drop_held(conn, account.id).await?;
    let ignore_before = (request.sync_policy == SyncPolicy::New).then(now);
    accounts::forget_progress(conn, account.id, ignore_before).await?;
    let waiting = request.delete_policy.in_outlook() && outbox::outlook_owed(conn, account.id).await? > 0;
    if waiting {
        accounts::set_resetting(conn, account.id, true).await?;
        accounts::set_state(conn, account.id, accounts::state::ACTIVE).await?;
    } else {
        disconnect(conn, account).await?;
    }
    Ok(waiting)
}

fn reset_meeting(dossier: &mut Dossier, account: &Account, request: &ResetRequest) -> anyhow::Result<()> {
    let policy = request.delete_policy;
    let Dossier {
        meeting,
        copies,
        writes,
        debt,
        ..
    } = dossier;
    writes.retain(|write| write.account_id != account.id);
    let copy = copies.iter().find(|c| c.account_id == account.id).cloned();
    let live = copy
        .as_ref()
        .filter(|c| c.is_organizer && !c.gone && !c.cancelled);
    if let Some(copy) = live.filter(|_| policy.in_outlook()) {
        writes.push(OutlookWrite {
            account_id: account.id,
            meeting_id: meeting.id,
            kind: kind::DELETE.to_owned(),
            graph_id: Some(copy.graph_id.clone()),
            body: json!({}),
            groups: json!([]),
            mails: i32::try_from(copy.event()?.guests().count())?,
            collected: true,
            line: Some(serde_json::to_value(Done {
                message: "deleted from Outlook by the reset".to_owned(),
                decisions: Vec::new(),
                content: Some(copy.state.clone()),
            })?),
            ..OutlookWrite::default()
        });
    }
    let was_linked = copy.is_some();
    if let (true, true, Some(record)) = (policy.in_odoo(), was_linked, meeting.record()?) {
        let change = OdooChange::Unlink {
            place: Place::of(&record),
            user_id: account.odoo_user_id,
            version: record.version().to_owned(),
        };
        *debt = Some(OdooDebt {
            database_id: meeting.database_id,
            meeting_id: meeting.id,
            user_id: account.odoo_user_id,
            payload: serde_json::to_value(&change)?,
            groups: json!([]),
            // A person's wish, which no later news plans away.
            delivered_at: Some(now()),
            line: Some(serde_json::to_value(Done {
                message: "deleted from Odoo by the reset".to_owned(),
                decisions: Vec::new(),
                content: meeting.odoo_state.clone(),
            })?),
            ..OdooDebt::default()
        });
    }
    // Where one side is deleted, the two are no pair any more; with "all" the other side is news again.
    if was_linked && policy != DeletePolicy::DontDelete {
        meeting.ended = policy.in_odoo();
        meeting.revived = false;
        meeting.set_base(None)?;
        if policy.in_outlook() {
            meeting.generation += 1;
            meeting.ical_uid = None;
        } else if request.sync_policy == SyncPolicy::All {
            // Outlook's event shall come to Odoo anew, and carries the old link.
            meeting.link = uuid::Uuid::new_v4();
            meeting.ical_uid = None;
        }
    }
    // What was chosen for its guests is over, unless both sides still have it.
    if !was_linked || policy != DeletePolicy::DontDelete {
        meeting.guests = None;
    }
    meeting.unsent = false;
    // The next login may be another mailbox; one that is the same is matched by iCalUId.
    copies.retain(|copy| copy.account_id != account.id);
    Ok(())
}

/// Called when a run has sent what was owed: the reset is over.
///
/// # Errors
/// When Postgres fails.
pub async fn finish(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    if outbox::outlook_owed(conn, account.id).await? == 0 {
        disconnect(conn, account).await?;
    }
    Ok(())
}

async fn disconnect(conn: &mut Connection, account: &Account) -> anyhow::Result<()> {
    accounts::set_resetting(conn, account.id, false).await?;
    accounts::disconnect(
        conn,
        account.id,
        "The account was reset: log in to Outlook to connect it again.",
    )
    .await?;
    Ok(())
}
