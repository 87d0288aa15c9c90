//! After a database was paired anew, one of the two may be a restored backup: both sides are listed again and compared. What
//! Odoo had and does not show any more was lost with the backup, not deleted by anybody: it comes back from Outlook.

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
use crate::store::{Connection, accounts::Account};

/// Inside of what Odoo hands over when it is asked for existing events (a year back, two years ahead, or more), with a month to
/// spare.
const DAYS_BACK: i64 = 335;
const DAYS_AHEAD: i64 = 700;

/// Called when Odoo has handed over all of a user's events.
///
/// # Errors
/// When Postgres fails or holds what cannot be read.
pub async fn settle(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    account: &Account,
) -> anyhow::Result<()> {
    let ids = meetings::unconfirmed_of(conn, account.database_id, account.id, account.odoo_user_id).await?;
    let mut unit = UnitOfWork::of(conn, lock, &ids).await?;
    for id in ids {
        let Dossier { meeting, copies, .. } = unit.get(id)?;
        let organizes_here = meeting
            .organizer_in_odoo()
            .and_then(|user| people.account_of_user(user));
        // Another user's events are still to come, or are asked for by name.
        let is_own = organizes_here.is_some_and(|organizer| organizer.id == account.id);
        // What Odoo tells and cannot be taken is there.
        if is_own && !is_not_taken_over(meeting) && was_asked_for(meeting, copies, people)? {
            forget_record(meeting)?;
        }
    }
    unit.save(conn, people.now).await
}

/// The records that a mailbox knows as well, nobody who is connected organizes, and Odoo has not shown again: it is asked for them
/// by name, as none of them is among anybody's own events.
///
/// # Errors
/// When Postgres fails.
pub async fn to_ask_for(
    conn: &mut Connection,
    people: &People,
    account: &Account,
) -> anyhow::Result<Vec<WantedRecord>> {
    let ids = meetings::unconfirmed_of(conn, account.database_id, account.id, account.odoo_user_id).await?;
    let mut wanted = Vec::new();
    for meeting in meetings::read_all(conn, &ids).await? {
        let organizer = meeting
            .organizer_in_odoo()
            .and_then(|user| people.account_of_user(user));
        if organizer.is_some_and(Account::is_connected) || is_not_taken_over(&meeting) {
            continue;
        }
        // A record of another version is told as soon as somebody saves it.
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

/// Odoo shows a record again. What it differs in from Outlook is taken from Outlook, as a restored record is old and nobody
/// edited it; but for what was edited since (`edited`), which is merged as ever.
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

/// As if the guests' mailboxes had said what a restored Odoo says: what they say otherwise is news to Odoo, and nothing is answered in anybody's
/// name.
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

/// Under which address Outlook shows a guest is no news of either side, and only the base knows it.
fn keep_addresses(guests: &mut BTreeMap<Address, Attendee>, shown: &BTreeMap<&Address, &Attendee>) {
    for (address, guest) in guests {
        if let Some(known) = shown.get(address) {
            guest.also.clone_from(&known.also);
            guest.by_alias = known.by_alias;
            guest.shown_as.clone_from(&known.shown_as);
        }
    }
}

/// Odoo has no record of the meeting (any more): Outlook's event is news to it. One that it has archived under the meeting's mark is
/// another one, which a creation under that mark would be taken for.
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

/// Whether the meeting is one of those that Odoo hands over: active, and of these years.
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

/// Whether Odoo tells of another record than the one that the meeting stands for: a restored database gives ids out again.
fn is_another_record(meeting: &Meeting, record: &Record) -> bool {
    if let (None, Ok(Some(stub))) = (&meeting.odoo_state, meeting.stub()) {
        return is_another_than(&stub, meeting, record);
    }
    // What another version has stored is replaced by what is told now.
    let Ok(Some(known)) = meeting.record() else {
        return false;
    };
    if let (Record::Event(known), Record::Event(record)) = (&known, record) {
        return known.id == record.id && known.create_date != record.create_date;
    }
    // A series has a name of its own, and what it has in common with an event is the id of one of its events. An event becomes a
    // series and a series an event, and says so; what has not been shown since the restore, or had ended before it, and is not
    // named is neither.
    let is_named = |was: Option<&Was>| match &known {
        Record::Event(event) => was.is_some_and(|was| was.identity().odoo_id == Some(event.id)),
        Record::Series(series) => was.is_some_and(|was| was.key.as_ref() == Some(&series.key)),
    };
    let is_same_series =
        record.series().map(|series| &series.key) == known.series().map(|series| &series.key);
    let link = record.identity().link;
    may_be_lost(meeting) && !is_same_series && !is_named(record.was()) && link != Some(meeting.link)
}

/// Whether Odoo may have given the ids of its record to another one.
pub fn may_be_lost(meeting: &Meeting) -> bool {
    meeting.unconfirmed || meeting.ended
}

/// The same of a meeting of which only a stub is known.
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

/// Gives a meeting the record that Odoo tells of it. This is the only way to one: what else had the record's id has lost its own
/// with a restore, and is told to Odoo as news. `None`: the record is not the meeting's, which has lost its own.
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
            // One that was part of a series, and has a meeting of its own, keeps its id.
            is_free = false;
        }
    }
    let meeting = &mut unit.get(id)?.meeting;
    meeting.odoo_id = identity.odoo_id.filter(|_| is_free);
    // A series that is a single event for a while has its name again afterwards.
    if identity.key.is_some() {
        meeting.series_key = identity.key;
    }
    meeting.odoo_gone = false;
    meeting.unread = false;
    meeting.odoo_state = Some(serde_json::to_value(record)?);
    Ok(Some(robbed))
}
