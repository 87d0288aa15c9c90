//! What a person wants to sync, applied to one meeting: see [`Choices`].

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Task, answers, in_one};
use crate::calendar::choices::{Choices, Kept, Known, Passage};
use crate::calendar::document::Document;
use crate::calendar::document::plan::{OdooStep, Plan, State};
use crate::calendar::merge::Base;
use crate::calendar::plan::Rights;
use crate::odoo::record::Record;
use crate::outlook::wire::WireEvent;
use crate::planning::people::People;
use crate::store::journal::Level;
use crate::store::meetings::Copy;
use crate::store::people::Person;
use crate::store::reason::{Reason, choice};
use crate::store::unit::Dossier;
use crate::words::say;

/// What a meeting is on one of its sides, and what crosses of it.
#[derive(Debug)]
pub struct Seen {
    pub title: String,
    pub start: DateTime<Utc>,
    /// `None` if everything crosses.
    pub passage: Option<Passage>,
}

/// Returns what crosses of a meeting; `None` if it has ended, or only a stub is kept of it.
///
/// # Errors
/// When what is stored cannot be read.
pub fn seen(dossier: &mut Dossier, people: &People) -> anyhow::Result<Option<Seen>> {
    if dossier.meeting.ended || dossier.meeting.stub.is_some() {
        return Ok(None);
    }
    let record = dossier.meeting.record()?.filter(Record::active);
    let odoo = match record.as_ref().map(|record| record.document(&people.mailboxes)) {
        Some(Ok(document)) => document,
        Some(Err(_)) | None => None,
    };
    let task = Task::new(dossier, people);
    let copy = task.choose_copy().filter(|(copy, _)| copy.stub.is_none());
    let outlook = copy.map(|(copy, _)| copy.document()).transpose()?;
    let outlook = outlook.filter(|document| document.why_unsayable().is_none());
    let Some(shown) = odoo.as_ref().or(outlook.as_ref()) else {
        return Ok(None);
    };
    let owner = match copy {
        Some((copy, _)) => people.account(copy.account_id),
        None => record
            .as_ref()
            .and_then(|record| record.template().ok())
            .and_then(|master| people.organizer(&master)),
    };
    let base = task.dossier.meeting.base()?;
    let whole = Whole {
        base: base.as_ref(),
        odoo: odoo.as_ref(),
        outlook: outlook.as_ref(),
    };
    let chosen = task.chosen(owner, copy, whole)?;
    Ok(Some(Seen {
        title: shown.master.title.clone(),
        start: shown.master.time.starts_at(),
        passage: chosen.map(|chosen| chosen.passage),
    }))
}

/// Both sides of a meeting before anything is kept out.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub base: Option<&'a Base>,
    pub odoo: Option<&'a Document>,
    pub outlook: Option<&'a Document>,
}

/// What crosses of a meeting, by whose choices.
#[derive(Debug)]
pub(super) struct Chosen {
    pub choices: Choices,
    pub passage: Passage,
}

impl Chosen {
    /// Hides on both sides what must not cross.
    pub fn hide(&self, odoo: &mut Option<Document>, outlook: &mut Option<Document>) {
        if self.passage.is_masked {
            for side in [&mut *odoo, &mut *outlook] {
                *side = side.take().map(|document| self.choices.masked(&document));
            }
        }
        self.choices.hide_reminders(odoo.as_mut(), outlook.as_mut());
    }
}

impl Task<'_> {
    /// Applies the choices of a person to a meeting; `None` if everything crosses.
    pub(super) fn chosen(
        &self,
        person: Option<&Person>,
        copy: Option<(&Copy, Rights)>,
        whole: Whole<'_>,
    ) -> anyhow::Result<Option<Chosen>> {
        let Some(choices) = person.and_then(|person| self.people.choices(person)) else {
            return Ok(None);
        };
        let wire: Option<WireEvent> = copy.map(|(copy, _)| copy.wire_event()).transpose()?;
        let known = Known {
            base: whole.base,
            odoo: whole.odoo,
            outlook: whole.outlook,
            is_organizers: copy.is_none_or(|(_, rights)| rights == Rights::Write),
            categories: wire.as_ref().map_or(&[], |event| event.categories.as_slice()),
            answer: copy.map(|(copy, _)| answers::answer_of(copy)),
            ends_on: whole
                .odoo
                .or(whole.outlook)
                .map(|document| self.ends_on(document)),
        };
        let passage = choices.passage(&known);
        Ok(Some(Chosen { choices, passage }))
    }

    fn ends_on(&self, document: &Document) -> NaiveDate {
        let end = in_one(document, self.people.now.date_naive()).time.ends_at();
        // The end is exclusive: an all-day event ends at the next midnight.
        (end - TimeDelta::seconds(1)).date_naive()
    }

    /// Returns the copy of another guest whose choices let a meeting come to Odoo that those of the
    /// owner of `copy` keep out.
    pub(super) fn another_guest_wants(
        &self,
        copy: &Copy,
        odoo: Option<&Document>,
        base: Option<&Base>,
    ) -> anyhow::Result<Option<Copy>> {
        let comes = |copy: &Copy| -> anyhow::Result<bool> {
            let shown = copy.document()?;
            let whole = Whole {
                base,
                odoo,
                outlook: Some(&shown),
            };
            let owner = self.people.account(copy.account_id);
            let chosen = self.chosen(owner, Some((copy, Rights::ReadOnly)), whole)?;
            Ok(chosen.is_none_or(|chosen| chosen.passage.to_odoo.is_ok()))
        };
        if comes(copy)? {
            return Ok(None);
        }
        let others = self.dossier.copies.iter().filter(|other| {
            other.account_id != copy.account_id && !other.is_organizer && !other.gone && !other.cancelled
        });
        for other in others {
            if !self.is_asleep(other) && comes(other)? {
                return Ok(Some(other.clone()));
            }
        }
        Ok(None)
    }

    /// Leaves both sides of a meeting as they are. If one of them has ended it meanwhile, the other
    /// keeps it for good, whatever is chosen later.
    pub(super) fn keep_out(&mut self, kept: &Kept, odoo: Option<&Document>, copy: Option<&Copy>) {
        let was_in_both = self.dossier.meeting.base_odoo.is_some();
        let is_gone = copy.is_some_and(|copy| copy.gone || copy.cancelled);
        match odoo {
            Some(_) if was_in_both && is_gone => self.keep_in_odoo(kept),
            None if was_in_both && self.dossier.meeting.has_record() => {
                self.dossier.meeting.ended = true;
                self.dossier.meeting.set_aside = None;
                self.write_journal(Level::Info, say::stays_in_outlook(choice(kept)));
            }
            _ => self.set_aside(&Reason::NotChosen(kept.clone()), Level::Info),
        }
    }

    /// Keeps a meeting in Odoo that Outlook has ended.
    pub(super) fn keep_in_odoo(&mut self, kept: &Kept) {
        self.dossier.meeting.kept = true;
        self.dossier.meeting.set_aside = Some(Reason::KeptInOdoo);
        self.write_journal(Level::Info, say::stays_in_odoo(choice(kept)));
    }

    /// Takes out of a plan what would change Odoo. Returns whether there was something, and `None` if
    /// nothing is left to do.
    pub(super) fn keep_from_odoo(
        &mut self,
        kept: &Kept,
        plan: &mut Plan,
        odoo: State<'_>,
        outlook: State<'_>,
    ) -> Option<bool> {
        match (odoo, outlook) {
            (State::Missing, State::Present(_)) => {
                self.set_aside(&Reason::NotChosen(kept.clone()), Level::Info);
                return None;
            }
            (State::Present(_), State::Gone) => {
                self.keep_in_odoo(kept);
                return None;
            }
            _ => {}
        }
        let is_change = plan.odoo != OdooStep::Nothing;
        if is_change {
            plan.odoo = OdooStep::Nothing;
            plan.ended = false;
            plan.agreed = false;
        }
        Some(is_change)
    }
}
