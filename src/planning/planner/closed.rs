//! What Odoo's side may not say to Outlook, whatever Outlook says to Odoo: the rules that a site had set for Odoo's own engine.

use chrono::{DateTime, TimeDelta, Utc};

use crate::calendar::event::Event;
use crate::odoo::record::Record;
use crate::planning::people::People;
use crate::store::reason::Reason;

/// Why nothing that is saved in Odoo is written to Outlook; `None`: it is.
pub fn why_closed(record: &Record, event: &Event, people: &People) -> Option<Reason> {
    if record.excluded() {
        return Some(Reason::Excluded);
    }
    let days = people.database.sent_back?;
    let is_old = event.time.ends_at() < people.now - TimeDelta::days(days.into());
    is_old.then_some(Reason::TooOld { days })
}

/// Whether it was made before the time since which Odoo's events are made in Outlook.
pub fn is_from_before(made: DateTime<Utc>, people: &People) -> bool {
    people.database.created_from.is_some_and(|from| made < from)
}

/// Whether it lies outside of the years that this database exchanges.
pub(super) fn is_outside(event: &Event, people: &People) -> bool {
    let days = |days: i32| TimeDelta::days(days.into());
    let (back, ahead) = (people.database.days_back, people.database.days_ahead);
    back.is_some_and(|back| event.time.ends_at() < people.now - days(back))
        || ahead.is_some_and(|ahead| event.time.starts_at() > people.now + days(ahead))
}
