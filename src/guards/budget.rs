//! The mail limit: many mails that nobody has just asked for wait for approval.
//!
//! A change that an organizer or an administrator saves while the organizer's mailbox is synced is
//! intended, and is sent. Other changes are *collected*: they were saved while the mailbox was not
//! synced (stopped, paused, a lapsed login), they were found by comparing both sides, or they are
//! deletions of a reset that its wizard did not announce. If the collected writes would send more
//! mails than the database's number, they wait. Two other kinds wait too: changes that others saved
//! and that mail many people outside; and, whoever saved, mails of a mailbox above a number per
//! hour. Writes that mail nobody are not held.

use std::collections::BTreeSet;

use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};

use crate::calendar::invitations::Guests;
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::exchange::Actor;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, Account, Decision};
use crate::store::databases::{self, Database};
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::leases::{self, Urgency};
use crate::store::outbox::{self, AskFor, OutlookWrite, WriteKind};
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, mail_hours, meetings};
use crate::words::{Sentence, say};

/// The keyword arguments of `res.users.answer_mails`.
#[derive(Debug, Deserialize)]
pub struct AnswerRequest {
    pub user_id: i32,
    /// `true`: Outlook sends them; `false`: nobody is mailed, and each side keeps its own.
    pub send: bool,
    /// The announced number of mails; more are not sent.
    #[serde(default)]
    pub mails: Option<i32>,
}

/// Mails that wait.
#[derive(Debug, Serialize)]
pub struct Held {
    pub mails: i64,
    pub events: Vec<HeldEvent>,
}

/// An event whose change waits.
#[derive(Debug, Serialize)]
pub struct HeldEvent {
    pub res_id: Option<i32>,
    pub title: String,
    /// `create`, `update` or `delete`.
    pub kind: WriteKind,
    pub mails: i32,
    /// Who saved it, if that is known.
    pub saved_by: Vec<String>,
}

/// Counts the mails that a mailbox is about to send. Returns whether collected writes must wait.
///
/// # Errors
/// When Postgres fails.
pub async fn check(engine: &Engine, account: &Account) -> anyhow::Result<bool> {
    let mut conn = engine.store.get().await?;
    if !account.holds_mails() && outbox::collected_mails(&mut conn, account.id).await? == 0 {
        return Ok(false);
    }
    let (held, is_news) = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let _lock = databases::serialize(conn, account.database_id, Purpose::Push).await?;
            leases::hold(conn, account).await?;
            let database = databases::by_id(conn, account.database_id).await?;
            let account = accounts::by_id(conn, account.id).await?;
            let mails = outbox::collected_mails(conn, account.id).await?;
            let held = account.holds_mails();
            let collected = outbox::collected(conn, account.id).await?;
            let why = why(conn, &database, &collected).await?;
            let holds = mails > 0 && (held || why.is_some() || mails > i64::from(database.mail_budget));
            let holding = if holds { mails } else { 0 };
            if i64::from(account.mails_held) == holding {
                return Ok((holds, false));
            }
            accounts::hold_mails(conn, account.id, holding).await?;
            if holds && !held {
                let why = why.unwrap_or_else(|| say::more_than(database.mail_budget));
                let message = say::mails_wait(mails, why);
                tracing::warn!(account.id = account.id, mails, "over the mail budget");
                note(
                    conn,
                    &database,
                    Some(account.odoo_user_id),
                    Level::Warning,
                    message,
                )
                .await?;
            }
            Ok((holds, true))
        })
        .await?;
    if is_news {
        engine.poke(account.database_id, [account.odoo_user_id].into());
    }
    Ok(held)
}

/// Decides which writes wait for approval, even if they cause few mails.
async fn why(
    conn: &mut Connection,
    database: &Database,
    writes: &[OutlookWrite],
) -> anyhow::Result<Option<Sentence>> {
    let asking = |why: AskFor| -> Vec<i64> {
        let asking = writes.iter().filter(|write| write.asks == Some(why));
        asking.map(|write| write.meeting_id).collect()
    };
    let of_others = asking(AskFor::Others);
    if !of_others.is_empty() {
        let mut names = BTreeSet::new();
        for meeting in meetings::read_all(conn, &of_others).await? {
            names.extend(meeting.savers()?.iter().map(planner::savers::name_of));
        }
        let names: Vec<String> = names.into_iter().collect();
        return Ok(Some(say::saved_by_others(database.others_outside, names)));
    }
    Ok((!asking(AskFor::Hour).is_empty()).then(|| say::more_within_an_hour(database.mails_an_hour)))
}

/// Returns the writes that the mailbox may send within this hour; the others wait for approval. A
/// repeated attempt mails nobody twice, so it is not counted again.
///
/// # Errors
/// When Postgres fails.
pub async fn within_the_hour(
    conn: &mut Connection,
    account: &Account,
    batch: Vec<OutlookWrite>,
) -> anyhow::Result<Vec<OutlookWrite>> {
    let is_new =
        |write: &OutlookWrite| write.mails > 0 && write.attempts == 0 && write.in_flight_since.is_none();
    if !batch.iter().any(is_new) {
        return Ok(batch);
    }
    let most = databases::by_id(conn, account.database_id).await?.mails_an_hour;
    let before = mail_hours::within(conn, account.id, now()).await?;
    let (mut sent, mut may_leave, mut must_wait) = (before, Vec::new(), Vec::new());
    for write in batch {
        let then = sent + i64::from(write.mails);
        if !is_new(&write) {
            may_leave.push(write);
        } else if then > i64::from(most) {
            must_wait.push(write.id);
        } else {
            sent = then;
            may_leave.push(write);
        }
    }
    if sent > before {
        mail_hours::count(conn, account.id, sent - before, now()).await?;
    }
    if !must_wait.is_empty() {
        outbox::hold_back(conn, must_wait).await?;
    }
    Ok(may_leave)
}

/// Returns the mails that wait for approval.
///
/// # Errors
/// When Postgres fails.
pub async fn held(conn: &mut Connection, account: &Account) -> anyhow::Result<Option<Held>> {
    if !account.holds_mails() {
        return Ok(None);
    }
    let writes = outbox::collected(conn, account.id).await?;
    let ids: Vec<i64> = writes.iter().map(|write| write.meeting_id).collect();
    let known = meetings::read_all(conn, &ids).await?;
    let events = writes.iter().map(|write| {
        let meeting = known.iter().find(|meeting| meeting.id == write.meeting_id);
        HeldEvent {
            res_id: meeting.and_then(|m| m.odoo_id),
            title: meeting
                .map(crate::store::meetings::Meeting::title)
                .unwrap_or_default(),
            kind: write.kind,
            mails: write.mails,
            saved_by: meeting
                .and_then(|m| m.savers().ok())
                .unwrap_or_default()
                .iter()
                .map(planner::savers::name_of)
                .collect(),
        }
    });
    Ok(Some(Held {
        mails: writes.iter().map(|write| i64::from(write.mails)).sum(),
        events: events.collect(),
    }))
}

/// Carries out a person's answer. Does nothing if the same answer was given last, as Odoo repeats a
/// call whose transaction collided.
///
/// # Errors
/// `MissingError` if nothing waits, or another answer was given; `UserError` if more would be sent
/// than was announced.
pub async fn answer(engine: &Engine, database: &Database, request: &AnswerRequest) -> Result<(), OdooError> {
    let mut conn = engine.store.get().await?;
    let decision = Decision::of(request.send);
    let missing = || OdooError::missing(say::refusal_mails_answered());
    let done = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            let account = match accounts::of_user(conn, database.id, request.user_id).await? {
                Some(account) if account.holds_mails() => account,
                Some(account) if account.mails_answer == Some(decision) => return Ok(Ok(None)),
                Some(_) | None => return Ok(Err(missing())),
            };
            let asked = Actor {
                uid: account.odoo_user_id,
                name: Some(account.login.clone()),
                is_admin: false,
            };
            let writes = outbox::collected(conn, account.id).await?;
            let mails: i64 = writes.iter().map(|write| i64::from(write.mails)).sum();
            if request.send && mails > request.mails.map_or(mails, i64::from) {
                return Ok(Err(OdooError::user(say::refusal_more_mails(mails))));
            }
            let ids: Vec<i64> = writes.iter().map(|write| write.meeting_id).collect();
            let mut unit = UnitOfWork::of(conn, &lock, &ids).await?;
            for write in &writes {
                let dossier = unit.get(write.meeting_id)?;
                dossier.meeting.collected = false;
                dossier.meeting.forget_savers();
                if request.send {
                    // The approval is for one mailbox. An event that is made in another one sends
                    // mails in that owner's name.
                    if dossier.meeting.goes_to_another_than(account.odoo_user_id) {
                        dossier.meeting.add_savers(std::slice::from_ref(&asked))?;
                    }
                    continue;
                }
                if account.resetting {
                    dossier.writes.retain(|other| other.id != write.id);
                } else if write.kind == WriteKind::Create {
                    dossier.meeting.set_guests(Guests::Withheld);
                } else {
                    dossier.meeting.unsent = true;
                }
            }
            let message = if request.send {
                outbox::approve(conn, account.id).await?;
                mail_hours::count(conn, account.id, -mails, now()).await?;
                say::mails_sent(mails, writes.len())
            } else {
                if !account.resetting {
                    let people = People::load(conn, database.id, now()).await?;
                    planner::replan_all(&mut unit, &people, ids)?;
                }
                say::mails_not_sent(mails, writes.len())
            };
            unit.save(conn, now()).await?;
            accounts::release_mails(conn, account.id, decision).await?;
            note(
                conn,
                database,
                Some(account.odoo_user_id),
                Level::Warning,
                message,
            )
            .await?;
            Ok(Ok(Some(account.id)))
        })
        .await?;
    let Some(account) = done? else { return Ok(()) };
    leases::wake(&mut conn, vec![account], Urgency::Person).await?;
    engine.wake_workers();
    Ok(())
}
