//! Rebaseline. After a database was paired again, either side may be a restored backup, so both are
//! listed again and compared. A record that Odoo had and does not show any more was lost with the
//! backup; nobody deleted it, and it comes back from Outlook.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::calendar::document::Document;
use crate::calendar::event::{Address, Attendee};
use crate::calendar::field::{Group, take_groups};
use crate::calendar::invitations::{Guests, Withheld, all_guests};
use crate::calendar::merge::Base;
use crate::odoo::exchange::{Place, WantedRecord};
use crate::odoo::identity::Was;
use crate::odoo::record::Record;
use crate::odoo::snapshot::odoo_answer;
use crate::planning::people::People;
use crate::planning::planner::refusals::is_not_taken_over;
use crate::store::databases::PlanningLock;
use crate::store::meetings::{self, Copy, Meeting, SlotAnswers};
use crate::store::stubs::Stub;
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, accounts, people::Person};

/// Lies, by a month, inside the days that Odoo sends when it is asked for existing events (at least
/// a year back and two years ahead).
const DAYS_BACK: i64 = 335;
const DAYS_AHEAD: i64 = 700;

/// How many meetings of a user are compared in one transaction, which holds the planning lock.
pub const PORTION: i64 = 200;

/// What is left after some of a user's meetings were settled.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// More of the user's meetings.
    Some,
    /// Odoo is to be asked for these records.
    All(Vec<WantedRecord>),
}

/// Decides about the next portion of a user's meetings once Odoo has sent all of the user's events,
/// and notes how far it has come.
///
/// # Errors
/// When Postgres fails or holds what cannot be read.
pub async fn settle_some(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    account: &Person,
) -> anyhow::Result<Settled> {
    let after = accounts::settled_to(conn, account.id).await?;
    let (database_id, user_id) = (people.database.id, account.odoo_user_id);
    let ids = meetings::unconfirmed_after(conn, database_id, account.id, user_id, after, PORTION).await?;
    settle(conn, lock, people, account, &ids).await?;
    let is_full = i64::try_from(ids.len()).is_ok_and(|count| count == PORTION);
    if let Some(last) = ids.last().filter(|_| is_full) {
        accounts::set_settled_to(conn, account.id, *last).await?;
        return Ok(Settled::Some);
    }
    Ok(Settled::All(to_ask_for(conn, people, account).await?))
}

async fn settle(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    account: &Person,
    ids: &[i64],
) -> anyhow::Result<()> {
    let mut unit = UnitOfWork::of(conn, lock, ids).await?;
    for id in ids {
        let Dossier { meeting, copies, .. } = unit.get(*id)?;
        let organizes_here = meeting
            .organizer_in_odoo()
            .and_then(|user| people.account_of_user(user));
        // Another user's events are not complete yet, or are requested by name.
        let is_own = organizes_here.is_some_and(|organizer| organizer.id == account.id);
        // A record that Odoo sends and that cannot be stored exists all the same.
        if is_own && !is_not_taken_over(meeting) && was_asked_for(meeting, copies, people)? {
            forget_record(meeting)?;
        }
    }
    unit.save(conn, people.now).await
}

/// Returns the records that a mailbox knows too, that Odoo has not shown again, and whose organizer
/// is not connected. They are requested by name, as they are not among any user's own events.
///
/// # Errors
/// When Postgres fails.
pub async fn to_ask_for(
    conn: &mut Connection,
    people: &People,
    account: &Person,
) -> anyhow::Result<Vec<WantedRecord>> {
    let ids = meetings::unconfirmed_of(conn, people.database.id, account.id, account.odoo_user_id).await?;
    let mut wanted = Vec::new();
    for meeting in meetings::read_all(conn, &ids).await? {
        let organizer = meeting
            .organizer_in_odoo()
            .and_then(|user| people.account_of_user(user));
        if organizer.is_some_and(Person::is_connected) || is_not_taken_over(&meeting) {
            continue;
        }
        // A record of another version is sent as soon as somebody saves it.
        let Ok(Some(record)) = meeting.record() else {
            continue;
        };
        wanted.push(WantedRecord {
            user_id: account.odoo_user_id,
            place: Place::of(&record),
        });
    }
    Ok(wanted)
}

/// Handles a record that Odoo shows again. If it differs from Outlook, Outlook's values are taken,
/// as a restored record is old and nobody edited it. Values that were edited since (`edited`) are
/// merged as usual.
///
/// # Errors
/// When what is stored cannot be read.
pub fn confirm(
    dossier: &mut Dossier,
    record: &Record,
    edited: &BTreeMap<Group, DateTime<Utc>>,
    people: &People,
) -> anyhow::Result<()> {
    let meeting = &mut dossier.meeting;
    meeting.unconfirmed = false;
    let (Some(known), Ok(Some(mut present))) = (meeting.base()?, record.document(&people.mailboxes)) else {
        return Ok(());
    };
    if meeting.guests() == Guests::Withheld {
        Withheld::take(&mut present, None, Some(&known));
    }
    if !edited.contains_key(&Group::Attendees) {
        agree_on_answers(&mut dossier.copies, &present, people)?;
    }
    let mut base = Base {
        odoo: present.clone(),
        outlook: present,
    };
    let shown = all_guests(&known.outlook).collect();
    let own = base.outlook.exceptions.values_mut();
    let lists = own.filter_map(|own| own.attendees.as_mut());
    lists
        .chain([&mut base.outlook.master.attendees])
        .for_each(|guests| keep_addresses(guests, &shown));
    if base.odoo.is_single() {
        take_groups(edited.keys(), &mut base.odoo.master, &known.odoo.master);
        take_groups(edited.keys(), &mut base.outlook.master, &known.outlook.master);
    }
    meeting.set_base(Some(&base))
}

/// Takes the responses of a restored Odoo for agreed. If a guest's mailbox has another one, that is
/// news for Odoo, and no response is sent in anybody's name.
fn agree_on_answers(copies: &mut [Copy], present: &Document, people: &People) -> anyhow::Result<()> {
    for copy in copies.iter_mut().filter(|copy| !copy.is_organizer) {
        let account = people.account(copy.account_id);
        let Some(address) = account.and_then(|account| people.mailboxes.get(&account.odoo_user_id)) else {
            continue;
        };
        let answer =
            |attendees: &BTreeMap<Address, Attendee>| attendees.get(address).map(|guest| guest.answer);
        copy.answer_base = answer(&present.master.attendees).map(|answer| odoo_answer(answer).to_owned());
        let to_one: SlotAnswers = present
            .exceptions
            .iter()
            .filter_map(|(slot, own)| Some((*slot, answer(own.attendees.as_ref()?)?)))
            .collect();
        copy.slot_answers_base = serde_json::to_value(to_one)?;
    }
    Ok(())
}

/// Keeps the addresses under which Outlook shows guests: they are not a change of either side, and
/// only the base has them.
fn keep_addresses(guests: &mut BTreeMap<Address, Attendee>, shown: &BTreeMap<&Address, &Attendee>) {
    for (address, guest) in guests {
        if let Some(known) = shown.get(address) {
            guest.also.clone_from(&known.also);
            guest.by_alias = known.by_alias;
            guest.shown_as.clone_from(&known.shown_as);
        }
    }
}

/// Forgets a record that Odoo does not have any more: Outlook's event is new for Odoo. The meeting
/// gets a new link, as a creation with the old one would find an archived record of Odoo.
pub fn forget_record(meeting: &mut Meeting) -> anyhow::Result<()> {
    meeting.unconfirmed = false;
    meeting.link = Uuid::new_v4();
    meeting.odoo_id = None;
    meeting.series_key = None;
    meeting.odoo_state = None;
    meeting.odoo_gone = false;
    meeting.unread = false;
    meeting.set_base(None)
}

/// Returns whether the meeting is one that Odoo sends: active, and within these years.
fn was_asked_for(meeting: &Meeting, copies: &[Copy], people: &People) -> anyhow::Result<bool> {
    let time = match (meeting.base()?, meeting.stub.as_ref().and(copies.first())) {
        (Some(base), _) => base.odoo.master.time,
        (None, Some(copy)) => copy.event()?.time,
        (None, None) => return Ok(false),
    };
    if meeting.series_key.is_some() {
        return Ok(true);
    }
    Ok(time.ends_at() > people.now - TimeDelta::days(DAYS_BACK)
        && time.starts_at() < people.now + TimeDelta::days(DAYS_AHEAD))
}

/// Returns whether Odoo sends another record than the meeting's: a restored database reuses ids.
fn is_another_record(meeting: &Meeting, record: &Record) -> bool {
    if let (None, Ok(Some(stub))) = (&meeting.odoo_state, meeting.stub()) {
        return is_another_than(&stub, meeting, record);
    }
    // A record that another version has stored is replaced by the one that Odoo sends now.
    let Ok(Some(known)) = meeting.record() else {
        return false;
    };
    if let (Record::Event(known), Record::Event(record)) = (&known, record) {
        return known.id == record.id && known.create_date != record.create_date;
    }
    // A series and an event can share only the id of one of the series' events. If one has become
    // the other, its record says so (`was`). Otherwise a record that has not been shown since the
    // restore, or had ended before it, is another one.
    let is_named = |was: Option<&Was>| match &known {
        Record::Event(event) => was.is_some_and(|was| was.identity().odoo_id == Some(event.id)),
        Record::Series(series) => was.is_some_and(|was| was.key.as_ref() == Some(&series.key)),
    };
    let is_same_series =
        record.series().map(|series| &series.key) == known.series().map(|series| &series.key);
    let link = record.identity().link;
    may_be_lost(meeting) && !is_same_series && !is_named(record.was()) && link != Some(meeting.link)
}

/// Returns whether Odoo may have given the ids of its record to another one.
pub fn may_be_lost(meeting: &Meeting) -> bool {
    meeting.unconfirmed || meeting.ended
}

/// Does the same for a meeting of which only a stub is known.
fn is_another_than(stub: &Stub, meeting: &Meeting, record: &Record) -> bool {
    if stub.place.key.is_none() && record.series().is_none() {
        return Some(stub.place.res_id) == record.identity().odoo_id
            && stub.create_date != record.create_date();
    }
    let is_named = record.was().is_some_and(|was| match &stub.place.key {
        Some(_) => was.key == stub.place.key,
        None => was.identity().odoo_id == Some(stub.place.res_id),
    });
    let is_same_series = record.series().map(|series| &series.key) == stub.place.key.as_ref();
    may_be_lost(meeting) && !is_same_series && !is_named && record.identity().link != Some(meeting.link)
}

/// Gives a meeting the record that Odoo sends for it. This is the only way in which a meeting gets
/// a record. Any other meeting with the record's id has lost its own record with a restore, and is
/// sent to Odoo as new. Returns `None` if the record is not the meeting's, which has lost its own.
///
/// # Errors
/// When what is stored cannot be read.
pub fn give_record(unit: &mut UnitOfWork, id: i64, record: &Record) -> anyhow::Result<Option<BTreeSet<i64>>> {
    let meeting = &mut unit.get(id)?.meeting;
    if is_another_record(meeting, record) {
        forget_record(meeting)?;
        return Ok(None);
    }
    let identity = record.identity();
    let holder = identity.odoo_id.and_then(|odoo_id| unit.by_odoo_id(odoo_id));
    let (mut is_free, mut robbed) = (true, BTreeSet::new());
    if let Some(holder) = holder.filter(|holder| *holder != id) {
        let meeting = &mut unit.get(holder)?.meeting;
        if is_another_record(meeting, record) {
            forget_record(meeting)?;
            robbed.insert(holder);
        } else {
            // An event that was part of a series, and has a meeting of its own, keeps its id.
            is_free = false;
        }
    }
    let meeting = &mut unit.get(id)?.meeting;
    meeting.odoo_id = identity.odoo_id.filter(|_| is_free);
    // A series that is a single event for a while gets its key back afterwards.
    if identity.key.is_some() {
        meeting.series_key = identity.key;
    }
    meeting.odoo_gone = false;
    meeting.unread = false;
    meeting.odoo_state = Some(serde_json::to_value(record)?);
    Ok(Some(robbed))
}
