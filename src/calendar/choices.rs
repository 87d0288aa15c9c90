//! What a person wants to sync, and what that means for one meeting.
//!
//! A meeting that is kept out crosses in neither direction, and is not deleted on the side that has
//! it already. A choice of direction lets one side's changes through, and the other side keeps what
//! is its own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::body;
use super::document::{Document, Override};
use super::event::{Answer, Event, Privacy, ShowAs};
use super::merge::Base;
use crate::words::{Sentence, say};

/// The most categories or words of titles.
pub const MOST_WORDS: usize = 100;
/// The most further calendars.
pub const MOST_CALENDARS: usize = 20;
/// The most characters of a calendar's id, which Microsoft does not limit.
pub const LONGEST_ID: usize = 1_000;
/// The most characters of one of them, and of [`Choices::busy_title`].
pub const LONGEST_WORD: usize = 200;

/// Whose changes cross.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Both,
    /// Outlook's changes come to Odoo, and none go to Outlook.
    ToOdoo,
    /// Odoo's changes go to Outlook, and none come to Odoo.
    ToOutlook,
    /// A person's direction that the administrator's excludes.
    Neither,
}

impl Direction {
    pub fn to_odoo(self) -> bool {
        matches!(self, Self::Both | Self::ToOdoo)
    }

    pub fn to_outlook(self) -> bool {
        matches!(self, Self::Both | Self::ToOutlook)
    }

    fn within(self, bound: Self) -> Self {
        let to_odoo = self.to_odoo() && bound.to_odoo();
        let to_outlook = self.to_outlook() && bound.to_outlook();
        match (to_odoo, to_outlook) {
            (true, true) => Self::Both,
            (true, false) => Self::ToOdoo,
            (false, true) => Self::ToOutlook,
            (false, false) => Self::Neither,
        }
    }
}

/// How much of a private event the other side gets. Later ones let less through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Private {
    #[default]
    AsItIs,
    /// Its time, under [`Choices::busy_title`].
    Busy,
    NotAtAll,
}

/// The choices of a person, or the least that an administrator demands of everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    pub direction: Direction,
    pub private: Private,
    /// The title of a private event where only its time is shown.
    pub busy_title: String,
    /// Events that do not block time stay where they are.
    pub without_free: bool,
    /// An invitation comes to Odoo only once it is accepted, also tentatively.
    pub only_accepted: bool,
    /// Events with one of these categories in Outlook, or tags in Odoo, stay where they are, whatever
    /// the case of letters.
    pub without_categories: BTreeSet<String>,
    /// Events whose title contains one of these stay where they are, whatever the case of letters.
    pub without_titles: BTreeSet<String>,
    /// What ended before this date stays where it is.
    pub from: Option<NaiveDate>,
    /// Each side keeps its own reminders.
    pub without_reminders: bool,
    /// Further calendars of the mailbox, by Graph's ids. Their events come to Odoo, and nothing goes
    /// to them.
    pub calendars: BTreeSet<String>,
    /// No further calendar is synced.
    pub without_calendars: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            direction: Direction::default(),
            private: Private::default(),
            busy_title: "Busy".to_owned(),
            without_free: false,
            only_accepted: false,
            without_categories: BTreeSet::new(),
            without_titles: BTreeSet::new(),
            from: None,
            without_reminders: false,
            calendars: BTreeSet::new(),
            without_calendars: false,
        }
    }
}

/// Why a meeting does not cross.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "choice", content = "of")]
pub enum Kept {
    OnlyToOdoo,
    OnlyToOutlook,
    Private,
    Free,
    NotAccepted,
    Category(String),
    Title(String),
    Earlier(NaiveDate),
    /// It is in a further calendar, to which nothing goes.
    FurtherCalendar,
    /// It is in a calendar that is not chosen.
    CalendarNotChosen,
}

/// What is known of a meeting.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub base: Option<&'a Base>,
    pub odoo: Option<&'a Document>,
    pub outlook: Option<&'a Document>,
    /// Whether the mailbox is the organizer's, or none has the meeting.
    pub is_organizers: bool,
    /// Outlook's categories and Odoo's tags.
    pub categories: &'a [String],
    /// The response that the mailbox's owner has given in Outlook.
    pub answer: Option<Answer>,
    /// The date of the last occurrence's end, or `None` without one.
    pub ends_on: Option<NaiveDate>,
    /// The further calendar that contains it, by Graph's id; `None` for the user's own.
    pub calendar: Option<&'a str>,
}

/// What crosses of a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Why Odoo gets none of Outlook's changes.
    pub to_odoo: Result<(), Kept>,
    /// Why Outlook gets none of Odoo's changes.
    pub to_outlook: Result<(), Kept>,
    /// Only the time crosses: compare both sides as [`Choices::masked`] shows them.
    pub is_masked: bool,
}

impl Passage {
    fn closed(kept: Kept) -> Self {
        Self {
            to_odoo: Err(kept.clone()),
            to_outlook: Err(kept),
            is_masked: false,
        }
    }

    /// Returns why something does not cross.
    pub fn why_less(&self) -> Option<&Kept> {
        self.to_odoo.as_ref().err().or(self.to_outlook.as_ref().err())
    }

    /// Returns why nothing crosses at all.
    pub fn why_closed(&self) -> Option<&Kept> {
        match (&self.to_odoo, &self.to_outlook) {
            (Err(kept), Err(_)) => Some(kept),
            _ => None,
        }
    }
}

impl Choices {
    /// Returns these choices as far as the administrator permits them: what either keeps out is
    /// kept out.
    #[must_use]
    pub fn within(&self, bound: &Self) -> Self {
        let union = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.union(b).cloned().collect();
        Self {
            direction: self.direction.within(bound.direction),
            private: self.private.max(bound.private),
            busy_title: if self.private < bound.private {
                bound.busy_title.clone()
            } else {
                self.busy_title.clone()
            },
            without_free: self.without_free || bound.without_free,
            only_accepted: self.only_accepted || bound.only_accepted,
            without_categories: union(&self.without_categories, &bound.without_categories),
            without_titles: union(&self.without_titles, &bound.without_titles),
            from: self.from.max(bound.from),
            without_reminders: self.without_reminders || bound.without_reminders,
            calendars: if bound.without_calendars {
                BTreeSet::new()
            } else {
                self.calendars.clone()
            },
            without_calendars: self.without_calendars || bound.without_calendars,
        }
    }

    /// Returns whether everything crosses.
    pub fn is_everything(&self) -> bool {
        let busy_title = self.busy_title.clone();
        *self
            == Self {
                busy_title,
                ..Self::default()
            }
    }

    /// Returns what is wrong with entered choices.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn check(&self) -> Result<(), Sentence> {
        if self.direction == Direction::Neither {
            return Err(say::refusal_choices_neither());
        }
        if self.busy_title.trim().is_empty() {
            return Err(say::refusal_choices_title());
        }
        let words = || self.without_categories.iter().chain(&self.without_titles);
        if words().count() > MOST_WORDS {
            return Err(say::refusal_choices_many(MOST_WORDS));
        }
        if words().any(|word| word.trim().is_empty()) {
            return Err(say::refusal_choices_empty());
        }
        if self.calendars.len() > MOST_CALENDARS {
            return Err(say::refusal_choices_calendars(MOST_CALENDARS));
        }
        if self
            .calendars
            .iter()
            .any(|id| id.trim().is_empty() || id.len() > LONGEST_ID)
        {
            return Err(say::refusal_choices_calendar());
        }
        let mut all = words().chain([&self.busy_title]);
        if let Some(long) = all.find(|word| word.chars().count() > LONGEST_WORD) {
            let begin: String = long.chars().take(20).collect();
            return Err(say::refusal_choices_long(begin, LONGEST_WORD));
        }
        Ok(())
    }

    /// Decides what crosses of a meeting.
    pub fn passage(&self, known: &Known<'_>) -> Passage {
        if known.calendar.is_some_and(|id| !self.calendars.contains(id)) {
            return Passage::closed(Kept::CalendarNotChosen);
        }
        if let Some(kept) = self.kept_out(known) {
            return Passage::closed(kept);
        }
        let mut passage = Passage {
            to_odoo: if self.direction.to_odoo() {
                Ok(())
            } else {
                Err(Kept::OnlyToOutlook)
            },
            to_outlook: if self.direction.to_outlook() {
                Ok(())
            } else {
                Err(Kept::OnlyToOdoo)
            },
            is_masked: false,
        };
        if known.calendar.is_some() {
            passage.to_outlook = Err(Kept::FurtherCalendar);
        }
        if self.private == Private::AsItIs || !sides(known).any(is_private) {
            return passage;
        }
        // An invitation names its sender, and without that it could not be shown.
        if self.private == Private::NotAtAll || !known.is_organizers {
            return Passage::closed(Kept::Private);
        }
        if let (Some(odoo), Some(outlook)) = (known.odoo, known.outlook) {
            let masked = known
                .base
                .filter(|base| is_bare(&base.odoo) && is_bare(&base.outlook));
            let stands_in = |shown: &Document, agreed: &Document| {
                let title = &shown.master.title;
                is_bare(shown) && (*title == self.busy_title || *title == agreed.master.title)
            };
            // It had crossed whole before.
            let Some(base) = masked else {
                return Passage::closed(Kept::Private);
            };
            // What is written to the event itself would be written, and mailed, without knowing
            // its contents.
            match (stands_in(odoo, &base.odoo), stands_in(outlook, &base.outlook)) {
                (true, true) => {}
                (false, true) => passage.to_odoo = passage.to_odoo.and(Err(Kept::Private)),
                (true, false) => passage.to_outlook = passage.to_outlook.and(Err(Kept::Private)),
                // Both have contents of their own.
                (false, false) => return Passage::closed(Kept::Private),
            }
        }
        passage.is_masked = true;
        passage
    }

    /// Returns why the meeting crosses in neither direction.
    fn kept_out(&self, known: &Known<'_>) -> Option<Kept> {
        if let Some(from) = self.from
            && known.ends_on.is_some_and(|end| end < from)
        {
            return Some(Kept::Earlier(from));
        }
        if self.without_free && sides(known).any(|side| side.master.show_as == ShowAs::Free) {
            return Some(Kept::Free);
        }
        // What has crossed stays in sync: a response that is withdrawn must cross, too.
        let is_new = known.odoo.is_none();
        if self.only_accepted
            && is_new
            && !known.is_organizers
            && !matches!(known.answer, Some(Answer::Accepted | Answer::Tentative))
        {
            return Some(Kept::NotAccepted);
        }
        let is_named = |category: &&String| {
            let is_same = |own: &String| own.trim().to_lowercase() == category.trim().to_lowercase();
            known.categories.iter().any(is_same)
        };
        if let Some(category) = self.without_categories.iter().find(is_named) {
            return Some(Kept::Category(category.clone()));
        }
        let is_titled = |word: &&String| {
            let word = word.trim().to_lowercase();
            titles(known).any(|title| title.to_lowercase().contains(&word))
        };
        let word = self.without_titles.iter().find(is_titled)?;
        Some(Kept::Title(word.clone()))
    }

    /// Returns a private event as the other side may see it.
    #[must_use]
    pub fn masked(&self, document: &Document) -> Document {
        let mut masked = document.clone();
        let master = &mut masked.master;
        *master = Event {
            title: self.busy_title.clone(),
            body: String::new(),
            location: String::new(),
            video: String::new(),
            online: false,
            reminder: None,
            attendees: BTreeMap::new(),
            ..master.clone()
        };
        for own in masked.exceptions.values_mut() {
            *own = Override {
                time: own.time.clone(),
                privacy: own.privacy,
                show_as: own.show_as,
                ..Override::default()
            };
        }
        masked.exceptions.retain(|_, own| *own != Override::default());
        masked
    }

    /// Gives both sides the same reminders, so that none crosses: Odoo's, or none if only one side
    /// has the meeting.
    pub fn hide_reminders(&self, odoo: Option<&mut Document>, outlook: Option<&mut Document>) {
        if !self.without_reminders {
            return;
        }
        let clear = |document: &mut Document| {
            document.master.reminder = None;
            for own in document.exceptions.values_mut() {
                own.reminder = None;
            }
            document.exceptions.retain(|_, own| *own != Override::default());
        };
        odoo.into_iter().chain(outlook).for_each(clear);
    }
}

fn sides<'a>(known: &Known<'a>) -> impl Iterator<Item = &'a Document> + use<'a> {
    known.odoo.into_iter().chain(known.outlook)
}

/// Returns the titles of both sides, including those of single occurrences.
fn titles<'a>(known: &Known<'a>) -> impl Iterator<Item = &'a String> + use<'a> {
    sides(known).flat_map(|side| {
        let own = side.exceptions.values().filter_map(|own| own.title.as_ref());
        own.chain([&side.master.title])
    })
}

/// Returns whether an event, or one of its occurrences, is private.
pub fn is_private(document: &Document) -> bool {
    let own = |own: &Override| own.privacy.is_some_and(|privacy| privacy != Privacy::Normal);
    document.master.privacy != Privacy::Normal || document.exceptions.values().any(own)
}

/// Returns whether an event has nothing that [`Choices::masked`] would hide, but a title.
fn is_bare(document: &Document) -> bool {
    let master = &document.master;
    let is_plain = |own: &Override| {
        own.title.is_none()
            && own.body.is_none()
            && own.location.is_none()
            && own.video.is_none()
            && own.online.is_none()
            && own.attendees.is_none()
    };
    body::same_meaning(&master.body, "")
        && master.location.is_empty()
        && master.video.is_empty()
        && !master.online
        && master.guests().next().is_none()
        && document.exceptions.values().all(is_plain)
}

#[cfg(test)]
mod tests;
