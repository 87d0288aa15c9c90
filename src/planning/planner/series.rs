//! Compares both sides of a meeting, and turns the result into outbox rows. A single event is
//! written to both sides at once. For a series there is one write to Outlook at a time. After each
//! write the series is read again, as Exchange may drop changed occurrences with a new pattern, and
//! the rest is planned again. Odoo is told last, about the whole series.

mod to_one;

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Map, Value, json};

use super::choices::Whole;
use super::organizer::Organizer;
use super::{
    LARGEST_BODY, Permit, Task, about_pictures, aliases_of, all_groups, answers, closed, decisions,
    groups_outlook_keeps, in_words, list_groups, renamed, unlisted,
};
use crate::calendar::choices::Kept;
use crate::calendar::document::Document;
use crate::calendar::document::Override;
use crate::calendar::document::changes::{Changes, changes};
use crate::calendar::document::merge::{DocumentConflict, Written, advance, agreed, by_organizer};
use crate::calendar::document::plan::{
    OdooStep, OutlookWrite as Step, Plan, Situation, State, Unsayable, mails, plan,
};
use crate::calendar::event::{Aliases, Event};
use crate::calendar::field::{Group, Side};
use crate::calendar::invitations::{Guests, Withheld, everybody};
use crate::calendar::merge::{Base, EditTimes, Policy, Told};
use crate::calendar::plan::{Mail, Rights};
use crate::calendar::recurrence::NoFaithfulForm;
use crate::calendar::words;
use crate::odoo::exchange::{ApplySeries, OdooChange, Place};
use crate::odoo::mailboxes::Mailboxes;
use crate::odoo::record::{NoDocument, Record};
use crate::odoo::recurrence::for_window;
use crate::odoo::series::{Slot, SlotSnapshot, shape};
use crate::odoo::snapshot::{self, Snapshot};
use crate::outlook::wire::{self, WireEvent};
use crate::planning::observation::as_listed;
use crate::store::accounts::BackfillState;
use crate::store::journal::{Decision, Done, Level};
use crate::store::meetings::Copy;
use crate::store::outbox::{OdooDebt, OutlookWrite, WriteKind};
use crate::store::people::Person;
use crate::store::reason::Reason;
use crate::words::{Arg, Said, Sentence, say};

/// The window in days, if no mailbox sets one.
const DAYS_BACK: i64 = 365;
const DAYS_AHEAD: i64 = 730;

/// Both sides of a series, while it is planned.
struct Sides<'a> {
    record: Option<&'a Record>,
    snapshot: Option<&'a Snapshot>,
    odoo: Option<&'a Document>,
    outlook: Option<&'a Document>,
    copy: Option<&'a Copy>,
    /// See [`Task::organizer_unread`].
    unread: Option<&'a Person>,
    /// Odoo's side with the guests that Outlook must not get.
    whole: Option<Document>,
    withheld: Withheld,
    /// Whether one of the two is not a single event.
    is_series: bool,
    /// The addresses of people whose mailbox has another one.
    aliases: &'a Aliases,
    /// Why nothing is written to Outlook, if the mailbox is not the reason.
    closed: Option<&'a Reason>,
    /// Why Odoo gets nothing, by choice.
    kept_from_odoo: Option<&'a Kept>,
}

/// A write to Outlook.
struct Request {
    kind: WriteKind,
    body: Value,
    groups: BTreeSet<Group>,
    /// It has the rule of the series.
    schedule: bool,
    slot: Option<NaiveDate>,
    message: Sentence,
    /// Why parts of it stay as they are in Outlook, in words.
    staying: Vec<Sentence>,
    /// The mails of this write.
    mails: Vec<Mail>,
    /// The mails of this write and of all writes that follow it.
    all_mails: Vec<Mail>,
    told: Option<Told>,
}

impl Request {
    fn of(kind: WriteKind, body: Value, message: Sentence) -> Self {
        Self {
            kind,
            body,
            groups: BTreeSet::new(),
            schedule: false,
            slot: None,
            message,
            staying: Vec::new(),
            mails: Vec::new(),
            all_mails: Vec::new(),
            told: None,
        }
    }
}

/// A change for Odoo.
struct OdooRequest {
    change: OdooChange,
    /// The groups on which both sides agree once it is done.
    groups: BTreeSet<Group>,
    message: Sentence,
}

impl OdooRequest {
    fn of_all(change: OdooChange, message: Sentence) -> Self {
        Self {
            change,
            groups: all_groups(),
            message,
        }
    }
}

impl Task<'_> {
    /// Compares the two sides, and plans the missing writes.
    pub(super) fn compare(&mut self, record: Option<&Record>) -> anyhow::Result<()> {
        let snapshot = match record.map(Record::template).transpose() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.set_aside(&why_undocumented(error), Level::Error);
                return Ok(());
            }
        };
        let present = record.filter(|record| record.active() && !self.dossier.meeting.odoo_gone);
        let mut odoo = match present.map(|record| record.document(&self.people.mailboxes)) {
            Some(Ok(document)) => document,
            Some(Err(error)) => {
                self.set_aside(&why_undocumented(error), Level::Error);
                return Ok(());
            }
            None => None,
        };
        if let Some(body) = odoo
            .as_ref()
            .and_then(largest_body)
            .filter(|body| body.len() > LARGEST_BODY)
        {
            let reason = Reason::DescriptionTooLarge { bytes: body.len() };
            self.set_aside(&reason, Level::Warning);
            return Ok(());
        }
        let mut chosen = self.choose_copy().map(|(copy, rights)| (copy.clone(), rights));
        let base = self.dossier.meeting.base()?;
        if let Some((copy, Rights::ReadOnly)) = &chosen
            && let Some(other) = self.another_guest_wants(
                copy,
                Whole {
                    record,
                    base: base.as_ref(),
                    odoo: odoo.as_ref(),
                    outlook: None,
                },
            )?
        {
            chosen = Some((other, Rights::ReadOnly));
        }
        let aliases = aliases_of(record, base.as_ref(), self.people);
        let base = base.map(|base| Base {
            odoo: renamed_series(base.odoo, &aliases),
            outlook: renamed_series(base.outlook, &aliases),
        });
        let unlisted = self.unlisted(base.as_ref().map(|base| &base.outlook.master.attendees))?;
        let mut outlook = match &chosen {
            Some((copy, _)) => {
                let mut document = renamed_document(copy.document()?, &aliases);
                unlisted::add(&unlisted, &mut document);
                Some(document)
            }
            None => None,
        };
        if let Some(unsayable) = outlook.as_ref().and_then(Document::why_unsayable) {
            let reason = Reason::OdooCannotRepeat(unsayable.clone());
            self.set_aside(&reason, Level::Warning);
            return Ok(());
        }
        let rights = chosen.as_ref().map_or(Rights::Write, |(_, rights)| *rights);
        let owner = match &chosen {
            Some((copy, _)) => self.people.account(copy.account_id),
            None => snapshot.as_ref().and_then(|master| self.people.organizer(master)),
        };
        let whole = Whole {
            record,
            base: base.as_ref(),
            odoo: odoo.as_ref(),
            outlook: outlook.as_ref(),
        };
        let copy = chosen.as_ref().map(|(copy, rights)| (copy, *rights));
        let choice = self.chosen(owner, copy, whole)?;
        let successor = self.successor_refuses(snapshot.as_ref(), copy, whole)?;
        let (mut kept_from_odoo, mut kept_from_outlook) = (None, None);
        if let Some(choice) = &choice {
            self.is_kept_from_outlook = choice.passage.to_outlook.is_err();
            // What only Odoo has is set aside below, if it would be made in Outlook at all.
            if let Some(kept) = choice.passage.why_closed().filter(|_| chosen.is_some()) {
                let copy = chosen.as_ref().map(|(copy, _)| copy);
                self.keep_out(kept, odoo.as_ref(), copy);
                return Ok(());
            }
            let today = self.people.now.date_naive();
            self.hides_guests = choice.passage.is_masked
                && odoo
                    .as_ref()
                    .is_some_and(|odoo| in_one(odoo, today).guests().next().is_some());
            choice.hide(base.as_ref(), &mut odoo, &mut outlook);
            kept_from_odoo = choice.passage.to_odoo.clone().err();
            kept_from_outlook = choice.passage.to_outlook.clone().err().map(Reason::NotChosen);
        }
        if let (Some(base), Some(whole)) = (&base, &odoo) {
            odoo = Some(whole.keeping_master_of(&base.odoo));
        }
        let unread = self
            .organizer_unread(rights, outlook.as_ref().map(|outlook| &outlook.master))
            .cloned();
        if let Some(organizer) = unread.as_ref().filter(|organizer| organizer.is_read()) {
            // Nothing can be written before its own mailbox has shown it.
            self.effects.wake_accounts.insert(organizer.id);
        }
        let in_one = odoo
            .as_ref()
            .map(|odoo| in_one(odoo, self.people.now.date_naive()));
        let permit = match (&in_one, record) {
            (Some(event), Some(record)) if chosen.is_none() => {
                self.may_create(record, event, kept_from_outlook.clone())?
            }
            _ => Permit::No,
        };
        if let Permit::SetAside(reason) = permit {
            self.set_aside(&reason, Level::Info);
            return Ok(());
        }
        if self.hides_guests {
            self.dossier.meeting.set_guests(Guests::Withheld);
        }
        if let Some(organizer) = unread.as_ref().filter(|organizer| organizer.is_read())
            && odoo.is_none()
            && self.organizer_may_keep(organizer, outlook.as_ref())
        {
            // The organizer's own mailbox decides.
            return Ok(());
        }
        let closed = in_one
            .zip(record)
            .and_then(|(event, record)| closed::why_closed(record, &event, self.people))
            .or(kept_from_outlook);
        if let (Some(odoo), Some(outlook), Some(record)) = (&odoo, &outlook, record) {
            let others = everybody(odoo).any(|guest| !everybody(outlook).any(|known| known == guest));
            self.settle_guests(record, rights, others);
        }
        let is_series = record.is_some_and(|record| record.series().is_some())
            || outlook.as_ref().is_some_and(|outlook| !outlook.is_single());
        if let (Some(kept), None) = (successor, &closed) {
            // It would be cancelled, and made nowhere.
            self.set_aside(&Reason::NotChosen(kept), Level::Warning);
            return Ok(());
        }
        if let (Some(document), Some(snapshot), None) = (&odoo, &snapshot, &closed) {
            let mails: Vec<Mail> = mails(&[Step::Delete], outlook.as_ref())
                .into_iter()
                .flatten()
                .collect();
            let state = serde_json::to_value(document)?;
            match self.follow_organizer(snapshot, state, &mails, is_series)? {
                Organizer::Same => {}
                Organizer::Leaves => return Ok(()),
                Organizer::HasLeft => return self.begin_anew(record),
            }
        }
        let base = match (base, &odoo, &outlook) {
            (Some(base), Some(odoo), Some(outlook))
                if rights == Rights::Write && self.dossier.meeting.base_by_guest =>
            {
                Some(by_organizer(base, &odoo.master, &outlook.master))
            }
            (base, ..) => base,
        };
        let mut shown = odoo.clone();
        let mut withheld = Withheld::default();
        if let (Guests::Withheld, Some(shown)) = (self.dossier.meeting.guests(), &mut shown) {
            withheld = Withheld::take(shown, outlook.as_ref(), base.as_ref());
        }
        let sides = Sides {
            record,
            snapshot: snapshot.as_ref(),
            odoo: shown.as_ref(),
            outlook: outlook.as_ref(),
            copy: chosen.as_ref().map(|(copy, _)| copy),
            unread: unread.as_ref(),
            whole: odoo,
            withheld,
            is_series,
            aliases: &aliases,
            closed: closed.as_ref(),
            kept_from_odoo: kept_from_odoo.as_ref(),
        };
        self.decide_between(&sides, rights, base.as_ref(), permit)
    }

    fn decide_between(
        &mut self,
        sides: &Sides<'_>,
        rights: Rights,
        base: Option<&Base>,
        permit: Permit,
    ) -> anyhow::Result<()> {
        let odoo = sides.odoo.cloned();
        let outlook = sides.outlook.cloned();
        let outlook_state = match (sides.copy, &outlook) {
            (Some(copy), _) if copy.cancelled || copy.gone && rights == Rights::Write => State::Gone,
            (Some(_), Some(series)) => State::Present(series),
            _ => State::Missing,
        };
        let odoo_state = match (&odoo, sides.record) {
            (Some(series), _) => State::Present(series),
            (None, Some(_)) => State::Gone,
            (None, None) if self.dossier.meeting.odoo_gone => State::Gone,
            (None, None) => State::Missing,
        };
        // It was removed from Odoo's calendar. The organizer's mailbox, which may be written, will
        // show it.
        if odoo_state == State::Gone && sides.unread.is_some() {
            return Ok(());
        }
        let account = sides
            .copy
            .and_then(|copy| self.people.account(copy.account_id))
            .cloned();
        let times = EditTimes {
            odoo: self.dossier.meeting.edit_times()?,
            outlook: sides.copy.and_then(|copy| copy.modified_at),
        };
        let mut plan = plan(&Situation {
            base,
            odoo: odoo_state,
            outlook: outlook_state,
            rights: match sides.closed {
                Some(_) => Rights::ReadOnly,
                None => rights,
            },
            create_in_outlook: permit == Permit::Yes,
            create_in_odoo: sides.kept_from_odoo.is_none()
                && account
                    .as_ref()
                    .is_some_and(|a| a.existing == BackfillState::Told && !a.resetting),
            times: &times,
            policy: match sides.kept_from_odoo {
                Some(_) => Policy::Odoo,
                None => self.people.policy(),
            },
        });
        if plan.continues_from.is_some() {
            self.set_aside(&Reason::LaterPartRepeatsDifferently, Level::Warning);
            return Ok(());
        }
        if let (Some(odoo), Some(snapshot)) = (&odoo, sides.snapshot) {
            let base = base.map(Base::masters);
            self.plan_answers_to_all(snapshot, odoo, base.as_ref(), &mut plan)?;
            if sides.is_series {
                let record = sides.record.and_then(Record::series);
                self.plan_answers_to_one(odoo, record, sides.aliases, &mut plan)?;
            }
        }
        if let (
            OdooStep::Apply {
                changes: told,
                target,
            },
            Some(whole),
        ) = (&mut plan.odoo, &sides.whole)
            && self.dossier.meeting.guests() == Guests::Withheld
        {
            sides.withheld.give_back(target);
            *told = changes(whole, target);
        }
        let mut keeps_its_own = false;
        if let Some(kept) = sides.kept_from_odoo {
            let Some(kept_back) = self.keep_from_odoo(kept, &mut plan, odoo_state, outlook_state) else {
                return Ok(());
            };
            keeps_its_own = kept_back;
        }
        self.carry_out(&plan, sides, account.as_ref())?;
        self.dossier.meeting.differs |= keeps_its_own;
        let nothing_ever = odoo_state == State::Missing && outlook_state == State::Missing;
        if plan.ended && plan.is_idle() && !nothing_ever {
            self.dossier.meeting.ended = true;
        }
        if plan.agreed
            && let (Some(odoo), Some(outlook)) = (&odoo, &outlook)
        {
            let base = agreed(self.dossier.meeting.base()?, (odoo, outlook), &plan.differing);
            self.dossier.meeting.set_base(Some(&base))?;
            self.dossier.meeting.base_by_guest = rights == Rights::ReadOnly;
            let mut settled = all_groups();
            settled.retain(|group| !plan.differing.groups.contains(group));
            self.dossier.forget_times(&settled)?;
        }
        Ok(())
    }

    /// Stores the writes of the plan. For a series, Odoo is told once Outlook has everything.
    fn carry_out(&mut self, plan: &Plan, sides: &Sides<'_>, account: Option<&Person>) -> anyhow::Result<()> {
        let organizer = sides.snapshot.and_then(|s| self.people.organizer(s)).cloned();
        let Some(account) = account.cloned().or(organizer) else {
            self.dossier.meeting.differs = !plan.differing.is_empty();
            self.dossier.meeting.set_aside = None;
            return Ok(());
        };
        let is_its_organizers = sides.copy.is_some_and(|copy| copy.is_organizer && !copy.gone);
        if is_its_organizers
            && sides.closed.is_none()
            && sides.kept_from_odoo.is_none()
            && let Some(change) = self.handed_over_apart(sides, account.odoo_user_id)
        {
            self.tell_odoo(&account, change, sides, &[])?;
            return Ok(());
        }
        let mails = mails(&plan.outlook.writes, sides.outlook);
        let mut is_all_told = true;
        for (index, step) in plan.outlook.writes.iter().enumerate() {
            match self.request(step, sides)? {
                Ok(Some(mut request)) => {
                    request.mails = mails.get(index).cloned().unwrap_or_default();
                    // The writes that follow it are sent with it, and wait with it.
                    request.all_mails = mails.iter().skip(index).flatten().cloned().collect();
                    self.ask_outlook(&account, request, sides, &plan.conflicts)?;
                    is_all_told = false;
                    if sides.is_series {
                        self.dossier.meeting.set_aside = None;
                        return Ok(());
                    }
                }
                // Outlook has it already, in its own form.
                Ok(None) => {}
                Err(reason) => {
                    let reason = Reason::OutlookCannotRepeat(reason.sentence().into());
                    self.set_aside(&reason, Level::Warning);
                    return Ok(());
                }
            }
        }
        if is_all_told
            && sides.odoo.is_some()
            && sides.outlook.is_some()
            && sides.closed.is_none()
            && plan.differing.is_empty()
        {
            // Everything collected is planned, so the next change is new.
            self.dossier.meeting.collected = false;
            self.dossier.meeting.forget_savers();
        }
        if sides.closed.is_none()
            && sides.kept_from_odoo.is_none()
            && plan.differing.is_empty()
            && let Some(change) = restored_apart(plan, sides, account.odoo_user_id)
        {
            self.tell_odoo(&account, change, sides, &[])?;
            return Ok(());
        }
        if !plan.apart.is_empty() && !self.dossier.meeting.differs {
            let apart: Vec<NaiveDate> = plan.apart.iter().copied().collect();
            self.write_journal(Level::Warning, say::occurrences_differ(apart));
        }
        let untold = !plan.differing.is_empty() || !plan.outlook.unsayable.is_empty();
        if untold && !self.dossier.meeting.differs {
            match sides.unread {
                Some(_) => self.write_journal(Level::Info, say::not_shown_yet()),
                None => self.write_journal(Level::Warning, why_untold(plan, sides)),
            }
        }
        self.dossier.meeting.differs = untold || !plan.apart.is_empty();
        match self.change_of_odoo(&plan.odoo, sides, &account)? {
            Ok(None) => {}
            Ok(Some(change)) => self.tell_odoo(&account, change, sides, &plan.conflicts)?,
            Err(reason) => {
                let reason = Reason::OdooCannotRepeat(reason.sentence().into());
                self.set_aside(&reason, Level::Warning);
                return Ok(());
            }
        }
        self.dossier.meeting.set_aside = None;
        Ok(())
    }

    /// Returns the write for a step of the plan; `None` if Outlook has it already.
    fn request(
        &mut self,
        step: &Step,
        sides: &Sides<'_>,
    ) -> anyhow::Result<Result<Option<Request>, NoFaithfulForm>> {
        let wire: Option<WireEvent> = sides.copy.map(as_listed).transpose()?;
        let request = match step {
            Step::Create(document) => {
                let transaction_id = self.transaction_id();
                let extra = wire::ExtraForCreate {
                    transaction_id: &transaction_id,
                    link: self.dossier.meeting.link,
                };
                let (body, made) = if document.is_single() {
                    let body = wire::create_body(&document.master, extra);
                    let time = words::time(&document.master.time);
                    (body, say::made_in_outlook_at(time))
                } else {
                    match wire::series::create_series_body(document, extra) {
                        Ok(body) => (body, say::made_in_outlook_repeating(words::rule(document.rule()))),
                        Err(reason) => return Ok(Err(reason)),
                    }
                };
                let message = about_pictures(&document.master, made);
                Request {
                    groups: all_groups(),
                    ..Request::of(WriteKind::Create, body, message)
                }
            }
            Step::Master {
                groups,
                recurrence,
                target,
            } => {
                let Some(wire) = &wire else { return Ok(Ok(None)) };
                return self.request_for_master(groups, *recurrence, target, wire, sides);
            }
            Step::Occurrence { slot, groups, target } => {
                let Some(wire) = &wire else { return Ok(Ok(None)) };
                let now = occurrence_of(wire, *slot, sides.outlook);
                let all: Vec<Group> = groups.iter().copied().collect();
                let staying = groups_outlook_keeps(&all, target, now);
                let parts = parts(groups).into_iter();
                let bodies = parts.map(|groups| (wire::patch_body(&in_order(&groups), target, now), groups));
                let Some((body, groups)) = bodies.into_iter().find(|(body, _)| body != &json!({})) else {
                    self.say_what_outlook_keeps(&staying);
                    let written = Written::Slot {
                        slot: *slot,
                        groups: groups.clone(),
                    };
                    self.advance_base(&written, &Told::of(target), sides)?;
                    return Ok(Ok(None));
                };
                let message = say::from_odoo(say::occurrence_changed(list_groups(&groups), *slot));
                let list = in_order(&groups);
                let as_shown: Option<WireEvent> = sides.copy.map(Copy::wire_event).transpose()?;
                let loses = |whole: &WireEvent| {
                    wire::loses_responses(&list, occurrence_of(whole, *slot, sides.outlook))
                };
                Request {
                    staying: of_these(&staying, &groups),
                    groups,
                    slot: Some(*slot),
                    told: Some(Told {
                        answers_stay: as_shown.as_ref().is_some_and(loses),
                        ..Told::of(target)
                    }),
                    ..Request::of(WriteKind::Update, body, message)
                }
            }
            Step::Cancel { slot } => {
                let message = say::occurrence_taken_out(*slot);
                Request {
                    slot: Some(*slot),
                    ..Request::of(WriteKind::Delete, json!({}), message)
                }
            }
            Step::Delete => {
                let message = say::deleted_from_outlook();
                Request {
                    groups: if sides.is_series {
                        BTreeSet::new()
                    } else {
                        all_groups()
                    },
                    ..Request::of(WriteKind::Delete, json!({}), message)
                }
            }
        };
        Ok(Ok(Some(request)))
    }

    fn request_for_master(
        &mut self,
        groups: &BTreeSet<Group>,
        recurrence: bool,
        target: &Document,
        wire: &WireEvent,
        sides: &Sides<'_>,
    ) -> anyhow::Result<Result<Option<Request>, NoFaithfulForm>> {
        let all: Vec<Group> = groups.iter().copied().collect();
        let staying = groups_outlook_keeps(&all, &target.master, wire);
        // The pattern is sent with what guests can see. What they cannot see is sent alone, so that
        // it mails nobody.
        let [visible, own] = parts(groups);
        let mut chosen = None;
        for (groups, recurrence) in [(visible, recurrence), (own, false)] {
            let body = match body_for_master(&groups, recurrence, target, wire, sides) {
                Ok(body) => body,
                Err(reason) => return Ok(Err(reason)),
            };
            if body != json!({}) {
                chosen = Some((body, groups, recurrence));
                break;
            }
        }
        let Some((body, chosen, recurrence)) = chosen else {
            self.say_what_outlook_keeps(&staying);
            // Outlook has it already, in its own form.
            let written = Written::Whole {
                groups: groups.clone(),
                schedule: recurrence,
            };
            self.advance_base(&written, &Told::of(&target.master), sides)?;
            return Ok(Ok(None));
        };
        let message: Arg = if sides.is_series {
            let mut parts = Vec::new();
            if recurrence {
                parts.push(say::repeats_now(words::rule(target.rule())));
            }
            if !chosen.is_empty() {
                parts.push(say::changed_for_all(list_groups(&chosen)));
            }
            parts.into()
        } else {
            let before = sides.copy.map(Copy::event).transpose()?;
            words::change(&chosen, before.as_ref().unwrap_or(&target.master), &target.master)
        };
        let as_shown: Option<WireEvent> = sides.copy.map(Copy::wire_event).transpose()?;
        let list = in_order(&chosen);
        Ok(Ok(Some(Request {
            staying: of_these(&staying, &chosen),
            told: Some(Told {
                answers_stay: !recurrence && as_shown.is_some_and(|now| wire::loses_responses(&list, &now)),
                left: groups.difference(&chosen).copied().collect(),
                ..Told::of(&target.master)
            }),
            groups: chosen,
            schedule: recurrence,
            ..Request::of(WriteKind::Update, body, say::from_odoo(message))
        })))
    }

    /// Moves the base to what Outlook has already.
    fn advance_base(&mut self, written: &Written, told: &Told, sides: &Sides<'_>) -> anyhow::Result<()> {
        let (Some(odoo), Some(outlook)) = (sides.odoo, sides.outlook) else {
            return Ok(());
        };
        let base = self.dossier.meeting.base()?;
        let base = advance(base, written, told, (odoo, outlook), Side::Outlook);
        self.dossier.meeting.set_base(Some(&base))
    }

    fn ask_outlook(
        &mut self,
        account: &Person,
        request: Request,
        sides: &Sides<'_>,
        conflicts: &[DocumentConflict],
    ) -> anyhow::Result<()> {
        let is_end = request.kind == WriteKind::Delete && request.slot.is_none();
        let decides = |one: &DocumentConflict| {
            one.conflict.kept == Side::Odoo
                && one.slot == request.slot
                && (request.groups.contains(&one.conflict.group)
                    || request.schedule && one.conflict.group == Group::Time)
        };
        let mut decided = decisions(conflicts, decides, &self.people.mailboxes);
        let more = self.unreachable(&request.groups)?.into_iter();
        decided.extend(more.chain(request.staying).map(Decision::of));
        let waits = self.waits(account.odoo_user_id, &request.all_mails)?;
        let line = Done {
            said: waits.told(request.message, in_words(&request.mails)).into(),
            decisions: decided,
            content: sides.copy.filter(|_| is_end).map(|c| c.state.clone()),
        };
        self.dossier.writes.push(OutlookWrite {
            account_id: account.id,
            meeting_id: self.dossier.meeting.id,
            kind: request.kind,
            graph_id: sides
                .copy
                .map(|c| c.graph_id.clone())
                .filter(|_| request.kind != WriteKind::Create),
            change_key: sides.copy.and_then(|c| c.change_key.clone()),
            body: request.body,
            odoo_state: sides.odoo.map(serde_json::to_value).transpose()?,
            groups: serde_json::to_value(&request.groups)?,
            line: Some(serde_json::to_value(&line)?),
            series: sides.is_series,
            slot: request.slot,
            mails: i32::try_from(request.all_mails.len()).unwrap_or(i32::MAX),
            collected: waits.collected,
            asks: waits.asks,
            told: request.told.map(serde_json::to_value).transpose()?,
            ..OutlookWrite::default()
        });
        self.effects.wake_accounts.insert(account.id);
        Ok(())
    }

    /// Returns the change for Odoo, with its words for the journal.
    fn change_of_odoo(
        &self,
        step: &OdooStep,
        sides: &Sides<'_>,
        account: &Person,
    ) -> anyhow::Result<Result<Option<OdooRequest>, NoFaithfulForm>> {
        let user_id = account.odoo_user_id;
        let (changes, target) = match (step, sides.record) {
            (OdooStep::Nothing, _) | (OdooStep::Archive, None) => return Ok(Ok(None)),
            (OdooStep::Archive, Some(record)) => {
                return Ok(Ok(Some(OdooRequest {
                    change: OdooChange::Archive {
                        place: Place::of(record),
                        user_id,
                        version: record.version().to_owned(),
                    },
                    groups: if sides.is_series {
                        all_groups()
                    } else {
                        BTreeSet::new()
                    },
                    message: say::archived_in_odoo(),
                })));
            }
            (OdooStep::Create(target), _) => (None, target),
            (OdooStep::Apply { changes, target }, _) => (Some(changes), target),
        };
        if target.is_single() && sides.record.is_none_or(|record| record.series().is_none()) {
            return Ok(Ok(self.change_of_event(changes, &target.master, sides, user_id)));
        }
        let mut apply = ApplySeries {
            user_id,
            link: Some(self.dossier.meeting.link),
            ..ApplySeries::default()
        };
        match sides.record.filter(|_| changes.is_some()) {
            Some(Record::Series(series)) => {
                apply.key = Some(series.key.clone());
                apply.res_id = Some(series.id);
                apply.version = Some(series.version.clone());
            }
            Some(Record::Event(event)) => {
                apply.event_id = Some(event.id);
                apply.version = Some(event.version.clone());
            }
            None => {}
        }
        let was_single = sides.odoo.is_some_and(Document::is_single);
        if sides.outlook.is_some_and(Document::is_single) && !was_single {
            apply.shape = self.single_shape(changes.map(|c| &c.groups), &target.master, sides);
            let change = OdooChange::ApplySeries(Box::new(apply));
            let message = say::from_outlook(say::no_longer_repeats());
            return Ok(Ok(Some(OdooRequest::of_all(change, message))));
        }
        let Some(shown) = self.in_window(target, account) else {
            return Ok(Ok(None));
        };
        let present = sides.record.and_then(Record::series);
        if let Some(first) = present.map(|series| series.dtstart)
            && shown.start() > target.start()
            && shown.master.time.starts_at() > first.0
        {
            apply.keep_before = Some(Slot::of(&shown, shown.start()).0);
        }
        let week_start = present.map_or(chrono::Weekday::Mon, |series| series.first_weekday());
        let changes = changes.filter(|_| !was_single);
        let shape = match shape(
            &shown,
            changes,
            sides.snapshot,
            week_start,
            &self.people.mailboxes,
        ) {
            Ok(shape) => shape,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Value::Object(mut shape) = serde_json::to_value(&shape)? {
            if changes.is_none()
                && let Some(Value::Object(values)) = shape.get_mut("values")
            {
                values.extend(organizer_of(&shown.master, &self.people.mailboxes));
            }
            apply.shape = shape;
        }
        let message = match step {
            OdooStep::Create(_) => say::made_in_odoo_repeating(words::rule(target.rule())),
            _ => say::from_outlook(changed_words(step, target)),
        };
        let change = OdooChange::ApplySeries(Box::new(apply));
        Ok(Ok(Some(OdooRequest::of_all(change, message))))
    }

    /// Does the same for a meeting that takes place once.
    fn change_of_event(
        &self,
        changes: Option<&Changes>,
        target: &Event,
        sides: &Sides<'_>,
        user_id: i32,
    ) -> Option<OdooRequest> {
        let mailboxes = &self.people.mailboxes;
        let Some(changes) = changes else {
            let change = OdooChange::Create {
                link: self.dossier.meeting.link,
                user_id,
                values: snapshot::create_values(target, mailboxes),
            };
            let message = say::made_in_odoo_at(words::time(&target.time));
            return Some(OdooRequest::of_all(change, message));
        };
        let present = sides.snapshot?;
        let groups = changes.groups.clone();
        let before = sides.whole.as_ref().map_or(target, |whole| &whole.master);
        let message = say::from_outlook(words::change(&groups, before, target));
        let change = OdooChange::Write {
            res_id: present.id,
            user_id,
            version: present.version.clone(),
            values: snapshot::values(&groups, target, Some(present), mailboxes),
        };
        Some(OdooRequest {
            change,
            groups,
            message,
        })
    }

    /// Detaches occurrences that somebody in Odoo gave to another connected user, as a series has
    /// one organizer in Outlook. They become events of their own, which are made in that user's
    /// mailbox.
    fn handed_over_apart(&self, sides: &Sides<'_>, user_id: i32) -> Option<OdooRequest> {
        let record = sides.record?;
        let series = record.series()?;
        let shared = sides.snapshot?.organizer.as_ref()?.user_id;
        let is_given = |own: &&SlotSnapshot| {
            let organizer = own
                .differences
                .get("organizer")
                .and_then(|one| one.get("user_id"));
            let organizer = organizer
                .and_then(Value::as_i64)
                .and_then(|id| i32::try_from(id).ok());
            organizer
                .filter(|user| *user != shared)
                .and_then(|user| self.people.account_of_user(user))
                .is_some_and(|account| account.is_active() && !account.resetting)
        };
        let given: Vec<Slot> = series
            .slots
            .iter()
            .filter(is_given)
            .map(|own| own.slot.clone())
            .collect();
        if given.is_empty() {
            return None;
        }
        let tz = series.tz.parse().unwrap_or(chrono_tz::Tz::UTC);
        let days: Vec<NaiveDate> = given.iter().filter_map(|slot| slot.date(tz)).collect();
        let message = say::given_apart(days);
        Some(OdooRequest::of_all(detach(record, user_id, given), message))
    }

    /// Returns how a lost record comes back: an archived series (`there`) becomes active with the
    /// occurrences that it had, and a record that is gone is made again. `None` if all of a series
    /// is past, or it has no faithful form in Odoo.
    pub(super) fn as_it_was(
        &self,
        there: Option<&Record>,
        lost: Document,
        account: &Person,
    ) -> anyhow::Result<Option<OdooChange>> {
        let odoo = there.map(|_| lost.clone());
        let sides = Sides {
            record: there,
            snapshot: None,
            odoo: odoo.as_ref(),
            outlook: None,
            copy: None,
            unread: None,
            whole: None,
            withheld: Withheld::default(),
            is_series: there.is_some() || !lost.is_single(),
            aliases: &Aliases::default(),
            closed: None,
            kept_from_odoo: None,
        };
        let step = match there {
            Some(_) => OdooStep::Apply {
                changes: Changes::default(),
                target: lost,
            },
            None => OdooStep::Create(lost),
        };
        let change = self.change_of_odoo(&step, &sides, account)?;
        Ok(change.ok().flatten().map(|change| change.change))
    }

    fn single_shape(
        &self,
        groups: Option<&BTreeSet<Group>>,
        target: &Event,
        sides: &Sides<'_>,
    ) -> Map<String, Value> {
        let mailboxes = &self.people.mailboxes;
        let values_of =
            |groups: &BTreeSet<Group>| snapshot::values(groups, target, sides.snapshot, mailboxes);
        let mut shape = values_of(&BTreeSet::from([Group::Time]));
        shape.remove("allday");
        let groups = groups.cloned().unwrap_or_default();
        shape.insert("rule".to_owned(), Value::Null);
        shape.insert("values".to_owned(), Value::Object(values_of(&groups)));
        shape.insert("slots".to_owned(), json!([]));
        shape.insert("missing".to_owned(), json!([]));
        shape
    }

    /// Returns the part that Odoo is to show, as Odoo has at most 720 occurrences; `None` if all of
    /// it is past.
    fn in_window(&self, target: &Document, account: &Person) -> Option<Document> {
        let now = self.people.now;
        let from = account.window_start.unwrap_or(now - TimeDelta::days(DAYS_BACK));
        let until = account.window_end.unwrap_or(now + TimeDelta::days(DAYS_AHEAD));
        let (_, start) = for_window(
            target.rule(),
            target.start(),
            from.date_naive(),
            until.date_naive(),
        )?;
        if start == target.start() {
            return Some(target.clone());
        }
        target.rolled(start)
    }

    fn tell_odoo(
        &mut self,
        account: &Person,
        OdooRequest {
            change,
            groups,
            message,
        }: OdooRequest,
        sides: &Sides<'_>,
        conflicts: &[DocumentConflict],
    ) -> anyhow::Result<()> {
        let decides = |one: &DocumentConflict| {
            one.conflict.kept == Side::Outlook && groups.contains(&one.conflict.group)
        };
        let mut decided = decisions(conflicts, decides, &self.people.mailboxes);
        decided.extend(self.refused.drain(..).map(Decision::of));
        let line = Done {
            said: say::with_mails(message, say::no_mail()).into(),
            decisions: decided,
            content: None,
        };
        let user_id = account.odoo_user_id;
        let held_for = matches!(change, OdooChange::Archive { .. })
            .then(|| sides.unread.filter(|a| a.is_read()).unwrap_or(account).id);
        // If occurrences are detached, nothing else is agreed on.
        let agreed = sides
            .outlook
            .filter(|_| !matches!(change, OdooChange::Detach { .. }));
        self.dossier.debt = Some(OdooDebt {
            database_id: self.dossier.meeting.database_id,
            meeting_id: self.dossier.meeting.id,
            user_id,
            payload: serde_json::to_value(&change)?,
            outlook_state: agreed.map(serde_json::to_value).transpose()?,
            groups: serde_json::to_value(&groups)?,
            held_for,
            line: Some(serde_json::to_value(&line)?),
            ..OdooDebt::default()
        });
        // The removal limit is checked at the end of the mailbox's next run.
        self.effects.wake_accounts.extend(held_for);
        self.effects.poke_users.insert(user_id);
        Ok(())
    }

    /// Plans the attendees' own responses to the whole.
    fn plan_answers_to_all(
        &mut self,
        snapshot: &Snapshot,
        odoo: &Document,
        base: Option<&Base<Event>>,
        plan: &mut Plan,
    ) -> anyhow::Result<()> {
        let mut target = match &plan.odoo {
            OdooStep::Nothing => odoo.clone(),
            OdooStep::Apply { target, .. } => target.clone(),
            OdooStep::Create(_) | OdooStep::Archive => return Ok(()),
        };
        let answers = self.plan_answers(snapshot, &target.master, base)?;
        let by_organizer = target.master.attendees.clone();
        answers::put(&answers, &mut target.master);
        if target.master.attendees == by_organizer {
            return Ok(());
        }
        let changes = changes(odoo, &target);
        if !changes.is_empty() {
            plan.odoo = OdooStep::Apply { changes, target };
            plan.agreed = false;
        } else {
            plan.odoo = OdooStep::Nothing;
            plan.agreed = plan.is_idle();
        }
        Ok(())
    }
}

/// Returns the occurrence of a slot as Outlook has it: its override, or else the master.
fn occurrence_of<'a>(whole: &'a WireEvent, slot: NaiveDate, series: Option<&Document>) -> &'a WireEvent {
    let is_it = |own: &&WireEvent| series.and_then(|s| wire::series::slot_of(own, s)) == Some(slot);
    whole.exception_occurrences.iter().find(is_it).unwrap_or(whole)
}

fn why_undocumented(error: NoDocument) -> Reason {
    match error {
        NoDocument::Rule(rule) => Reason::OutlookCannotRepeat(rule.sentence().into()),
        NoDocument::Event(event) => Reason::UnreadableInOdoo(event.sentence().into()),
        NoDocument::Series(series) => Reason::UnreadableInOdoo(series.sentence().into()),
    }
}

/// Returns the longest of its descriptions.
fn largest_body(document: &Document) -> Option<String> {
    let own = document.exceptions.values().filter_map(|own| own.body.clone());
    own.chain([document.master.body.clone()]).max_by_key(String::len)
}

/// Returns the words about these groups.
fn of_these(staying: &[(Group, Sentence)], groups: &BTreeSet<Group>) -> Vec<Sentence> {
    let told = staying.iter().filter(|(group, _)| groups.contains(group));
    told.map(|(_, words)| words.clone()).collect()
}

/// Divides groups by whether guests can see them. Each part is a request of its own, so that the
/// invisible one mails nobody.
fn parts(groups: &BTreeSet<Group>) -> [BTreeSet<Group>; 2] {
    let (visible, own) = groups.iter().partition(|group| group.visible_to_guests());
    [visible, own]
}

fn in_order(groups: &BTreeSet<Group>) -> Vec<Group> {
    groups.iter().copied().collect()
}

/// Returns the body of a master's PATCH; `None` if Outlook has the values already.
fn body_for_master(
    groups: &BTreeSet<Group>,
    recurrence: bool,
    target: &Document,
    wire: &WireEvent,
    sides: &Sides<'_>,
) -> Result<Value, NoFaithfulForm> {
    let mut list = in_order(groups);
    if target.is_single() && !wire.is_recurring() {
        return Ok(wire::patch_body(&list, &target.master, wire));
    }
    let becomes_single = sides.odoo.is_some_and(Document::is_single) && wire.is_recurring();
    if !becomes_single {
        return wire::series::patch_series_body(groups, recurrence, target, wire);
    }
    if !list.contains(&Group::Time) {
        list.push(Group::Time);
    }
    let mut body = wire::patch_body(&list, &target.master, wire);
    body["recurrence"] = Value::Null;
    Ok(body)
}

/// Returns why Outlook does not get a change of Odoo.
fn why_untold(plan: &Plan, sides: &Sides<'_>) -> Sentence {
    let closed: Said = sides
        .closed
        .map_or_else(|| say::organizer_not_connected().into(), Reason::as_part);
    let groups = &plan.differing.groups;
    if !sides.is_series {
        return say::groups_changed_but(list_groups(groups), closed);
    }
    let mut reasons: Vec<Arg> = plan.outlook.unsayable.iter().map(why_unsayable).collect();
    if !plan.differing.is_empty() {
        reasons.push(say::outlook_keeps(closed).into());
    }
    let reasons = reasons
        .into_iter()
        .reduce(|first, second| say::both(first, second).into());
    say::changed_but(reasons.unwrap_or_else(|| Vec::<Sentence>::new().into()))
}

fn why_unsayable(unsayable: &Unsayable) -> Arg {
    match unsayable {
        Unsayable::Restored(date) => say::cannot_bring_back(*date).into(),
        Unsayable::Crossing(at) => say::occurrence_crosses(at.slot, at.to, at.neighbor, at.theirs).into(),
    }
}

/// Detaches excluded occurrences that were restored in Odoo, as Outlook cannot restore them in a
/// series. They become events of their own in Odoo. Outlook then makes these, and invites to them.
fn restored_apart(plan: &Plan, sides: &Sides<'_>, user_id: i32) -> Option<OdooRequest> {
    let record = sides.record.filter(|record| record.series().is_some())?;
    let series = sides.odoo?;
    let restored = plan
        .outlook
        .unsayable
        .iter()
        .filter_map(|unsayable| match unsayable {
            Unsayable::Restored(slot) => Some(*slot),
            Unsayable::Crossing(_) => None,
        });
    let restored: Vec<NaiveDate> = restored.collect();
    if restored.is_empty() {
        return None;
    }
    let message = say::restored_apart(restored.clone());
    let slots = restored.into_iter().map(|slot| Slot::of(series, slot));
    Some(OdooRequest::of_all(
        detach(record, user_id, slots.collect()),
        message,
    ))
}

fn detach(record: &Record, user_id: i32, apart: Vec<Slot>) -> OdooChange {
    OdooChange::Detach {
        place: Place::of(record),
        user_id,
        version: record.version().to_owned(),
        apart,
    }
}

fn changed_words(step: &OdooStep, target: &Document) -> Vec<Sentence> {
    let mut parts = Vec::new();
    let OdooStep::Apply { changes, .. } = step else {
        return parts;
    };
    if changes.rule || changes.hours {
        parts.push(say::repeats_now(words::rule(target.rule())));
    }
    if !changes.groups.is_empty() {
        parts.push(say::changed_for_all(list_groups(&changes.groups)));
    }
    let mut dates = |slots: Vec<NaiveDate>, what: fn(Arg) -> Sentence| {
        let first: Vec<NaiveDate> = slots.iter().copied().take(5).collect();
        match slots.len() {
            0 => {}
            1..=5 => parts.push(what(first.into())),
            _ => parts.push(what(say::and_others(first).into())),
        }
    };
    let changed = changes
        .slots
        .keys()
        .filter(|slot| !changes.restored.contains(slot));
    dates(changed.copied().collect(), say::occurrences_changed);
    dates(
        changes.excluded_dates.iter().copied().collect(),
        say::occurrences_taken_out,
    );
    dates(
        changes.restored.iter().copied().collect(),
        say::occurrences_brought_back,
    );
    parts
}

fn organizer_of(master: &Event, mailboxes: &Mailboxes) -> Map<String, Value> {
    let mut values = snapshot::create_values(master, mailboxes);
    values.retain(|name, _| name == "organizer");
    values
}

/// Returns the base after Odoo has received news of a series that it may not change in Outlook.
/// Odoo's own changes remain to be written, in case that is permitted one day.
pub fn taken(base: Base, before: &Document, odoo: &Document, outlook: &Document) -> Base {
    let news = changes(before, odoo);
    let whole = Written::Whole {
        groups: news.groups,
        schedule: news.rule || news.hours,
    };
    let slots = news.slots.into_iter();
    let slots = slots.map(|(slot, groups)| Written::Slot { slot, groups });
    let presence = news.excluded_dates.into_iter().chain(news.restored);
    std::iter::once(whole)
        .chain(slots)
        .chain(presence.map(Written::Presence))
        .fold(base, |base, written| {
            advance(
                Some(base),
                &written,
                &Told::default(),
                (odoo, outlook),
                Side::Odoo,
            )
        })
}

/// Returns the series as one event, which answers whether it has guests and whether it is over.
pub fn in_one(series: &Document, today: NaiveDate) -> Event {
    let mut event = series.master.clone();
    for own in series.exceptions.values() {
        event.attendees.extend(own.attendees.clone().unwrap_or_default());
    }
    let last = series
        .rule()
        .last(series.start())
        .unwrap_or(today + TimeDelta::days(1));
    event.time = series.slot_time(last);
    event
}

pub(super) fn renamed_document(document: Document, aliases: &Aliases) -> Document {
    match document.why_unsayable() {
        Some(_) => document,
        None => renamed_series(document, aliases),
    }
}

fn renamed_series(mut series: Document, aliases: &Aliases) -> Document {
    let organizer = series
        .master
        .organizer
        .as_ref()
        .map(|organizer| organizer.address.clone());
    series.master = renamed(series.master, aliases);
    for own in series.exceptions.values_mut() {
        let Override {
            attendees: Some(attendees),
            ..
        } = own
        else {
            continue;
        };
        aliases.rename(attendees, organizer.as_ref());
    }
    series
}
