//! What a person wants to sync, applied to one meeting: see [`Choices`].

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Task, answers};
use crate::calendar::choices::{self, Choices, Kept, Known, Passage};
use crate::calendar::document::Document;
use crate::calendar::document::plan::{OdooStep, OutlookWrites, Plan, State};
use crate::calendar::event::Time;
use crate::calendar::merge::Base;
use crate::calendar::plan::Rights;
use crate::odoo::record::Record;
use crate::odoo::snapshot::Snapshot;
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
    /// Whether only the mailbox's owner may see the title.
    pub is_secret: bool,
    /// By the choices of today, and by others; `None` if everything crosses.
    pub passages: [Option<Passage>; 2],
}

/// Returns what crosses of a meeting, by the choices of today and by those of `others`; `None` if it
/// has ended, or only a stub is kept of it.
///
/// # Errors
/// When what is stored cannot be read.
pub fn seen(dossier: &mut Dossier, people: &People, others: &People) -> anyhow::Result<Option<Seen>> {
    let meeting = &dossier.meeting;
    if meeting.ended || meeting.kept || meeting.unsent || meeting.stub.is_some() {
        return Ok(None);
    }
    let record = dossier.meeting.record()?.filter(Record::active);
    let odoo = match record.as_ref().map(|record| record.document(&people.mailboxes)) {
        Some(Ok(document)) => document,
        Some(Err(_)) | None => None,
    };
    let (passage, outlook) = crossing(dossier, people, record.as_ref(), odoo.as_ref())?;
    let Some(shown) = odoo.as_ref().or(outlook.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(Seen {
        title: shown.master.title.clone(),
        is_secret: odoo.is_none() && outlook.as_ref().is_some_and(choices::is_private),
        start: shown.master.time.starts_at(),
        passages: [
            passage,
            crossing(dossier, others, record.as_ref(), odoo.as_ref())?.0,
        ],
    }))
}

/// Returns what crosses of a meeting by these people's choices (`None`: everything), and how the
/// mailbox whose choices count shows it.
fn crossing(
    dossier: &mut Dossier,
    people: &People,
    record: Option<&Record>,
    odoo: Option<&Document>,
) -> anyhow::Result<(Option<Passage>, Option<Document>)> {
    let has_stubs = dossier.copies.iter().any(|copy| copy.stub.is_some());
    let task = Task::new(dossier, people);
    let base = task.dossier.meeting.base()?;
    let sides = Whole {
        record,
        base: base.as_ref(),
        odoo,
        outlook: None,
    };
    let copy = task.choose_copy().filter(|(copy, _)| copy.stub.is_none());
    let other = match copy {
        Some((copy, Rights::ReadOnly)) if !has_stubs => task.another_guest_wants(copy, sides)?,
        _ => None,
    };
    let copy = match &other {
        Some(other) => Some((other, Rights::ReadOnly)),
        None => copy,
    };
    let outlook = copy.map(|(copy, _)| copy.document()).transpose()?;
    let outlook = outlook.filter(|document| document.why_unsayable().is_none());
    if odoo.is_none() && outlook.is_none() {
        return Ok((None, None));
    }
    let owner = match copy {
        Some((copy, _)) => people.account(copy.account_id),
        None => record
            .and_then(|record| record.template().ok())
            .and_then(|master| people.organizer(&master)),
    };
    let whole = Whole {
        outlook: outlook.as_ref(),
        ..sides
    };
    let chosen = task.chosen(owner, copy, whole)?;
    Ok((chosen.map(|chosen| chosen.passage), outlook))
}

/// Both sides of a meeting before anything is kept out.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub record: Option<&'a Record>,
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
    pub fn hide(&self, base: Option<&Base>, odoo: &mut Option<Document>, outlook: &mut Option<Document>) {
        if self.passage.is_masked {
            let agreed = base.map(|base| (&base.odoo.master.title, &base.outlook.master.title));
            let (in_odoo, in_outlook) = agreed.unzip();
            for (side, agreed) in [(&mut *odoo, in_odoo), (&mut *outlook, in_outlook)] {
                *side = side.take().map(|document| {
                    let mut masked = self.choices.masked(&document);
                    // What stands for it keeps its title, whichever title is chosen later.
                    if let Some(title) = agreed {
                        masked.master.title.clone_from(title);
                    }
                    masked
                });
            }
        }
        self.choices.hide_reminders(odoo.as_mut(), outlook.as_mut());
    }
}

/// Returns the date on which a meeting is over on both sides, in its own time zone; `None` if it has
/// no end.
fn ends_on(odoo: Option<&Document>, outlook: Option<&Document>) -> Option<NaiveDate> {
    let ends: Option<Vec<NaiveDate>> = odoo.into_iter().chain(outlook).map(last_date).collect();
    ends?.into_iter().max()
}

fn last_date(document: &Document) -> Option<NaiveDate> {
    let last = document.rule().last(document.start())?;
    let moved = document.exceptions.values().filter_map(|own| own.time.as_ref());
    let ends = moved.map(Time::ends_at);
    let end = ends.fold(document.slot_time(last).ends_at(), DateTime::max);
    let zone = match &document.master.time {
        Time::Timed { zone, .. } => zone.parse().unwrap_or(Tz::UTC),
        Time::AllDay { .. } => Tz::UTC,
    };
    // The end is exclusive: an all-day event ends at the next midnight.
    Some((end - TimeDelta::seconds(1)).with_timezone(&zone).date_naive())
}

impl Task<'_> {
    /// Returns whether an organizer whose own mailbox has yet to show a meeting might keep it, or its
    /// content, from Odoo, which another guest's mailbox shows.
    pub(super) fn organizer_may_keep(&self, organizer: &Person, outlook: Option<&Document>) -> bool {
        let Some(choices) = self.people.choices(organizer) else {
            return false;
        };
        let passage = choices.passage(&Known {
            base: None,
            odoo: None,
            outlook,
            is_organizers: true,
            categories: &[],
            answer: None,
            ends_on: ends_on(None, outlook),
            calendar: None,
        });
        // Nobody else's mailbox shows the organizer's categories.
        passage.to_odoo.is_err() || passage.is_masked || !choices.without_categories.is_empty()
    }

    /// Applies the choices of a person to a meeting; `None` if everything crosses.
    pub(super) fn chosen(
        &self,
        person: Option<&Person>,
        copy: Option<(&Copy, Rights)>,
        whole: Whole<'_>,
    ) -> anyhow::Result<Option<Chosen>> {
        let choices = person.and_then(|person| self.people.choices(person));
        // Nothing goes to a further calendar, whatever is chosen.
        let is_further = copy.is_some_and(|(copy, _)| copy.calendar.is_some());
        choices
            .or_else(|| is_further.then(Choices::default))
            .map(|choices| self.apply(choices, copy, whole))
            .transpose()
    }

    fn apply(
        &self,
        choices: Choices,
        copy: Option<(&Copy, Rights)>,
        whole: Whole<'_>,
    ) -> anyhow::Result<Chosen> {
        let wire: Option<WireEvent> = copy.map(|(copy, _)| copy.wire_event()).transpose()?;
        // In a further calendar, the mailbox's owner stands for the organizer.
        let is_unanswered =
            self.dossier.meeting.view_of.is_some() && wire.as_ref().is_some_and(WireEvent::is_unanswered);
        // As Odoo had it last, if it is gone: what was kept out by that stays kept out.
        let last = match whole.odoo {
            Some(_) => None,
            None => self.last_in_odoo(whole),
        };
        let odoo = whole.odoo.or(last.as_ref());
        // Outlook's categories are Odoo's tags.
        let mut categories = wire.map_or_else(Vec::new, |event| event.categories);
        categories.extend(whole.record.map_or(&[][..], Record::tags).iter().cloned());
        let passage = choices.passage(&Known {
            base: whole.base,
            odoo,
            outlook: whole.outlook,
            is_organizers: copy.is_none_or(|(_, rights)| rights == Rights::Write) && !is_unanswered,
            categories: &categories,
            answer: copy.map(|(copy, _)| answers::answer_of(copy)),
            ends_on: ends_on(odoo, whole.outlook),
            calendar: copy.and_then(|(copy, _)| copy.calendar.as_deref()),
        });
        Ok(Chosen { choices, passage })
    }

    fn last_in_odoo(&self, whole: Whole<'_>) -> Option<Document> {
        let record = whole
            .record
            .and_then(|record| record.document(&self.people.mailboxes).ok()?);
        record.or_else(|| whole.base.map(|base| base.odoo.clone()))
    }

    /// Returns the copy of another guest whose choices let a meeting come to Odoo that those of the
    /// owner of `copy` keep out.
    pub(super) fn another_guest_wants(&self, copy: &Copy, whole: Whole<'_>) -> anyhow::Result<Option<Copy>> {
        let comes = |copy: &Copy| -> anyhow::Result<bool> {
            let shown = copy.document()?;
            let whole = Whole {
                outlook: Some(&shown),
                ..whole
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

    /// Returns why the choices of the organizer whom Odoo names, and who is not the mailbox's, keep a
    /// meeting out.
    pub(super) fn successor_refuses(
        &self,
        snapshot: Option<&Snapshot>,
        copy: Option<(&Copy, Rights)>,
        whole: Whole<'_>,
    ) -> anyhow::Result<Option<Kept>> {
        let Some((copy, Rights::Write)) = copy else {
            return Ok(None);
        };
        let successor = snapshot.and_then(|snapshot| self.people.organizer(snapshot));
        let successor = successor.filter(|successor| successor.id != copy.account_id);
        let whole = Whole {
            base: None,
            outlook: None,
            ..whole
        };
        let taken = self.chosen(successor, None, whole)?;
        Ok(taken.and_then(|taken| taken.passage.to_outlook.err()))
    }

    /// Leaves both sides of a meeting as they are. If one of them has ended it meanwhile, the other
    /// keeps it for good, whatever is chosen later.
    pub(super) fn keep_out(&mut self, kept: &Kept, odoo: Option<&Document>, copy: Option<&Copy>) {
        let meeting = &self.dossier.meeting;
        let had_record = meeting.odoo_gone || meeting.has_record();
        let is_gone = copy.is_some_and(|copy| copy.gone || copy.cancelled);
        match odoo {
            Some(_) if is_gone => self.keep_in_odoo(kept),
            None if had_record => {
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
        if plan.odoo == OdooStep::Archive {
            // Every occurrence was taken out on one of the sides. Neither is ended for the other.
            plan.outlook = OutlookWrites::default();
        }
        if is_change {
            plan.odoo = OdooStep::Nothing;
            plan.ended = false;
            plan.agreed = false;
        }
        Some(is_change)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::num::NonZeroU32;

    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::calendar::document::Recurrence;
    use crate::calendar::merge::tests::event;
    use crate::calendar::recurrence::{End, Pattern, Rule};

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).expect("a date")
    }

    /// Returns an event of one hour that begins then.
    fn document(start: &str, zone: &str) -> Document {
        let tree = event().new_tree(&mut TestRunner::deterministic());
        let mut event = tree.expect("an event").current();
        let start: DateTime<Utc> = start.parse().expect("a time");
        event.time = Time::Timed {
            start,
            end: start + TimeDelta::hours(1),
            zone: zone.to_owned(),
        };
        Document::single(event)
    }

    #[test]
    fn an_event_ends_on_the_date_of_its_own_time_zone() {
        let end = |start: &str, zone: &str| ends_on(Some(&document(start, zone)), None);
        // From half past eleven in the evening to half past midnight in Berlin.
        assert_eq!(end("2026-11-09T22:30:00Z", "Europe/Berlin"), Some(day(10)));
        assert_eq!(end("2026-11-10T00:00:00Z", "America/New_York"), Some(day(9)));
        // It ends with the day.
        assert_eq!(end("2026-11-09T22:00:00Z", "Europe/Berlin"), Some(day(9)));
    }

    #[test]
    fn the_later_side_counts_and_what_has_no_end_never_ends() {
        let (early, late) = (
            document("2026-11-09T10:00:00Z", "UTC"),
            document("2026-11-12T10:00:00Z", "UTC"),
        );
        assert_eq!(ends_on(Some(&early), Some(&late)), Some(day(12)));
        let endless = Document {
            recurrence: Recurrence::Rule(Rule {
                pattern: Pattern::Daily,
                interval: NonZeroU32::MIN,
                end: End::Forever,
            }),
            exceptions: BTreeMap::new(),
            excluded_dates: BTreeSet::new(),
            ..early
        };
        assert_eq!(ends_on(Some(&endless), Some(&late)), None);
    }
}
