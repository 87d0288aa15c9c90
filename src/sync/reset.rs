//! Reset Account: an account back to its beginning, with a choice for its events and for the next sync.
//!
//! Deletions go through the outboxes like everything else, so that a reset of thousands of events works in the
//! background and survives a crash. Only events that the user organizes are touched.

use diesel_async::AsyncConnection;
use serde::Deserialize;
use serde_json::json;

use super::admin::{self, note};
use super::people::People;
use super::{Engine, now};
use crate::odoo::OdooError;
use crate::odoo::exchange::{OdooChange, State};
use crate::store::Connection;
use crate::store::accounts::{self, Account};
use crate::store::databases::Database;
use crate::store::journal::{Done, Level};
use crate::store::meetings::{self, Meeting};
use crate::store::outbox::{self, NewOdooDebt, NewOutlookWrite, kind};

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
    let people = People::of(conn, database.clone(), now()).await?;
    let ids = meetings::of_account(conn, database.id, account.id, account.odoo_user_id).await?;
    for id in ids {
        let meeting = meetings::lock(conn, id).await?;
        if owns(&meeting, account)? {
            reset_meeting(conn, &people, account, meeting, request).await?;
        }
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

fn owns(meeting: &Meeting, account: &Account) -> anyhow::Result<bool> {
    let organizer = meeting.snapshot()?.and_then(|s| s.organizer).map(|o| o.user_id);
    Ok(organizer == Some(account.odoo_user_id))
}

async fn reset_meeting(
    conn: &mut Connection,
    people: &People,
    account: &Account,
    mut meeting: Meeting,
    request: &ResetRequest,
) -> anyhow::Result<()> {
    let policy = request.delete_policy;
    for write in outbox::outlook_of_meeting(conn, meeting.id).await? {
        if write.account_id == account.id {
            outbox::settle_outlook(conn, write.id).await?;
        }
    }
    let copy = meetings::copies(conn, meeting.id)
        .await?
        .into_iter()
        .find(|c| c.account_id == account.id);
    let live = copy
        .as_ref()
        .filter(|c| c.is_organizer && !c.gone && !c.cancelled && !meeting.series);
    if let Some(copy) = live.filter(|_| policy.in_outlook()) {
        let write = NewOutlookWrite {
            account_id: account.id,
            meeting_id: meeting.id,
            kind: kind::DELETE,
            graph_id: Some(&copy.graph_id),
            change_key: None,
            body: json!({}),
            odoo_state: None,
            groups: json!([]),
            line: Some(serde_json::to_value(Done {
                message: "deleted from Outlook by the reset".to_owned(),
                decisions: Vec::new(),
                content: Some(copy.state.clone()),
            })?),
        };
        outbox::owe_outlook(conn, &write).await?;
    }
    let was_linked = copy.is_some();
    if let (true, true, Some(snapshot)) = (policy.in_odoo(), was_linked, meeting.snapshot()?) {
        if let Some(debt) = outbox::odoo_of_meeting(conn, meeting.id).await? {
            outbox::settle_odoo(conn, debt.id).await?;
        }
        let change = OdooChange::Unlink {
            res_id: snapshot.id,
            user_id: account.odoo_user_id,
            version: snapshot.version,
        };
        let debt = NewOdooDebt {
            database_id: people.database.id,
            meeting_id: meeting.id,
            user_id: account.odoo_user_id,
            payload: serde_json::to_value(&change)?,
            outlook_state: None,
            groups: json!([]),
            held_for: None,
            line: Some(serde_json::to_value(Done {
                message: "deleted from Odoo by the reset".to_owned(),
                decisions: Vec::new(),
                content: meeting.odoo_state.clone(),
            })?),
        };
        // Marked as delivered: it is a person's wish, which no later news plans away.
        let id = outbox::owe_odoo(conn, &debt).await?;
        outbox::mark_delivered(conn, vec![id], people.now).await?;
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
    // The next login may be another mailbox; one that is the same is matched by iCalUId.
    meetings::drop_copies_in(conn, meeting.id, account.id).await?;
    meetings::save(conn, &meeting).await?;
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
