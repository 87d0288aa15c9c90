//! A user's events with guests that Outlook does not have, or has without their guests: what would
//! be sent, and what the user chooses.
//!
//! Events with guests that existed when their organizer connected wait for a choice. The waiting
//! events, and the mails of each choice, are counted from stored data. A choice contains the number
//! that the user has seen, and more is never sent.

use std::collections::BTreeMap;

use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};

use crate::calendar::document::Document;
use crate::calendar::document::plan::{created, mails, updated};
use crate::calendar::event::{Address, Event};
use crate::calendar::invitations::{Guests, InternalDomains, Tally, Withheld, everybody, tally};
use crate::calendar::plan::Mail;
use crate::engine::{Engine, now};
use crate::guards::budget::{self, Held};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::record::Record;
use crate::odoo::snapshot::is_over;
use crate::odoo::time::OdooTime;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, Account};
use crate::store::databases::{self, Database};
use crate::store::journal::Level;
use crate::store::journal::note;
use crate::store::meetings::Meeting;
use crate::store::{Connection, mail_hours, meetings, outbox};
use crate::words::{Sentence, say};

/// The keyword arguments of `res.users.preview`.
#[derive(Debug, Deserialize)]
pub struct PreviewRequest {
    pub user_id: i32,
    #[serde(flatten)]
    pub one: One,
}

/// One event, or one series by its key; if both are absent, all events.
#[derive(Debug, Default, Deserialize)]
pub struct One {
    #[serde(default)]
    pub res_id: Option<i32>,
    #[serde(default)]
    pub key: Option<String>,
}

impl One {
    fn is_named(&self) -> bool {
        self.res_id.is_some() || self.key.is_some()
    }

    fn is(&self, meeting: &Meeting) -> bool {
        match &self.key {
            Some(key) => meeting.series_key.as_ref() == Some(key),
            None => self.res_id.is_none_or(|id| meeting.odoo_id == Some(id)),
        }
    }
}

/// The choices of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The events stay in Odoo only.
    Leave,
    /// Events that are not over go to Outlook.
    Future,
    /// All events go to Outlook, past ones without their guests.
    All,
}

/// The keyword arguments of `res.users.answer_preview`.
#[derive(Debug, Deserialize)]
pub struct AnswerRequest {
    pub user_id: i32,
    #[serde(flatten)]
    pub one: One,
    pub choice: Choice,
    /// `false`: without their guests, whom Odoo still mails.
    #[serde(default)]
    pub invite: bool,
    /// The announced number of invitations; more are not sent.
    #[serde(default)]
    pub invitations: Option<i32>,
}

/// The answer of `res.users.preview`.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// The number of events of any kind on their way to Odoo.
    pub to_odoo: i64,
    /// The number of events of any kind on their way to Outlook.
    pub to_outlook: i64,
    pub events: Vec<Apart>,
    pub people: Vec<Mailed>,
    pub future: Outcome,
    pub all: Outcome,
    /// What Outlook would send if it invited the guests of events that it has without them.
    pub withheld: Tally,
    /// Mails that wait for approval.
    pub held: Option<Held>,
}

/// The result of a choice: the events that Outlook gains, and the invitations that it sends if it
/// invites.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// The number of past events among them.
    pub past: usize,
    #[serde(flatten)]
    pub mails: Tally,
}

/// An event that Outlook does not have, or has without its guests.
#[derive(Debug, Serialize)]
pub struct Apart {
    pub res_id: Option<i32>,
    pub title: String,
    pub start: OdooTime,
    pub recurrent: bool,
    pub over: bool,
    pub guests: usize,
    pub outside: usize,
    /// `waiting`, `left_out` or `withheld`.
    pub state: &'static str,
}

/// A person who would be mailed.
#[derive(Debug, Serialize)]
pub struct Mailed {
    pub email: Address,
    pub name: String,
    pub outside: bool,
    pub invitations: usize,
}

/// A meeting with its content.
struct Told {
    meeting: Meeting,
    guests: BTreeMap<Address, String>,
    /// The people whom Outlook mails if it invites. A guest of a series is listed again for each
    /// occurrence that differs.
    mailed: Vec<Address>,
    start: OdooTime,
    recurrent: bool,
    over: bool,
}

impl Told {
    fn state(&self) -> Guests {
        self.meeting.guests()
    }

    /// Returns whether a choice for all events applies to it.
    fn is_open(&self) -> bool {
        self.state().stays_in_odoo()
    }
}

/// Returns the events that wait for the user, and what each choice would send.
///
/// # Errors
/// `MissingError` for a user who never connected; `Internal` when Postgres fails.
pub async fn preview(
    engine: &Engine,
    database: &Database,
    request: &PreviewRequest,
) -> Result<Preview, OdooError> {
    let mut conn = engine.store.get().await?;
    let account = connected(&mut conn, database, request.user_id).await?;
    let people = People::load(&mut conn, database.id, now()).await?;
    let told = apart(&mut conn, &people, &account, &request.one).await?;
    let inside = people.internal_domains();
    let (to_odoo, to_outlook) = outbox::creations_owed(&mut conn, &account).await?;
    let concerned = |one: &&Told| one.is_open() || request.one.is_named();
    let upcoming = |one: &&Told| !one.over;
    let open: Vec<&Told> = told.iter().filter(concerned).collect();
    let outcome = |events: Vec<&&Told>| {
        let mails = tally(inside, events.iter().filter(|e| !e.over).map(|e| e.mailed.iter()));
        let past = events.iter().filter(|e| e.over).count();
        Outcome {
            past,
            mails: Tally {
                events: events.len(),
                ..mails
            },
        }
    };
    let future = outcome(open.iter().filter(|e| !e.over).collect());
    let all = outcome(open.iter().collect());
    let withheld = told
        .iter()
        .filter(upcoming)
        .filter(|e| e.state() == Guests::Withheld);
    let withheld = tally(inside, withheld.map(|e| e.mailed.iter()));
    let mut mailed: BTreeMap<&Address, Mailed> = BTreeMap::new();
    for one in open.iter().filter(|e| !e.over) {
        for address in &one.mailed {
            let name = one.guests.get(address).cloned().unwrap_or_default();
            let somebody = mailed.entry(address).or_insert_with(|| Mailed {
                email: address.clone(),
                name,
                outside: inside.is_outside(address),
                invitations: 0,
            });
            somebody.invitations += 1;
        }
    }
    let mut people: Vec<Mailed> = mailed.into_values().collect();
    people.sort_by_key(|one| !one.outside);
    let mut events: Vec<Apart> = told.iter().map(|one| shown(one, inside)).collect();
    events.sort_by_key(|event| (event.over, event.start));
    Ok(Preview {
        to_odoo,
        to_outlook,
        events,
        people,
        future,
        all,
        withheld,
        held: budget::held(&mut conn, &account).await?,
    })
}

fn shown(one: &Told, inside: &InternalDomains) -> Apart {
    Apart {
        res_id: one.meeting.odoo_id,
        title: one.meeting.title(),
        start: one.start,
        recurrent: one.recurrent,
        over: one.over,
        guests: one.guests.len(),
        outside: one.guests.keys().filter(|a| inside.is_outside(a)).count(),
        state: one.state().name(),
    }
}

/// Carries out a choice. Leaves events alone that were chosen already.
///
/// # Errors
/// `MissingError` for a user who never connected, or an event that does not wait; `UserError` if
/// more would be sent than was announced.
pub async fn answer(engine: &Engine, database: &Database, request: &AnswerRequest) -> Result<(), OdooError> {
    let mut conn = engine.store.get().await?;
    let account = connected(&mut conn, database, request.user_id).await?;
    let done = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            let people = People::load(conn, database.id, now()).await?;
            let told = apart(conn, &people, &account, &request.one).await?;
            let chosen = match decide(&told, request, people.internal_domains(), database) {
                Ok(chosen) => chosen,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let ids: Vec<i64> = chosen.guests.keys().copied().collect();
            let effects = planner::plan_meetings(conn, &lock, &people, &ids, |unit| {
                for (id, guests) in &chosen.guests {
                    let meeting = &mut unit.get(*id)?.meeting;
                    meeting.set_guests(*guests);
                    meeting.collected = false;
                    meeting.forget_savers();
                    meeting.unsent = false;
                }
                Ok(())
            })
            .await?;
            // A person has just approved these mails.
            mail_hours::count(conn, account.id, -chosen.mails, people.now).await?;
            if !chosen.guests.is_empty() {
                let user = Some(account.odoo_user_id);
                note(conn, database, user, Level::Info, chosen.words).await?;
            }
            Ok(Ok(effects))
        })
        .await?;
    let effects = done?;
    let poke = effects.poke_users.clone();
    drop(conn);
    engine.wake(&effects, Some(request.user_id), database).await?;
    if !poke.is_empty() {
        engine.poke(database.id, poke);
    }
    Ok(())
}

/// The new policy of each meeting, and the words for the journal.
struct Chosen {
    guests: BTreeMap<i64, Guests>,
    words: Sentence,
    mails: i64,
}

fn decide(
    told: &[Told],
    request: &AnswerRequest,
    inside: &InternalDomains,
    database: &Database,
) -> Result<Chosen, OdooError> {
    let named = request.one.is_named();
    if named && told.is_empty() {
        return Err(OdooError::missing(say::refusal_event_waits_not()));
    }
    let mut guests = BTreeMap::new();
    let mut invited = Vec::new();
    for one in told.iter().filter(|one| named || one.is_open()) {
        let then = match (request.choice, one.over, request.invite) {
            (Choice::Leave, ..) | (Choice::Future, true, _) => Guests::LeftOut,
            (Choice::Future, false, true) | (Choice::All, false, true) => Guests::Announced,
            (Choice::All, true, _) | (Choice::Future | Choice::All, false, false) => Guests::Withheld,
        };
        // An event that Outlook has is not removed again.
        if one.state() == Guests::Withheld && then == Guests::LeftOut {
            continue;
        }
        if then == Guests::Announced {
            invited.push(one.mailed.iter());
        }
        guests.insert(one.meeting.id, then);
    }
    let count = |wanted: Guests| guests.values().filter(|then| **then == wanted).count();
    let (left_out, withheld) = (count(Guests::LeftOut), count(Guests::Withheld));
    let mails = tally(inside, invited);
    let announced = request.invitations.unwrap_or(database.mail_budget);
    if mails.mails > usize::try_from(announced).unwrap_or_default() {
        return Err(OdooError::user(say::refusal_more_invitations(
            mails.mails,
            announced,
        )));
    }
    let words = say::chosen(
        mails.events,
        mails.mails,
        mails.people,
        mails.outside,
        withheld,
        left_out,
    );
    Ok(Chosen {
        guests,
        words,
        mails: i64::try_from(mails.mails).unwrap_or(i64::MAX),
    })
}

/// Loads the events that are kept apart for a user, with their guests.
async fn apart(
    conn: &mut Connection,
    people: &People,
    account: &Account,
    one: &One,
) -> anyhow::Result<Vec<Told>> {
    let found = meetings::with_guests_apart(conn, account.database_id, account.odoo_user_id).await?;
    let mut told = Vec::new();
    for meeting in found.into_iter().filter(|meeting| one.is(meeting)) {
        let Some(record) = meeting.record()?.filter(Record::active) else {
            continue;
        };
        // An unreadable event is set aside with its own reason.
        let Ok(Some(series)) = record.document(&people.mailboxes) else {
            continue;
        };
        let recurrent = record.series().is_some();
        let names = |address: &Address| {
            let known = series.master.attendees.get(address);
            known.map(|a| a.name.clone()).unwrap_or_default()
        };
        let whole = planner::in_one(&series, people.now.date_naive());
        let guests: BTreeMap<Address, String> = everybody(&series)
            .filter(|address| is_guest(&whole, address))
            .map(|address| (address.clone(), names(address)))
            .collect();
        let mailed = mailed(&series, meeting.guests());
        told.push(Told {
            mailed,
            start: OdooTime(series.master.time.starts_at()),
            over: is_over(&whole, people.now),
            guests,
            recurrent,
            meeting,
        });
    }
    Ok(told)
}

fn is_guest(event: &Event, address: &Address) -> bool {
    event
        .organizer
        .as_ref()
        .is_none_or(|organizer| organizer.address != *address)
}

/// Returns the people whom Outlook mails once it gets a meeting with its guests.
fn mailed(series: &Document, guests: Guests) -> Vec<Address> {
    let (writes, present) = if guests == Guests::Withheld {
        let mut bare = series.clone();
        Withheld::take(&mut bare, None, None);
        (updated(&bare, series), Some(bare))
    } else {
        (created(series), None)
    };
    let mails = mails(&writes.writes, present.as_ref()).into_iter().flatten();
    mails.map(Mail::into_address).collect()
}

async fn connected(conn: &mut Connection, database: &Database, user_id: i32) -> Result<Account, OdooError> {
    accounts::of_user(conn, database.id, user_id)
        .await?
        .filter(Account::is_connected)
        .ok_or_else(|| OdooError::missing(say::refusal_not_connected()))
}
