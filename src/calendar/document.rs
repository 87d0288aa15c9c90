//! A meeting as one side has it: a single event, or a series.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::event::{Event, Privacy, ShowAs};
use super::recurrence::{End, Pattern, Rule};
use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Document {
    Event(Box<Event>),
    Series(Box<Series>),
    /// A series that this product's other side has no form for.
    Unsayable {
        /// A sentence.
        unsayable: String,
        /// What most of it shares.
        template: Box<Event>,
    },
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Unsayable {
            unsayable: String,
            template: Box<Event>,
        }
        let value = Value::deserialize(deserializer)?;
        if value.get("unsayable").is_some() {
            let read: Unsayable = serde_json::from_value(value).map_err(D::Error::custom)?;
            return Ok(Self::Unsayable {
                unsayable: read.unsayable,
                template: read.template,
            });
        }
        if value.get("rule").is_some() {
            return serde_json::from_value(value)
                .map(Self::Series)
                .map_err(D::Error::custom);
        }
        serde_json::from_value(value)
            .map(Self::Event)
            .map_err(D::Error::custom)
    }
}

impl Document {
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Event(_))
    }

    /// The event, or what most occurrences share.
    pub fn template(&self) -> &Event {
        match self {
            Self::Event(event) => event,
            Self::Series(series) => &series.template,
            Self::Unsayable { template, .. } => template,
        }
    }

    /// Whether both take place at the same times.
    pub fn same_times(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Event(a), Self::Event(b)) => a.time.same_span(&b.time),
            (Self::Series(a), Self::Series(b)) => a.same_schedule(b),
            _ => false,
        }
    }

    /// When it takes place, and nothing else of it.
    pub fn times_alone(&self) -> Self {
        let alone = |event: &Event| Event {
            title: String::new(),
            body: String::new(),
            location: String::new(),
            time: event.time.clone(),
            privacy: Privacy::Normal,
            show_as: ShowAs::Busy,
            reminder: None,
            video: String::new(),
            online: false,
            organizer: None,
            attendees: BTreeMap::new(),
        };
        match self {
            Self::Series(series) => Self::Series(Box::new(Series {
                rule: series.rule,
                template: alone(&series.template),
                exceptions: BTreeMap::new(),
                cancelled: BTreeSet::new(),
            })),
            Self::Event(event) => Self::Event(Box::new(alone(event))),
            Self::Unsayable { template, .. } => Self::Event(Box::new(alone(template))),
        }
    }

    /// The event, or what most occurrences share, taken out.
    pub fn into_event(self) -> Event {
        match self {
            Self::Event(event) => *event,
            Self::Series(series) => series.template,
            Self::Unsayable { template, .. } => *template,
        }
    }

    /// The series; an event is one with a single slot.
    pub fn into_series(self) -> Series {
        match self {
            Self::Series(series) => *series,
            Self::Event(event) => alone(*event),
            Self::Unsayable { template, .. } => alone(*template),
        }
    }
}

/// The series of one slot that an event is.
pub fn alone(event: Event) -> Series {
    Series {
        rule: Rule {
            pattern: Pattern::Daily,
            interval: NonZeroU32::MIN,
            end: End::Count(NonZeroU32::MIN),
        },
        template: event,
        exceptions: BTreeMap::new(),
        cancelled: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::merge::tests::event;

    proptest! {
        #[test]
        fn each_kind_is_read_as_what_it_is(event in event()) {
            let unsayable = Document::Unsayable {
                unsayable: "why".to_owned(),
                template: Box::new(event.clone()),
            };
            let kinds = [
                Document::Event(Box::new(event.clone())),
                Document::Series(Box::new(alone(event.clone()))),
                unsayable,
            ];
            for document in kinds {
                let stored = serde_json::to_value(&document).unwrap();
                prop_assert_eq!(&serde_json::from_value::<Document>(stored).unwrap(), &document);
                prop_assert_eq!(document.into_event(), event.clone());
            }
        }
    }
}
