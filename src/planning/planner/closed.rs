//! Rules that keep Odoo's changes out of Outlook, while Outlook's changes still come to Odoo. The
//! site had set them for Odoo's built-in sync.

use chrono::{DateTime, TimeDelta, Utc};

use crate::calendar::event::Event;
use crate::odoo::record::Record;
use crate::planning::people::People;
use crate::store::reason::Reason;

/// Returns why nothing that is saved in Odoo is written to Outlook; `None` if it is written.
pub fn why_closed(record: &Record, event: &Event, people: &People) -> Option<Reason> {
    if record.excluded() {
        return Some(Reason::Excluded);
    }
    let days = people.database.sent_back?;
    let is_old = event.time.ends_at() < people.now - TimeDelta::days(days.into());
    is_old.then_some(Reason::TooOld { days })
}

/// Returns whether it was made before the time from which on Odoo's events are made in Outlook.
pub fn is_from_before(made: DateTime<Utc>, people: &People) -> bool {
    people.database.created_from.is_some_and(|from| made < from)
}

/// Returns whether it lies outside of the window that this database exchanges.
pub fn is_outside(event: &Event, people: &People) -> bool {
    let days = |days: i32| TimeDelta::days(days.into());
    let (back, ahead) = (people.database.days_back, people.database.days_ahead);
    back.is_some_and(|back| event.time.ends_at() < people.now - days(back))
        || ahead.is_some_and(|ahead| event.time.starts_at() > people.now + days(ahead))
}
