//! The planner: decides what to write to either side of one meeting.
//!
//! It runs inside the transaction that stored the news, under the database's lock. While a request
//! for the meeting is in flight (to Outlook or to Odoo), nothing is planned; its outcome starts the
//! planner again. Pending changes that were not sent are discarded and planned again, so that quick
//! edits become one write.

mod answers;
pub mod choices;
pub mod closed;
pub mod endings;
mod guests;
mod moving;
mod organizer;
mod pace;
pub mod refusals;
pub mod repeats;
pub mod savers;
mod series;
pub mod stubs;
mod unlisted;

pub(crate) use organizer::{keep_restored, waits_for_a_save};
pub(crate) use series::{in_one, taken};

use std::collections::BTreeSet;

use serde_json::Value;

pub use answers::agree as agree_on_answers;

use crate::calendar::body;
use crate::calendar::document::Document;
use crate::calendar::document::merge::DocumentConflict;
use crate::calendar::event::{Aliases, Answer, Event};
use crate::calendar::field::{Group, Side};
use crate::calendar::invitations::{all_guests, everybody};
use crate::calendar::merge::{Base, Conflict};
use crate::calendar::plan::{Mail, Rights};
use crate::calendar::words;
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::Record;
use crate::odoo::series::schedule_values;
use crate::odoo::snapshot;
use crate::outlook::wire;
use crate::planning::people::People;
use crate::store::databases::PlanningLock;
use crate::store::journal::{self, Decision, Level, Line};
use crate::store::meetings::{Copy, Meeting};
use crate::store::outbox::{OutlookWrite, WriteKind};
use crate::store::people::Person;
use crate::store::reason::Reason;
use crate::store::unit::{Dossier, UnitOfWork};
use crate::store::{Connection, from_json};
use crate::words::{Arg, Said, Sentence, say};

/// Who must be notified that there is work.
#[derive(Debug, Default)]
pub struct Effects {
    pub wake_accounts: BTreeSet<i64>,
    pub poke_users: BTreeSet<i32>,
}

impl Effects {
    pub fn merge(&mut self, other: Self) {
        self.wake_accounts.extend(other.wake_accounts);
        self.poke_users.extend(other.poke_users);
    }
}

/// The largest description, in bytes. Graph accepts requests of four million bytes, in which the
/// description is escaped.
const LARGEST_BODY: usize = 2_000_000;

/// Plans one meeting again.
///
/// # Errors
/// When what is stored cannot be read.
pub fn replan(dossier: &mut Dossier, people: &People) -> anyhow::Result<Effects> {
    let mut task = Task::new(dossier, people);
    let before = task.dossier.meeting.set_aside.clone();
    if task.clear_the_air() {
        task.decide()?;
        task.keep_off_further_calendars();
        task.break_repeats(before.as_ref());
        task.tell_who_mails()?;
        task.keep_to_the_pace()?;
        task.forget_savers();
    }
    task.forget_when_saved();
    Ok(task.effects)
}

/// Tells Odoo which side mails a meeting's guests, if that has changed.
///
/// # Errors
/// When what is stored cannot be read.
pub fn tell_who_mails(dossier: &mut Dossier, people: &People) -> anyhow::Result<Effects> {
    let mut task = Task::new(dossier, people);
    task.tell_who_mails()?;
    Ok(task.effects)
}

/// Changes meetings, plans them again and stores all of it, in the transaction that holds the lock.
///
/// # Errors
/// When Postgres fails, when what is stored cannot be read, and what `change` fails with.
pub async fn plan_meetings(
    conn: &mut Connection,
    lock: &PlanningLock,
    people: &People,
    ids: &[i64],
    change: impl FnOnce(&mut UnitOfWork) -> anyhow::Result<()>,
) -> anyhow::Result<Effects> {
    let mut unit = UnitOfWork::of(conn, lock, ids).await?;
    change(&mut unit)?;
    let effects = replan_all(&mut unit, people, ids.iter().copied())?;
    unit.save(conn, people.now).await?;
    Ok(effects)
}

/// Plans all meetings of a unit of work again.
///
/// # Errors
/// When what is stored cannot be read.
pub fn replan_all(
    unit: &mut UnitOfWork,
    people: &People,
    ids: impl IntoIterator<Item = i64>,
) -> anyhow::Result<Effects> {
    let mut effects = Effects::default();
    for id in ids {
        effects.merge(replan(unit.get(id)?, people)?);
    }
    Ok(effects)
}

struct Task<'a> {
    dossier: &'a mut Dossier,
    people: &'a People,
    effects: Effects,
    /// Responses that were set in Odoo by people who may not, in words.
    refused: Vec<Sentence>,
    /// Whether Outlook gets a meeting without its guests, so that Odoo invites them.
    hides_guests: bool,
    /// Whether somebody's choices keep from Outlook what is saved in Odoo.
    is_kept_from_outlook: bool,
}

impl<'a> Task<'a> {
    fn new(dossier: &'a mut Dossier, people: &'a People) -> Self {
        Self {
            dossier,
            people,
            effects: Effects::default(),
            refused: Vec::new(),
            hides_guests: false,
            is_kept_from_outlook: false,
        }
    }
}

impl Task<'_> {
    /// Discards what was planned and not sent. Returns `false` if a request is in flight, so that
    /// nothing may be planned now.
    fn clear_the_air(&mut self) -> bool {
        let is_fixed = |write: &&OutlookWrite| write.in_flight_since.is_some() || write.stands;
        let mut fixed = self.dossier.writes.iter().filter(is_fixed);
        if fixed.any(|write| !self.is_unsettled_response(write)) {
            return false;
        }
        if let Some(debt) = self.dossier.debt.as_ref().filter(|d| d.delivered_at.is_some()) {
            self.effects.poke_users.insert(debt.user_id);
            return false;
        }
        self.dossier.debt = None;
        let mut writes = std::mem::take(&mut self.dossier.writes);
        writes.retain(|write| self.is_unsettled_response(write));
        self.dossier.writes = writes;
        true
    }

    /// Returns whether a write is a guest's response of which nobody learns what became of it before
    /// the guest's mailbox is worked again. It only keeps this guest from responding.
    fn is_unsettled_response(&self, write: &OutlookWrite) -> bool {
        let account = self.people.account(write.account_id);
        let is_worked = account.is_some_and(|account| account.is_connected() && account.is_active());
        write.kind == WriteKind::Respond && write.in_flight_since.is_some() && !write.stands && !is_worked
    }

    /// Returns whether something is to be written, beside unsettled responses.
    fn has_writes(&self) -> bool {
        self.dossier
            .writes
            .iter()
            .any(|write| !self.is_unsettled_response(write))
    }

    /// Returns whether a response from this mailbox is unsettled.
    fn is_unsettled(&self, account_id: i64) -> bool {
        let mut own = self.dossier.writes.iter().filter(|w| w.account_id == account_id);
        own.any(|write| self.is_unsettled_response(write))
    }

    fn decide(&mut self) -> anyhow::Result<()> {
        // After a new pairing, Odoo has not shown yet whether it still has the record.
        if self.dossier.meeting.unconfirmed {
            return Ok(());
        }
        // During a reset, the organizer's meetings wait until it is over.
        let organizer = self.dossier.meeting.organizer_in_odoo();
        let organizer = organizer.and_then(|user| self.people.account_of_user(user));
        if organizer.is_some_and(|account| account.resetting) {
            return Ok(());
        }
        if self.dossier.meeting.kept {
            self.set_aside(&Reason::KeptInOdoo, Level::Info);
            return Ok(());
        }
        if self.dossier.meeting.unsent {
            self.set_aside(&Reason::Unsent, Level::Info);
            return Ok(());
        }
        // The organizer's mailbox cannot be read, so its state is unknown. Wait for the next login.
        if self
            .dossier
            .copies
            .iter()
            .any(|c| c.is_organizer && !c.gone && self.is_asleep(c))
        {
            return Ok(());
        }
        let record = self.dossier.meeting.record()?;
        if !self.is_read(record.as_ref())? {
            return Ok(());
        }
        if !self.take_over(record.as_ref())? {
            return Ok(());
        }
        if self.dossier.meeting.ended && !self.goes_on(record.as_ref())? {
            return Ok(());
        }
        self.compare(record.as_ref())
    }

    /// Nothing is ever written to a further calendar. No plan does it; this holds should one be wrong.
    fn keep_off_further_calendars(&mut self) {
        let copies = &self.dossier.copies;
        let is_further = |write: &OutlookWrite| {
            write.graph_id.as_deref().is_some_and(|id| {
                let mut known = copies.iter().filter(|copy| copy.is(write.account_id, id));
                known.any(|copy| copy.calendar.is_some())
            })
        };
        let before = self.dossier.writes.len();
        self.dossier.writes.retain(|write| !is_further(write));
        if self.dossier.writes.len() < before {
            tracing::error!(
                meeting.id = self.dossier.meeting.id,
                "a write to a further calendar was planned, and is not sent"
            );
        }
    }

    fn is_asleep(&self, copy: &Copy) -> bool {
        self.people
            .account(copy.account_id)
            .is_some_and(|a| !a.is_connected())
    }

    /// Chooses the copy that represents the meeting: the organizer's if it is connected, otherwise
    /// an attendee's.
    fn choose_copy(&self) -> Option<(&Copy, Rights)> {
        let connected = |c: &&Copy| {
            self.people
                .account(c.account_id)
                .is_some_and(Person::is_connected)
        };
        let organizers = self
            .dossier
            .copies
            .iter()
            .filter(|c| c.is_organizer && connected(c));
        if let Some(copy) = organizers
            .clone()
            .find(|c| !c.gone)
            .or_else(|| organizers.clone().next_back())
        {
            return Some((copy, Rights::Write));
        }
        let attendees = self
            .dossier
            .copies
            .iter()
            .filter(|c| !c.is_organizer && connected(c));
        attendees
            .clone()
            .find(|c| !c.gone && !c.cancelled)
            .or_else(|| attendees.clone().find(|c| c.cancelled))
            .or_else(|| attendees.clone().next_back())
            .map(|copy| (copy, Rights::ReadOnly))
    }

    /// Returns the organizer's mailbox if it is connected, and only a guest's mailbox has shown the
    /// meeting so far.
    fn organizer_unread(&self, rights: Rights, outlook: Option<&Event>) -> Option<&Person> {
        let organizer = outlook
            .filter(|_| rights == Rights::ReadOnly)?
            .organizer
            .as_ref()?;
        self.people
            .account_of_address(&organizer.address)
            .filter(|account| account.is_connected())
    }

    fn set_aside(&mut self, reason: &Reason, level: Level) {
        if self.dossier.meeting.set_aside.as_ref() != Some(reason) {
            self.dossier.meeting.set_aside = Some(reason.clone());
            self.write_journal(level, say::is_not_synced(reason.sentence()));
        }
    }

    fn say_what_outlook_keeps(&mut self, staying: &[(Group, Sentence)]) {
        for (_, words) in staying {
            self.write_journal(Level::Warning, words.clone());
        }
    }

    /// Writes a journal line for the user whom Odoo names as organizer.
    fn write_journal(&mut self, level: Level, message: impl Into<Said>) {
        let user_id = self.dossier.meeting.organizer_in_odoo();
        let line = Line::of(&self.dossier.meeting, user_id, level, message, None);
        self.dossier.lines.push(line);
    }

    /// Returns an id made of link and generation, so that a repeated creation returns the event of
    /// the first one (Graph: event-post-events, `transactionId`).
    fn transaction_id(&self) -> String {
        format!(
            "{}-{}",
            self.dossier.meeting.link, self.dossier.meeting.generation
        )
    }
}

/// Adds the words about pictures: one that is attached to an event in Outlook is not copied to
/// another event.
fn about_pictures(event: &Event, made: Sentence) -> Sentence {
    if body::has_attached_pictures(&event.body) {
        say::words_for_pictures(made)
    } else {
        made
    }
}

/// Returns the addresses under which Outlook may list people whom Odoo lists under another one.
fn aliases_of(record: Option<&Record>, base: Option<&Base>, people: &People) -> Aliases {
    let snapshot = record.and_then(|record| record.template().ok());
    let mut aliases = people.aliases(snapshot.as_ref());
    if let Some(base) = base {
        let odoo = record.and_then(|record| record.document(&people.mailboxes).ok()?);
        let in_odoo = odoo.iter().flat_map(everybody).collect();
        aliases.learn(all_guests(&base.outlook), &in_odoo);
    }
    aliases
}

/// Returns what a mailbox shows of a meeting, with its attendees under Odoo's addresses.
///
/// # Errors
/// When what is stored cannot be read.
pub fn as_known(meeting: &Meeting, shown: &Document, people: &People) -> anyhow::Result<Document> {
    let aliases = aliases_of(meeting.record()?.as_ref(), meeting.base()?.as_ref(), people);
    Ok(series::renamed_document(shown.clone(), &aliases))
}

/// Renames the attendees of an event to the addresses in Odoo's snapshot.
fn renamed(mut event: Event, aliases: &Aliases) -> Event {
    let organizer = event.organizer.as_ref().map(|organizer| &organizer.address);
    aliases.rename(&mut event.attendees, organizer);
    event
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Permit {
    Yes,
    No,
    SetAside(Reason),
}

/// Returns the groups in which Outlook's event `now` keeps its own value although it should be
/// changed, and why.
fn groups_outlook_keeps(groups: &[Group], event: &Event, now: &wire::WireEvent) -> Vec<(Group, Sentence)> {
    let text = wire::keeps_outlook_text(groups, event, now).then(|| (Group::Body, say::keeps_text()));
    let guests =
        wire::keeps_outlook_guests(groups, event, now).then(|| (Group::Attendees, say::keeps_guests()));
    text.into_iter().chain(guests).collect()
}

/// Parses a response that is stored under Odoo's name.
pub fn read_answer(name: Option<&str>) -> Answer {
    match name {
        Some("accepted") => Answer::Accepted,
        Some("tentative") => Answer::Tentative,
        Some("declined") => Answer::Declined,
        _ => Answer::NeedsAction,
    }
}

/// Parses the groups of an outbox row.
///
/// # Errors
/// When the row was written by another version of the service.
pub fn read_groups(value: &Value) -> anyhow::Result<BTreeSet<Group>> {
    from_json(value.clone(), "groups")
}

/// The most characters of a value that the journal shows: a description may have megabytes.
const LONGEST_VALUE: usize = 1_000;

fn shortened(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Returns a value as the journal shows it, and its English text.
fn shown(value: &Arg) -> (Arg, String) {
    let english = value.in_english(words::DAY);
    let text = shortened(&english);
    // What is too long is said in English.
    let value = if text == english {
        value.clone()
    } else {
        (&text).into()
    };
    (value, text)
}

/// Returns the lines about those conflicts that a write decides.
fn decisions(
    conflicts: &[DocumentConflict],
    decides: impl Fn(&DocumentConflict) -> bool,
    mailboxes: &Mailboxes,
) -> Vec<Decision> {
    let decided = conflicts.iter().filter(|one| decides(one));
    decided
        .map(|DocumentConflict { slot, conflict }| {
            let (said_odoo, odoo) = shown(&conflict.odoo);
            let (said_outlook, outlook) = shown(&conflict.outlook);
            let (odoo_words, outlook_words) = (said_odoo.to_json(), said_outlook.to_json());
            let group = words::group(conflict.group);
            let what = match *slot {
                Some(slot) => say::about_occurrence(group, slot),
                None => group,
            };
            let said = match conflict.kept {
                Side::Odoo => say::kept_odoos(what, said_odoo, said_outlook),
                Side::Outlook => say::kept_outlooks(what, said_outlook, said_odoo),
            };
            let conflict = journal::Conflict {
                field: Some(conflict.group.name().to_owned()),
                slot: *slot,
                kept: Some(conflict.kept.name().to_owned()),
                odoo: Some(odoo),
                outlook: Some(outlook),
                odoo_words,
                outlook_words,
                other: enterable(conflict, mailboxes).map(Value::Object),
            };
            Decision::Said {
                said: said.into(),
                conflict: Box::new(conflict),
            }
        })
        .collect()
}

/// Returns the value that was not kept, as a person can enter it in Odoo's form; `None` if nobody
/// can.
fn enterable(conflict: &Conflict, mailboxes: &Mailboxes) -> Option<snapshot::Values> {
    match conflict.group {
        // Neither a meeting of Teams nor what a guest has answered is entered there.
        Group::Online | Group::Attendees => None,
        // A form neither begins nor ends a repetition of what Outlook has, with the times of the other.
        Group::Time if !conflict.same_kind => None,
        Group::Time if !conflict.fallen.is_single() => schedule_values(&conflict.fallen, mailboxes).ok(),
        group => {
            let groups = BTreeSet::from([group]);
            Some(snapshot::values(
                &groups,
                &conflict.fallen.master,
                None,
                mailboxes,
            ))
        }
    }
}

pub(crate) fn all_groups() -> BTreeSet<Group> {
    Group::SINGLE.into_iter().chain([Group::Attendees]).collect()
}

fn list_groups(groups: &BTreeSet<Group>) -> Vec<Sentence> {
    groups.iter().copied().map(words::group).collect()
}

fn in_words(mails: &[Mail]) -> Sentence {
    type Counted = (fn() -> Sentence, fn(usize) -> Sentence);
    let counted = |kind: fn(&Mail) -> bool, (one, several): Counted| match mails
        .iter()
        .filter(|mail| kind(mail))
        .count()
    {
        0 => None,
        1 => Some(one()),
        n => Some(several(n)),
    };
    let parts = [
        counted(
            |mail| matches!(mail, Mail::Invitation(_)),
            (say::one_invitation, say::invitations),
        ),
        counted(
            |mail| matches!(mail, Mail::Update(_)),
            (say::one_update, say::updates),
        ),
        counted(
            |mail| matches!(mail, Mail::Cancellation(_)),
            (say::one_cancellation, say::cancellations),
        ),
    ];
    let parts: Vec<Sentence> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        say::no_mail()
    } else {
        say::outlook_sends(parts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::calendar::merge::{EditTimes, Policy, merge};
    use crate::odoo::mailboxes::Mailboxes;
    use crate::odoo::snapshot::tests::snapshot;
    use crate::odoo::snapshot::{AttendeeLine, Snapshot};
    use crate::outlook::wire::WireEvent;

    fn line(id: i32, email: &str) -> AttendeeLine {
        AttendeeLine {
            id,
            partner_id: id + 50,
            user_id: None,
            email: Some(email.to_owned()),
            name: None,
            state: "needsAction".to_owned(),
            answered_by: None,
        }
    }

    /// Returns the guests in Outlook after Odoo's guests became `after`. Both sides had agreed on
    /// `before` and on `in_outlook`. `None` if nothing is written.
    fn written(before: &[AttendeeLine], after: &[AttendeeLine], in_outlook: &[&str]) -> Option<Vec<String>> {
        let record = |lines: &[AttendeeLine]| Snapshot {
            attendees: lines.to_vec(),
            ..snapshot()
        };
        let (before, after) = (record(before), record(after));
        let guest = |address: &&str| json!({ "type": "required", "emailAddress": { "address": address } });
        let now: WireEvent = serde_json::from_value(json!({
            "id": "E", "subject": "Review", "isOrganizer": true, "isAllDay": false,
            "organizer": { "emailAddress": { "address": "ann@contoso.com" } },
            "start": { "dateTime": "2026-11-22T10:00:00", "timeZone": "UTC" },
            "end": { "dateTime": "2026-11-22T11:00:00", "timeZone": "UTC" },
            "attendees": in_outlook.iter().map(guest).collect::<Vec<_>>(),
        }))
        .unwrap();
        let none = Mailboxes::new();
        let shown = |record: &Snapshot| renamed(wire::to_event(&now).unwrap(), &record.aliases(&none));
        let base = Base {
            odoo: before.to_event(&none).unwrap(),
            outlook: shown(&before),
        };
        let odoo = after.to_event(&none).unwrap();
        let merged = merge(
            Some(&base),
            &odoo,
            &shown(&after),
            &EditTimes::default(),
            Policy::default(),
        );
        if !merged.to_outlook.contains(&Group::Attendees) {
            return None;
        }
        let body = wire::patch_body(&[Group::Attendees], &merged.outlook, &now);
        let address = |guest: &Value| guest["emailAddress"]["address"].as_str().unwrap().to_owned();
        Some(
            body["attendees"]
                .as_array()
                .unwrap()
                .iter()
                .map(address)
                .collect(),
        )
    }

    #[test]
    fn a_second_address_stays_invited_when_another_guest_is_added() {
        let both = [line(5, "a@ext.example, b@ext.example")];
        let in_outlook = ["a@ext.example", "b@ext.example"];
        assert_eq!(written(&both, &both, &in_outlook), None);
        let after = [both[0].clone(), line(6, "c@ext.example")];
        let there = written(&both, &after, &in_outlook).unwrap();
        assert_eq!(there, ["a@ext.example", "b@ext.example", "c@ext.example"]);
    }

    #[test]
    fn an_address_that_is_added_to_a_contact_is_invited() {
        let one = [line(5, "a@ext.example")];
        let both = [line(5, "a@ext.example; b@ext.example")];
        let there = written(&one, &both, &["a@ext.example"]).unwrap();
        assert_eq!(there, ["a@ext.example", "b@ext.example"]);
        // Outlook was sent these guests, whatever it has stored.
        assert_eq!(written(&both, &both, &["a@ext.example"]), None);
    }
}
