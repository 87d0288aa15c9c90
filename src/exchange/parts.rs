//! Parts of an exchange that cannot be stored are put aside with their reason, and tried again. All
//! others are stored.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use serde_json::Value;

use super::{Intake, find, load};
use crate::engine::now;
use crate::odoo::exchange::{
    Ack, Change, Departed, NumberedChange, OdooChange, Rejected, SyncRequest, Untold,
};
use crate::odoo::identity::Identity;
use crate::odoo::record::with_absolute_addresses;
use crate::odoo::touched::{TouchedRecord, is_to_be_said, retry_minutes, rows_in};
use crate::planning::people::People;
use crate::planning::planner::refusals;
use crate::planning::planner::{self, Effects};
use crate::reset;
use crate::store::databases::{Database, PlanningLock};
use crate::store::journal::{self, Level, Line};
use crate::store::meetings::{Identities, Meeting};
use crate::store::outbox::{self, OdooDebt};
use crate::store::reason::{Reason, Words};
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, fails_as_a_whole, from_json};
use crate::words::{Said, Sentence, say};

/// How often a change is delivered whose result cannot be stored: after a minute, then after twice
/// as long each time.
const MOST_ATTEMPTS: i32 = 10;

/// How many results are stored at once: this many meetings are in memory, in several forms.
const RESULTS_TOGETHER: usize = 50;

/// One change or result that Odoo sends.
#[derive(Debug)]
pub enum Item {
    Ack(Ack),
    Change(Box<Change>),
}

/// The parts that cannot even be read.
#[derive(Debug, Default)]
pub struct Unreadable {
    acks: Vec<(i64, anyhow::Error)>,
    changes: Vec<(About, anyhow::Error)>,
}

/// The meeting that a rejected change is about.
#[derive(Debug, Default)]
struct About {
    row: i64,
    rejections: u32,
    user_id: Option<i32>,
    identities: Vec<Identity>,
    title: String,
}

impl About {
    fn unread(change: &Value) -> Self {
        let rows = change.get("rows").and_then(Value::as_array);
        let user = rows
            .and_then(|rows| rows.last()?.get("uid"))
            .and_then(Value::as_i64);
        let title = change.pointer("/record/name").and_then(Value::as_str);
        let (row, rejections) = rows_in(change);
        Self {
            row,
            rejections,
            user_id: user.and_then(|user| i32::try_from(user).ok()),
            identities: Change::identities_in(change),
            title: title.unwrap_or_default().to_owned(),
        }
    }

    fn read(change: &Change) -> Self {
        Self {
            row: change.id,
            rejections: change.rejections,
            user_id: change.uid,
            // An identity that it only claims to have had is not its own.
            identities: vec![change.kind.identity()],
            title: change.kind.name().unwrap_or_default(),
        }
    }
}

fn id_of(value: &Value) -> i64 {
    value.get("id").and_then(Value::as_i64).unwrap_or_default()
}

/// The results for everything that was sent.
#[derive(Default)]
pub struct Settled {
    pub acked: Vec<i64>,
    pub rejected: Vec<Rejected>,
    pub effects: Effects,
}

/// Reads what Odoo sends, results first.
pub fn read(people: &People, request: &SyncRequest) -> (Vec<Item>, Unreadable) {
    let (mut items, mut unreadable) = (Vec::new(), Unreadable::default());
    let absolute = |value: &Value| with_absolute_addresses(value.clone(), &people.database.base_url);
    for value in &request.acks {
        match serde_json::from_value(absolute(value)) {
            Ok(ack) => items.push(Item::Ack(ack)),
            Err(error) => unreadable.acks.push((id_of(value), error.into())),
        }
    }
    for value in &request.changes {
        let touched = serde_json::from_value::<TouchedRecord>(absolute(value));
        let change = touched
            .map_err(anyhow::Error::from)
            .and_then(|touched| touched.into_change(&request.actors));
        match change {
            Ok(change) => items.push(Item::Change(Box::new(change))),
            Err(error) => {
                let error = error.context("it cannot be read");
                unreadable.changes.push((About::unread(value), error));
            }
        }
    }
    (items, unreadable)
}

/// Stores results in groups, and then all changes at once, as a change may continue the record of
/// another one. If that fails, the list is halved until the failing item is found.
///
/// # Errors
/// When Postgres fails as a whole, or nothing at all can be stored.
pub async fn take_all(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    clock: TimeDelta,
    items: Vec<Item>,
    unreadable: Unreadable,
) -> anyhow::Result<Settled> {
    let mut settled = Settled::default();
    let (mut failed, mut is_any_taken) = (Vec::new(), false);
    let mut parts = in_parts(items);
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let mut taken = try_part(conn, lock, people, clock, &part).await;
        // The failure may have been a collision with another transaction.
        if part.len() == 1 && taken.is_err() {
            taken = try_part(conn, lock, people, clock, &part).await;
        }
        match taken {
            Ok(effects) => {
                is_any_taken = true;
                settled.effects.merge(effects);
                settled.acked.extend(part.iter().flat_map(Item::row_ids));
            }
            Err(error) if fails_as_a_whole(&error) => return Err(error),
            Err(error) if part.len() == 1 => failed.extend(part.pop().map(|item| (item, error))),
            Err(_) => {
                let second = part.split_off(part.len() / 2);
                parts.push(second);
                parts.push(part);
            }
        }
    }
    // If nothing can be stored, the cause is not an item.
    let is_stores = |error: &anyhow::Error| error.is::<diesel::result::Error>();
    if failed.len() > 1 && !is_any_taken && failed.iter().all(|(_, error)| is_stores(error)) {
        let (_, error) = failed.swap_remove(0);
        return Err(error);
    }
    for (id, error) in unreadable.acks {
        put_off(conn, lock, people, id, &error).await?;
    }
    let mut rejected = unreadable.changes;
    for (item, error) in failed {
        match item {
            Item::Ack(ack) => put_off(conn, lock, people, ack.id, &error).await?,
            Item::Change(change) => rejected.push((About::read(&change), error)),
        }
    }
    for (about, error) in rejected {
        tracing::warn!(database.uuid = %people.database.uuid, outbox.id = about.row, error = format!("{error:#}"), "a change was rejected");
        settled
            .rejected
            .push(reject(conn, lock, people, about, &error).await?);
    }
    Ok(settled)
}

/// Splits items, results first, into parts that are each stored at once. The last part comes first.
fn in_parts(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut parts: Vec<Vec<Item>> = Vec::new();
    for item in items {
        let fits = |part: &Vec<Item>| match (&item, part.first()) {
            (Item::Ack(_), _) => part.len() < RESULTS_TOGETHER,
            (Item::Change(_), Some(first)) => matches!(first, Item::Change(_)),
            (Item::Change(_), None) => true,
        };
        match parts.last_mut().filter(|part| fits(part)) {
            Some(part) => part.push(item),
            None => parts.push(vec![item]),
        }
    }
    parts.reverse();
    parts
}

impl Item {
    fn row_ids(&self) -> Vec<i64> {
        match self {
            Self::Ack(_) => Vec::new(),
            Self::Change(change) => change.row_ids(),
        }
    }
}

async fn try_part(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    clock: TimeDelta,
    part: &[Item],
) -> anyhow::Result<Effects> {
    conn.transaction(async |conn| take_part(conn, lock, people, clock, part).await)
        .await
}

async fn take_part(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    clock: TimeDelta,
    part: &[Item],
) -> anyhow::Result<Effects> {
    let (mut acks, mut changes) = (Vec::new(), Vec::new());
    for item in part {
        match item {
            Item::Ack(ack) => acks.push(ack),
            Item::Change(change) => changes.push(&**change),
        }
    }
    let unit = load(conn, lock, people, &acks, &changes).await?;
    let mut intake = Intake::new(people, unit, clock);
    for ack in acks {
        intake.ack(ack)?;
    }
    for change in changes {
        intake.change(change)?;
    }
    let (mut unit, touched) = intake.end();
    let effects = planner::replan_all(&mut unit, people, touched)?;
    unit.save(conn, people.now).await?;
    Ok(effects)
}

/// Rejects a change: writes the reason into the event's journal, and tells Odoo that it was
/// rejected.
async fn reject(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    about: About,
    error: &anyhow::Error,
) -> anyhow::Result<Rejected> {
    let reason = not_taken_over(error);
    let said = set_aside(
        conn,
        lock,
        people,
        (&about.identities, about.user_id),
        &reason,
        |_| true,
    )
    .await;
    if !matches!(said, Ok(true)) {
        let message = say::not_taken_over_now(storable(&format!("{error:#}")));
        let name = about.identities.into_iter().next().unwrap_or_default();
        let line = Line {
            odoo_id: name.odoo_id,
            series_key: name.key.map(|key| storable(&key)),
            title: storable(&about.title),
            ..Line::general(people.database.id, about.user_id, Level::Error, message)
        };
        journal::write(conn, line).await?;
    }
    let rejections = about.rejections.saturating_add(1);
    // Why it failed is in the log and in the journal, as its words are the service's.
    let said = Said::from(say::change_not_taken());
    Ok(Rejected {
        id: about.row,
        words: said.to_json(),
        message: said.message,
        rejections,
        retry_minutes: retry_minutes(rejections),
        say: is_to_be_said(rejections),
    })
}

fn identities_of(identities: &[Identity]) -> Identities<'_> {
    Identities {
        odoo_ids: identities.iter().filter_map(|i| i.odoo_id).collect(),
        keys: identities.iter().filter_map(|i| i.key.as_deref()).collect(),
        links: identities.iter().filter_map(|i| i.link).collect(),
        ..Identities::default()
    }
}

/// Sets aside the meeting with one of these identities, if it `is_meant`; returns whether there is
/// one.
async fn set_aside(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    (identities, user_id): (&[Identity], Option<i32>),
    reason: &Reason,
    is_meant: fn(&Meeting) -> bool,
) -> anyhow::Result<bool> {
    conn.transaction(async |conn| {
        let mut unit = UnitOfWork::new(lock);
        unit.read_identities(conn, &identities_of(identities)).await?;
        let known = find(&unit, identities);
        if let Some(id) = known {
            let dossier = unit.get(id)?;
            if is_meant(&dossier.meeting) && dossier.meeting.set_aside.as_ref() != Some(reason) {
                let user = dossier.meeting.organizer_in_odoo().or(user_id);
                refusals::set_aside(dossier, user.unwrap_or_default(), reason.clone());
            }
        }
        unit.save(conn, people.now).await?;
        Ok(known.is_some())
    })
    .await
}

/// Notes that Odoo has these records and cannot send them, so that they do not count as lost.
///
/// # Errors
/// When Postgres fails as a whole.
pub async fn note_untold(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    untold: &[Untold],
) -> anyhow::Result<()> {
    if untold.is_empty() {
        return Ok(());
    }
    // Every call names them. Few, and usually none, are still requested.
    let mut unit = UnitOfWork::new(lock);
    let identities: Vec<Identity> = untold.iter().map(|one| one.place.identity()).collect();
    let named = identities_of(&identities);
    unit.read_identities(conn, &named).await?;
    let mut asked = Vec::new();
    for (one, identity) in untold.iter().zip(&identities) {
        if let Some(id) = find(&unit, std::slice::from_ref(identity))
            && unit.get(id)?.meeting.unconfirmed
        {
            asked.push(one);
        }
    }
    for one in asked {
        let reason = Reason::NotTakenOver(Words::new(&one.message));
        let about = [one.place.identity()];
        let is_asked_for: fn(&Meeting) -> bool = |meeting| meeting.unconfirmed;
        match set_aside(conn, lock, people, (&about, None), &reason, is_asked_for).await {
            Err(error) if fails_as_a_whole(&error) => return Err(error),
            Err(error) => {
                tracing::error!(database.uuid = %people.database.uuid, error = format!("{error:#}"), "what Odoo cannot tell was not noted");
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Returns a text that Postgres accepts.
fn storable(text: &str) -> String {
    Words::new(text).to_string()
}

fn not_taken_over(error: &anyhow::Error) -> Reason {
    Reason::NotTakenOver(Words::new(format_args!("{error:#}")))
}

/// Writes a line about the database or one of its users, once a day.
pub async fn say_once(
    conn: &mut Connection,
    people: &People,
    user_id: Option<i32>,
    what: fn(String) -> Sentence,
    error: anyhow::Error,
) -> anyhow::Result<()> {
    if fails_as_a_whole(&error) {
        return Err(error);
    }
    let said = Said::from(what(format!("{error:#}")));
    tracing::error!(database.uuid = %people.database.uuid, "{}", said.message);
    let id = people.database.id;
    if !journal::said_since(conn, id, &said.message, people.now - TimeDelta::days(1)).await? {
        journal::write(conn, Line::general(id, user_id, Level::Error, said)).await?;
    }
    Ok(())
}

/// Delivers a change again later, as its result could not be stored. The number of attempts is
/// limited.
async fn put_off(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    debt_id: i64,
    error: &anyhow::Error,
) -> anyhow::Result<()> {
    tracing::warn!(database.uuid = %people.database.uuid, debt.id = debt_id, error = format!("{error:#}"), "a result was not taken");
    let noted = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let ids = outbox::meetings_of_debts(conn, people.database.id, vec![debt_id]).await?;
            let mut unit = UnitOfWork::of(conn, lock, &ids).await?;
            let Some(dossier) = unit.owing(debt_id) else {
                return Ok(());
            };
            let Some(debt) = dossier.debt.clone() else {
                return Ok(());
            };
            let reason = not_taken_over(error);
            if dossier.meeting.set_aside.as_ref() != Some(&reason) {
                refusals::set_aside(dossier, debt.user_id, reason);
            }
            let gives_up = debt.attempts >= MOST_ATTEMPTS;
            if gives_up {
                dossier.debt = None;
            }
            unit.save(conn, people.now).await?;
            if !gives_up {
                outbox::put_off(conn, debt_id, next_attempt(&debt, people.now)).await?;
            }
            Ok(())
        })
        .await;
    match noted {
        Err(error) if fails_as_a_whole(&error) => Err(error),
        Err(error) => {
            tracing::error!(
                debt.id = debt_id,
                error = format!("{error:#}"),
                "a result that was not taken was not noted"
            );
            // So that it is not requested again at once.
            outbox::put_off(conn, debt_id, people.now + TimeDelta::hours(1)).await?;
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn next_attempt(debt: &OdooDebt, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::minutes(1 << debt.attempts.clamp(0, MOST_ATTEMPTS))
}

/// Returns the changes of a page that this version can read. Changes that another version has
/// written are planned again.
///
/// # Errors
/// When Postgres fails.
pub async fn readable(
    conn: &mut Connection,
    lock: &PlanningLock,
    page: Vec<OdooDebt>,
) -> anyhow::Result<Vec<NumberedChange>> {
    let (mut changes, mut unreadable) = (Vec::new(), Vec::new());
    for debt in page {
        match from_json::<OdooChange>(debt.payload.clone(), "change") {
            Ok(change) => changes.push(NumberedChange { id: debt.id, change }),
            Err(error) => unreadable.push((debt, error)),
        }
    }
    if unreadable.is_empty() {
        return Ok(changes);
    }
    let people = People::load(conn, lock.database_id(), now()).await?;
    for (debt, error) in unreadable {
        let planned = conn
            .transaction::<_, anyhow::Error, _>(async |conn| {
                let id = debt.meeting_id;
                planner::plan_meetings(conn, lock, &people, &[id], |unit| {
                    unit.get(id)?.debt = None;
                    Ok(())
                })
                .await
            })
            .await;
        match planned {
            Ok(_) => tracing::info!(
                debt.id = debt.id,
                error = format!("{error:#}"),
                "a change was planned anew"
            ),
            Err(again) if fails_as_a_whole(&again) => return Err(again),
            Err(_) => put_off(conn, lock, &people, debt.id, &error).await?,
        }
    }
    Ok(changes)
}

/// Disconnects users who were archived or deleted. If one fails, the next call names the user
/// again.
///
/// # Errors
/// When Postgres fails as a whole.
pub async fn depart_all(
    conn: &mut Connection,
    lock: &PlanningLock,
    database: &Database,
    departed: &[Departed],
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    for one in departed {
        let parted = conn
            .transaction(async |conn| reset::depart(conn, lock, database, *one).await)
            .await;
        match parted {
            Err(error) if fails_as_a_whole(&error) => return Err(error),
            Err(error) => {
                tracing::error!(database.uuid = %database.uuid, user.id = one.user_id, error = format!("{error:#}"), "a departed user's account stays");
            }
            Ok(planned) => effects.merge(planned),
        }
    }
    Ok(effects)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_stored_in_groups_and_changes_together() {
        let ack = |id: i64| Item::Ack(serde_json::from_value(json!({"id": id, "result": "gone"})).unwrap());
        let change = |id: i64| {
            let row = json!({"id": id, "cause": "save", "uid": 7, "times": {}});
            let touched = json!({"res_id": id, "rows": [row]});
            let touched: TouchedRecord = serde_json::from_value(touched).unwrap();
            Item::Change(Box::new(touched.into_change(&[]).unwrap()))
        };
        let items = (1..=120).map(ack).chain((1001..=1150).map(change)).collect();
        let mut parts = in_parts(items);
        let (mut sizes, mut ids) = (Vec::new(), Vec::new());
        while let Some(part) = parts.pop() {
            sizes.push(part.len());
            ids.extend(part.iter().map(|item| match item {
                Item::Ack(ack) => ack.id,
                Item::Change(change) => change.id,
            }));
        }
        assert_eq!(sizes, [50, 50, 20, 150]);
        assert!(ids.is_sorted(), "in their order");
        assert!(in_parts(Vec::new()).is_empty());
    }
}
