//! Turns what is known of one meeting into what is owed to either side.
//!
//! Runs inside the transaction that stored the news, under the database's lock. While a request for the meeting is
//! in the air (to Outlook or to Odoo) nothing is planned; its outcome brings the meeting here again. What is owed
//! but not yet sent is thrown away and planned anew, so that quick edits become one write.

mod answers;
pub mod closed;
mod endings;
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

use serde_json::{Value, json};

pub use answers::agree as agree_on_answers;

use crate::calendar::body;
use crate::calendar::document::Document;
use crate::calendar::event::{Aliases, Answer, Event};
use crate::calendar::field::{Group, Side};
use crate::calendar::invitations::{Guests, Withheld, all_guests, everybody};
use crate::calendar::merge::{Base, Conflict, EditTimes, Told, advance, by_organizer};
use crate::calendar::plan::{
    Mail, OdooState, OdooStep, OutlookState, OutlookStep, Plan, Rights, Situation, plan,
};
use crate::calendar::series::merge::SeriesBase;
use crate::calendar::words;
use crate::odoo::exchange::{OdooChange, Place};
use crate::odoo::record::Record;
use crate::odoo::snapshot::{self, Snapshot};
use crate::outlook::wire;
use crate::planning::observation::as_listed;
use crate::planning::people::People;
use crate::store::accounts::{Account, BackfillState};
use crate::store::from_json;
use crate::store::journal::{Done, Level, Line};
use crate::store::meetings::{Copy, Meeting};
use crate::store::outbox::{OdooDebt, OutlookWrite, WriteKind};
use crate::store::unit::{Dossier, UnitOfWork};
use organizer::Organizer;

/// Who must be told that there is something to do.
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

/// What the reader of a set-aside meeting is told, by reason.
const UNCONNECTED: &str = "the organizer's mailbox is not connected";
/// Bytes of a description. Graph takes requests of four million, in which it is escaped.
const LARGEST_BODY: usize = 2_000_000;
/// What is said where Odoo's description is not written, as Outlook's is longer than what Odoo is shown.
const KEEPS_TEXT: &str = "the description was changed in Odoo, which has only the beginning of Outlook's: that stays as it is, and is edited in \
     Outlook alone";
/// What is said where guests are not written, as Outlook lists somebody by an internal path of Exchange.
const KEEPS_GUESTS: &str = "the guests were changed in Odoo, but Outlook names one of them by an internal path of Exchange and no address, and may \
     not take that back: its list stays as it is, and is edited in Outlook alone";
const KEPT: &str = "It was deleted in Outlook, and an administrator decided to keep it in Odoo";

/// Plans one meeting anew.
///
/// # Errors
/// When what is stored cannot be read.
pub fn replan(dossier: &mut Dossier, people: &People) -> anyhow::Result<Effects> {
    let mut task = Task {
        dossier,
        people,
        effects: Effects::default(),
        refused: Vec::new(),
    };
    let before = task.dossier.meeting.set_aside.clone();
    if task.clear_the_air() {
        task.decide()?;
        task.break_repeats(before.as_deref());
        task.tell_who_mails()?;
        task.keep_to_the_pace()?;
        task.forget_savers();
    }
    Ok(task.effects)
}

/// Tells Odoo who tells a meeting's guests, where that has changed.
///
/// # Errors
/// When what is stored cannot be read.
pub fn tell_who_mails(dossier: &mut Dossier, people: &People) -> anyhow::Result<Effects> {
    let mut task = Task {
        dossier,
        people,
        effects: Effects::default(),
        refused: Vec::new(),
    };
    task.tell_who_mails()?;
    Ok(task.effects)
}

/// Plans all meetings of a unit of work anew.
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
    /// Answers that were given in Odoo by nobody who may give them, in words.
    refused: Vec<String>,
}

impl Task<'_> {
    /// Throws away what was planned and not sent; `false`: something is in the air, come back later.
    fn clear_the_air(&mut self) -> bool {
        let writes = &self.dossier.writes;
        if writes.iter().any(|w| w.in_flight_since.is_some() || w.stands) {
            return false;
        }
        if let Some(debt) = self.dossier.debt.as_ref().filter(|d| d.delivered_at.is_some()) {
            self.effects.poke_users.insert(debt.user_id);
            return false;
        }
        self.dossier.debt = None;
        self.dossier.writes.clear();
        true
    }

    fn decide(&mut self) -> anyhow::Result<()> {
        // Paired anew: Odoo has not shown yet whether it still has the record.
        if self.dossier.meeting.unconfirmed {
            return Ok(());
        }
        // What a reset under way is about is planned after it.
        let organizer = self.dossier.meeting.organizer_in_odoo();
        let organizer = organizer.and_then(|user| self.people.account_of_user(user));
        if organizer.is_some_and(|account| account.resetting) {
            return Ok(());
        }
        if self.dossier.meeting.kept {
            self.set_aside(KEPT, Level::Info);
            return Ok(());
        }
        if self.dossier.meeting.unsent {
            self.set_aside(guests::UNSENT, Level::Info);
            return Ok(());
        }
        // Nothing is known of a mailbox that nobody can look into: what is to be done waits for the login.
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
        if self.is_series(record.as_ref())? {
            return self.decide_series(record.as_ref());
        }
        let snapshot = self.dossier.meeting.snapshot()?;
        let odoo_event = match &snapshot {
            Some(snapshot) => match snapshot.to_event(&self.people.mailboxes) {
                Ok(event) => Some(event),
                Err(reason) => {
                    self.set_aside(&reason, Level::Error);
                    return Ok(());
                }
            },
            None => None,
        };
        let odoo = match (&snapshot, &odoo_event) {
            _ if self.dossier.meeting.odoo_gone => OdooState::Gone,
            (Some(snapshot), Some(event)) if snapshot.active => OdooState::Active(event),
            (Some(_), _) => OdooState::Gone,
            (None, _) => OdooState::Missing,
        };
        // What is not wanted any more is deleted, however long it is.
        if let OdooState::Active(event) = odoo
            && event.body.len() > LARGEST_BODY
        {
            let reason = too_large(&event.body);
            self.set_aside(&reason, Level::Warning);
            return Ok(());
        }
        let permit = match (odoo, &record) {
            (OdooState::Active(event), Some(record)) if self.choose_copy().is_none() => {
                self.may_create(record, event)?
            }
            _ => Permit::No,
        };
        if let Permit::SetAside(reason) = permit {
            self.set_aside(&reason, Level::Info);
            return Ok(());
        }
        let closed = match (odoo, &record) {
            (OdooState::Active(event), Some(record)) => closed::why_closed(record, event, self.people),
            _ => None,
        };
        let chosen = self.choose_copy();
        let agreed = self.dossier.meeting.series_base()?;
        let aliases = aliases_of(record.as_ref(), agreed.as_ref(), self.people);
        let base = self.dossier.meeting.base()?.map(|base| Base {
            odoo: renamed(base.odoo, &aliases),
            outlook: renamed(base.outlook, &aliases),
        });
        let unlisted = self.unlisted(base.as_ref().map(|base| &base.outlook.attendees))?;
        let (outlook_event, rights) = match chosen {
            Some((copy, rights)) => {
                let mut event = renamed(copy.event()?, &aliases);
                unlisted::add(&unlisted, &mut event);
                (Some(event), rights)
            }
            None => (None, Rights::Write),
        };
        if let (OdooState::Active(event), Some(outlook), Some(record)) = (odoo, &outlook_event, &record) {
            let others = event.guests().any(|guest| !outlook.attendees.contains_key(guest));
            self.settle_guests(record, rights, others);
        }
        if let (OdooState::Active(event), Some(snapshot), None) = (odoo, &snapshot, &closed) {
            let guests = outlook_event.iter().flat_map(Event::guests).cloned();
            let mails: Vec<Mail> = guests.map(Mail::Cancellation).collect();
            let state = serde_json::to_value(event)?;
            match self.follow_organizer(snapshot, state, &mails, false)? {
                Organizer::Same => {}
                Organizer::Leaves => return Ok(()),
                Organizer::HasLeft => return self.begin_anew(record.as_ref()),
            }
        }
        let chosen = self.choose_copy();
        let unread = self.organizer_unread(rights, outlook_event.as_ref()).cloned();
        // Taken off Odoo's calendar: the organizer's mailbox, which is ours to write, will show it.
        if odoo == OdooState::Gone && unread.is_some() {
            return Ok(());
        }
        let outlook = match (chosen, &outlook_event) {
            (Some((copy, rights)), Some(event)) => self.outlook_state(copy, rights, event),
            _ => OutlookState::Missing,
        };
        let chosen_account = chosen
            .and_then(|(copy, _)| self.people.account(copy.account_id))
            .cloned();
        let chosen_copy = chosen.map(|(copy, _)| copy.clone());
        let base = match (base, &odoo_event, &outlook_event) {
            (Some(base), Some(odoo), Some(outlook))
                if rights == Rights::Write && self.dossier.meeting.base_by_guest =>
            {
                Some(by_organizer(base, odoo, outlook))
            }
            (base, ..) => base,
        };
        let whole = odoo_event.as_ref();
        let mut shown = odoo_event.clone();
        let mut withheld = Withheld::default();
        if let (Guests::Withheld, Some(shown)) = (self.dossier.meeting.guests(), &mut shown) {
            withheld = Withheld::from_event(shown, outlook_event.as_ref(), base.as_ref());
        }
        let odoo_event = shown;
        let odoo = match (odoo, &odoo_event) {
            (OdooState::Active(_), Some(shown)) => OdooState::Active(shown),
            _ => odoo,
        };
        let times = EditTimes {
            odoo: self.dossier.meeting.edit_times()?,
            outlook: chosen.and_then(|(copy, _)| copy.modified_at),
        };
        let situation = Situation {
            base: base.as_ref(),
            odoo,
            outlook,
            rights: if closed.is_some() {
                Rights::ReadOnly
            } else {
                rights
            },
            create_in_outlook: permit == Permit::Yes,
            create_in_odoo: chosen_account
                .as_ref()
                .is_some_and(|a| a.existing == BackfillState::Told && !a.resetting),
            times: &times,
            policy: self.people.policy(),
        };
        let mut plan = plan(&situation);
        if let (Some(snapshot), OdooState::Active(event)) = (&snapshot, odoo) {
            let planned = match &plan.odoo {
                OdooStep::Write { target, .. } => Some(target),
                OdooStep::Nothing => Some(event),
                OdooStep::Create(_) | OdooStep::Archive => None,
            };
            if let Some(planned) = planned {
                let answers = self.plan_answers(snapshot, planned, base.as_ref())?;
                answers::say(&answers, &mut plan, event);
            }
        }
        if let OdooStep::Write { target, .. } = &mut plan.odoo {
            withheld.give_back(target);
        }
        self.note(&plan, closed.as_deref());

        let organizer = snapshot.as_ref().and_then(|s| self.people.organizer(s)).cloned();
        let write_account = chosen_account.clone().or(organizer);
        let mails = plan.mails(outlook);
        match &plan.outlook {
            OutlookStep::Nothing => {}
            step => {
                if let (Some(account), Some(odoo_event)) =
                    (&write_account, odoo_event.as_ref().or(outlook_event.as_ref()))
                {
                    let planned = Planned {
                        shown: outlook_event.as_ref(),
                        mails: &mails,
                        conflicts: &plan.conflicts,
                    };
                    self.owe_outlook(account, step, odoo_event, chosen_copy.as_ref(), planned)?;
                }
            }
        }
        let owner = chosen_account.or(write_account);
        if let Some(owner) = owner {
            // That a guest is not invited any more is no end: the organizer's mailbox may have the meeting.
            let held_for = unread.filter(Account::is_read).map_or(owner.id, |a| a.id);
            self.owe_odoo(
                &owner,
                held_for,
                &plan,
                snapshot.as_ref(),
                whole,
                outlook_event.as_ref(),
            )?;
        }
        if plan.agreed
            && let (Some(odoo), Some(outlook)) = (&odoo_event, &outlook_event)
        {
            self.agree(odoo, outlook, &plan.differing)?;
            self.dossier.meeting.base_by_guest = rights == Rights::ReadOnly;
        }
        if plan.ended
            && plan.is_idle()
            && !matches!((odoo, outlook), (OdooState::Missing, OutlookState::Missing))
        {
            self.dossier.meeting.ended = true;
        }
        self.dossier.meeting.differs = !plan.differing.is_empty();
        self.dossier.meeting.set_aside = None;
        Ok(())
    }

    /// Whether one of the two sides has a series.
    fn is_series(&self, record: Option<&Record>) -> anyhow::Result<bool> {
        if record.is_some_and(|record| record.series().is_some()) {
            return Ok(true);
        }
        match self.choose_copy() {
            Some((copy, _)) => Ok(!copy.document()?.is_single()),
            None => Ok(false),
        }
    }

    fn is_asleep(&self, copy: &Copy) -> bool {
        self.people
            .account(copy.account_id)
            .is_some_and(|a| !a.is_connected())
    }

    /// The copy that speaks for the meeting: the organizer's where it is connected, else an attendee's.
    fn choose_copy(&self) -> Option<(&Copy, Rights)> {
        let connected = |c: &&Copy| {
            self.people
                .account(c.account_id)
                .is_some_and(Account::is_connected)
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

    /// The mailbox of the organizer, where it is connected and only a guest's has shown the meeting so far.
    fn organizer_unread(&self, rights: Rights, outlook: Option<&Event>) -> Option<&Account> {
        let organizer = outlook
            .filter(|_| rights == Rights::ReadOnly)?
            .organizer
            .as_ref()?;
        self.people
            .account_of_address(&organizer.address)
            .filter(|account| account.is_connected())
    }

    fn outlook_state<'e>(&self, copy: &Copy, rights: Rights, event: &'e Event) -> OutlookState<'e> {
        match rights {
            Rights::Write if copy.gone || copy.cancelled => OutlookState::Gone,
            Rights::ReadOnly if copy.cancelled => OutlookState::Gone,
            // An attendee who removed their own copy has declined; the meeting stands.
            _ => OutlookState::Present(event),
        }
    }

    fn owe_outlook(
        &mut self,
        account: &Account,
        step: &OutlookStep,
        odoo_event: &Event,
        copy: Option<&Copy>,
        planned: Planned<'_>,
    ) -> anyhow::Result<()> {
        let mut groups: BTreeSet<Group> = all_groups();
        let mut told = None;
        let mut staying = Vec::new();
        let (kind, body) = match step {
            OutlookStep::Nothing => return Ok(()),
            OutlookStep::Create(event) => {
                let transaction_id = self.transaction_id();
                let extra = wire::ExtraForCreate {
                    transaction_id: &transaction_id,
                    link: self.dossier.meeting.link,
                };
                (WriteKind::Create, wire::create_body(event, extra))
            }
            OutlookStep::Update {
                groups: wanted,
                target,
            } => {
                let Some(copy) = copy else { return Ok(()) };
                let now = as_listed(copy)?;
                // What guests cannot see goes alone, so that the request mails nobody; it follows the rest.
                let (visible, own): (Vec<Group>, Vec<Group>) =
                    wanted.iter().partition(|group| group.visible_to_guests());
                staying = what_stays(&visible, target, &now);
                let body_of = |groups: &[Group]| wire::patch_body(groups, target, &now);
                let chosen = [visible, own]
                    .into_iter()
                    .map(|groups| (body_of(&groups), groups));
                let Some((body, list)) = chosen.into_iter().find(|(body, _)| body != &json!({})) else {
                    self.say_what_stays(&staying);
                    // Outlook says the rest already, in its own words.
                    let now = copy.event()?;
                    let shown = planned.shown.unwrap_or(&now);
                    let base = self.dossier.meeting.base()?;
                    let base = advance(
                        base,
                        wanted,
                        &Told::of(target),
                        (odoo_event, shown),
                        Side::Outlook,
                    );
                    return self.dossier.meeting.set_base(Some(&base));
                };
                let answers_stay = wire::loses_answers(&list, &copy.wire_event()?);
                groups = list.into_iter().collect();
                told = Some(Told {
                    answers_stay,
                    left: wanted.difference(&groups).copied().collect(),
                    ..Told::of(target)
                });
                (WriteKind::Update, body)
            }
            OutlookStep::Delete => (WriteKind::Delete, json!({})),
        };
        let message = match step {
            OutlookStep::Create(event) => {
                format!(
                    "made in Outlook, {}{}",
                    words::time(&event.time),
                    about_pictures(event)
                )
            }
            OutlookStep::Update { target, .. } => {
                let before = copy.map(Copy::event).transpose()?;
                let before = before.as_ref().unwrap_or(odoo_event);
                format!("{} · from Odoo", words::change(&groups, before, target))
            }
            _ => "deleted in Odoo, and now from Outlook".to_owned(),
        };
        let mut decided = decisions(planned.conflicts, Side::Odoo, &groups);
        decided.extend(self.unreachable(&groups)?);
        let staying = staying.iter().filter(|(group, _)| groups.contains(group));
        decided.extend(staying.map(|(_, words)| (*words).to_owned()));
        let waits = self.waits(account.odoo_user_id, planned.mails)?;
        let line = Done {
            message: format!("{message} · {}{}", in_words(planned.mails), waits.whose),
            decisions: decided,
            content: copy
                .filter(|_| *step == OutlookStep::Delete)
                .map(|c| c.state.clone()),
        };
        self.dossier.writes.push(OutlookWrite {
            account_id: account.id,
            meeting_id: self.dossier.meeting.id,
            kind,
            graph_id: copy.map(|c| c.graph_id.clone()),
            change_key: copy.and_then(|c| c.change_key.clone()),
            body,
            odoo_state: Some(serde_json::to_value(odoo_event)?),
            groups: serde_json::to_value(&groups)?,
            line: Some(serde_json::to_value(&line)?),
            mails: i32::try_from(planned.mails.len()).unwrap_or(i32::MAX),
            collected: waits.collected,
            asks: waits.asks,
            told: told.map(serde_json::to_value).transpose()?,
            ..OutlookWrite::default()
        });
        self.effects.wake_accounts.insert(account.id);
        Ok(())
    }

    fn owe_odoo(
        &mut self,
        owner: &Account,
        held_for: i64,
        plan: &Plan,
        snapshot: Option<&Snapshot>,
        odoo_event: Option<&Event>,
        outlook_event: Option<&Event>,
    ) -> anyhow::Result<()> {
        let step = &plan.odoo;
        let mailboxes = &self.people.mailboxes;
        let user_id = owner.odoo_user_id;
        let (change, groups, message) = match (step, snapshot) {
            (OdooStep::Create(event), _) => {
                let values = snapshot::create_values(event, mailboxes);
                let groups = all_groups();
                let change = OdooChange::Create {
                    link: self.dossier.meeting.link,
                    user_id,
                    values,
                };
                (
                    change,
                    groups,
                    format!("made in Odoo from Outlook, {}", words::time(&event.time)),
                )
            }
            (OdooStep::Write { groups, target }, Some(present)) => {
                let values = snapshot::values(groups, target, Some(present), mailboxes);
                let before = odoo_event.unwrap_or(target);
                let message = format!("{} · from Outlook", words::change(groups, before, target));
                let version = present.version.clone();
                (
                    OdooChange::Write {
                        res_id: present.id,
                        user_id,
                        version,
                        values,
                    },
                    groups.clone(),
                    message,
                )
            }
            (OdooStep::Archive, Some(present)) => {
                let version = present.version.clone();
                let message = "deleted in Outlook, and archived in Odoo".to_owned();
                (
                    OdooChange::Archive {
                        place: Place {
                            res_id: present.id,
                            model: None,
                            key: None,
                        },
                        user_id,
                        version,
                    },
                    BTreeSet::new(),
                    message,
                )
            }
            _ => return Ok(()),
        };
        let mut decided = decisions(&plan.conflicts, Side::Outlook, &groups);
        decided.append(&mut self.refused);
        let line = Done {
            message: format!("{message} · no mail"),
            decisions: decided,
            content: None,
        };
        let debt = OdooDebt {
            database_id: self.dossier.meeting.database_id,
            meeting_id: self.dossier.meeting.id,
            user_id,
            payload: serde_json::to_value(&change)?,
            outlook_state: outlook_event.map(serde_json::to_value).transpose()?,
            groups: serde_json::to_value(&groups)?,
            held_for: (*step == OdooStep::Archive).then_some(held_for),
            line: Some(serde_json::to_value(&line)?),
            ..OdooDebt::default()
        };
        // It passes the brake at the end of the mailbox's next run.
        self.effects.wake_accounts.extend(debt.held_for);
        self.dossier.debt = Some(debt);
        self.effects.poke_users.insert(user_id);
        Ok(())
    }

    /// Both sides say the same: that is the new base, but for groups where Odoo's change could not be written.
    fn agree(&mut self, odoo: &Event, outlook: &Event, differing: &BTreeSet<Group>) -> anyhow::Result<()> {
        let settled: BTreeSet<Group> = Group::SINGLE
            .into_iter()
            .chain([Group::Attendees])
            .filter(|g| !differing.contains(g))
            .collect();
        let base = advance(
            self.dossier.meeting.base()?,
            &settled,
            &Told::default(),
            (odoo, outlook),
            Side::Odoo,
        );
        self.dossier.meeting.set_base(Some(&base))?;
        self.dossier.forget_times(&settled)
    }

    /// `closed`: why nothing is written to Outlook, where it is not for the mailbox's sake.
    fn note(&mut self, plan: &Plan, closed: Option<&str>) {
        if !plan.differing.is_empty() && !self.dossier.meeting.differs {
            let message = format!(
                "{} changed in Odoo, but {}: Outlook keeps its own",
                list_groups(&plan.differing),
                closed.unwrap_or(UNCONNECTED)
            );
            self.write_journal(Level::Warning, message);
        }
    }

    fn set_aside(&mut self, reason: &str, level: Level) {
        if self.dossier.meeting.set_aside.as_deref() != Some(reason) {
            self.dossier.meeting.set_aside = Some(reason.to_owned());
            self.write_journal(level, format!("is not synced: {reason}"));
        }
    }

    fn say_what_stays(&mut self, staying: &[(Group, &str)]) {
        for (_, words) in staying {
            self.write_journal(Level::Warning, (*words).to_owned());
        }
    }

    /// Writes a line for whom Odoo calls the organizer.
    fn write_journal(&mut self, level: Level, message: String) {
        let user_id = self.dossier.meeting.organizer_in_odoo();
        let line = Line::of(&self.dossier.meeting, user_id, level, message, None);
        self.dossier.lines.push(line);
    }

    /// Made of link and generation, so that a repeated creation returns the first one's event
    /// (Graph: event-post-events, `transactionId`).
    fn transaction_id(&self) -> String {
        format!(
            "{}-{}",
            self.dossier.meeting.link, self.dossier.meeting.generation
        )
    }
}

/// A picture that is attached to one event in Outlook is not made in another.
fn about_pictures(event: &Event) -> &'static str {
    if body::has_attached_pictures(&event.body) {
        " · words stand for the pictures, which are attached to an earlier event in Outlook"
    } else {
        ""
    }
}

/// Under which addresses Outlook may have whom Odoo knows by another one.
fn aliases_of(record: Option<&Record>, base: Option<&SeriesBase>, people: &People) -> Aliases {
    let snapshot = record.and_then(|record| record.template().ok());
    let mut aliases = people.aliases(snapshot.as_ref());
    if let Some(base) = base {
        let odoo = record.and_then(|record| record.document(&people.mailboxes).ok()?);
        let odoo = odoo.map(Document::into_series);
        let in_odoo = odoo.iter().flat_map(everybody).collect();
        aliases.learn(all_guests(&base.outlook), &in_odoo);
    }
    aliases
}

/// What a mailbox shows of a meeting, with its attendees under the addresses by which Odoo has them.
///
/// # Errors
/// When what is stored cannot be read.
pub fn as_known(meeting: &Meeting, shown: &Document, people: &People) -> anyhow::Result<Document> {
    let aliases = aliases_of(
        meeting.record()?.as_ref(),
        meeting.series_base()?.as_ref(),
        people,
    );
    Ok(series::renamed_document(shown.clone(), &aliases))
}

/// The event with its attendees under the addresses by which Odoo's snapshot has them.
fn renamed(mut event: Event, aliases: &Aliases) -> Event {
    let organizer = event.organizer.as_ref().map(|organizer| &organizer.address);
    aliases.rename(&mut event.attendees, organizer);
    event
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Permit {
    Yes,
    No,
    SetAside(String),
}

/// What of Outlook's event `now` stays as it is though it is to be changed, and why.
fn what_stays(groups: &[Group], event: &Event, now: &wire::WireEvent) -> Vec<(Group, &'static str)> {
    let text = wire::keeps_its_text(groups, event, now).then_some((Group::Body, KEEPS_TEXT));
    let guests = wire::keeps_its_guests(groups, event, now).then_some((Group::Attendees, KEEPS_GUESTS));
    text.into_iter().chain(guests).collect()
}

/// Reads an answer that we stored under Odoo's name.
pub fn read_answer(name: Option<&str>) -> Answer {
    match name {
        Some("accepted") => Answer::Accepted,
        Some("tentative") => Answer::Tentative,
        Some("declined") => Answer::Declined,
        _ => Answer::NeedsAction,
    }
}

/// Reads the groups of an outbox row.
///
/// # Errors
/// When the row was written by another version of the service.
pub fn read_groups(value: &Value) -> anyhow::Result<BTreeSet<Group>> {
    from_json(value.clone(), "groups")
}

/// What a write will say for itself in the journal.
#[derive(Clone, Copy)]
struct Planned<'a> {
    /// What Outlook shows now.
    shown: Option<&'a Event>,
    mails: &'a [Mail],
    conflicts: &'a [Conflict],
}

/// The conflicts that a write carries out: `kept` is the side whose value it brings to the other.
fn decisions(conflicts: &[Conflict], kept: Side, groups: &BTreeSet<Group>) -> Vec<String> {
    conflicts
        .iter()
        .filter(|conflict| conflict.kept == kept && groups.contains(&conflict.group))
        .map(|conflict| {
            let (kept, other, (stands, falls)) = match conflict.kept {
                Side::Odoo => ("Odoo’s", "Outlook", (&conflict.odoo, &conflict.outlook)),
                Side::Outlook => ("Outlook’s", "Odoo", (&conflict.outlook, &conflict.odoo)),
            };
            format!(
                "{} changed on both sides: kept {kept} “{}”, {other} had “{}”",
                conflict.group.label(),
                stands,
                falls
            )
        })
        .collect()
}

pub(crate) fn all_groups() -> BTreeSet<Group> {
    Group::SINGLE.into_iter().chain([Group::Attendees]).collect()
}

/// Why a description keeps its meeting from Outlook.
fn too_large(body: &str) -> String {
    let tenths = body.len().div_ceil(100_000);
    format!(
        "Its description is too large for Outlook ({}.{} MB, and 2 MB are the most): shorten it, or attach its pictures",
        tenths / 10,
        tenths % 10
    )
}

fn list_groups(groups: &BTreeSet<Group>) -> String {
    groups.iter().map(|g| g.label()).collect::<Vec<_>>().join(", ")
}

fn in_words(mails: &[Mail]) -> String {
    let count = |kind: fn(&Mail) -> bool| mails.iter().filter(|m| kind(m)).count();
    let parts = [
        (count(|m| matches!(m, Mail::Invitation(_))), "invitation"),
        (count(|m| matches!(m, Mail::Update(_))), "update"),
        (count(|m| matches!(m, Mail::Cancellation(_))), "cancellation"),
    ];
    let text: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}{}", if *n == 1 { "" } else { "s" }))
        .collect();
    if text.is_empty() {
        "no mail".to_owned()
    } else {
        format!("Outlook sends {}", text.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::merge::{Policy, merge};
    use crate::odoo::mailboxes::Mailboxes;
    use crate::odoo::snapshot::AttendeeLine;
    use crate::odoo::snapshot::tests::snapshot;
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

    /// Whom Outlook has after Odoo's guests became `after`, both sides having agreed on `before` and on whom Outlook has
    /// now; `None` where nothing is written.
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
        // Outlook was told, whatever it has made of it.
        assert_eq!(written(&both, &both, &["a@ext.example"]), None);
    }
}
