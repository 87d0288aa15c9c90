//! A meeting as one side has it: a single event, or a series.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, Privacy, ShowAs};
use super::series::Recurrence;
pub use super::series::Series as Document;

impl Document {
    /// A meeting that takes place once.
    pub fn single(event: Event) -> Self {
        Self::with(Recurrence::Once, event)
    }

    /// A meeting that the other side has no form for, as a sentence says.
    pub fn unsayable(reason: String, template: Event) -> Self {
        Self::with(Recurrence::Unsayable(reason), template)
    }

    fn with(recurrence: Recurrence, template: Event) -> Self {
        Self {
            recurrence,
            template,
            exceptions: BTreeMap::new(),
            cancelled: BTreeSet::new(),
        }
    }

    /// Whether it takes place once.
    pub fn is_single(&self) -> bool {
        self.recurrence == Recurrence::Once
    }

    /// Why the other side has no form for it.
    pub fn why_unsayable(&self) -> Option<&str> {
        match &self.recurrence {
            Recurrence::Unsayable(reason) => Some(reason),
            Recurrence::Once | Recurrence::Rule(_) => None,
        }
    }

    /// Whether both take place at the same times.
    pub fn same_times(&self, other: &Self) -> bool {
        match (&self.recurrence, &other.recurrence) {
            (Recurrence::Once, Recurrence::Once) => self.template.time.same_span(&other.template.time),
            (Recurrence::Rule(_), Recurrence::Rule(_)) => self.same_schedule(other),
            _ => false,
        }
    }

    /// When it takes place, and nothing else of it.
    pub fn times_alone(&self) -> Self {
        let alone = Event {
            title: String::new(),
            body: String::new(),
            location: String::new(),
            time: self.template.time.clone(),
            privacy: Privacy::Normal,
            show_as: ShowAs::Busy,
            reminder: None,
            video: String::new(),
            online: false,
            organizer: None,
            attendees: BTreeMap::new(),
        };
        match &self.recurrence {
            Recurrence::Once | Recurrence::Unsayable(_) => Self::single(alone),
            recurrence @ Recurrence::Rule(_) => Self::with(recurrence.clone(), alone),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::merge::tests::event;
    use crate::calendar::series::tests::series;

    proptest! {
        #[test]
        fn each_kind_is_read_as_what_it_is(event in event(), series in series()) {
            for document in [
                Document::single(event.clone()),
                Document::unsayable("why".to_owned(), event),
                series,
            ] {
                let stored = serde_json::to_value(&document).unwrap();
                prop_assert_eq!(&serde_json::from_value::<Document>(stored).unwrap(), &document);
            }
        }
    }
}
