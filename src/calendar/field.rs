//! The property groups: which properties are merged as one, and their values in two states of an
//! event.

use serde::{Deserialize, Serialize};

use super::event::{Event, Privacy};
use super::{body, title};

/// A group of properties that are merged as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    Title,
    Body,
    Location,
    /// Start, end, all-day and zone.
    Time,
    Privacy,
    ShowAs,
    Reminder,
    Video,
    /// Whether Outlook holds the meeting online. It can be requested, and not withdrawn.
    Online,
    /// Merged one by one, but written as a whole (Graph replaces the array).
    Attendees,
}

impl Group {
    /// Every group that has one value.
    pub const SINGLE: [Self; 9] = [
        Self::Title,
        Self::Body,
        Self::Location,
        Self::Time,
        Self::Privacy,
        Self::ShowAs,
        Self::Reminder,
        Self::Video,
        Self::Online,
    ];

    /// Returns the name under which it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "body",
            Self::Location => "location",
            Self::Time => "time",
            Self::Privacy => "privacy",
            Self::ShowAs => "show_as",
            Self::Reminder => "reminder",
            Self::Video => "video",
            Self::Online => "online",
            Self::Attendees => "attendees",
        }
    }

    /// Returns whether other people see it. A write of the other groups alone must not mail
    /// anybody.
    pub fn visible_to_guests(self) -> bool {
        !matches!(self, Self::Reminder | Self::ShowAs)
    }
}

/// One of the two calendars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Odoo,
    Outlook,
}

impl Side {
    pub const ALL: [Self; 2] = [Self::Odoo, Self::Outlook];

    /// Returns the name under which it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Odoo => "odoo",
            Self::Outlook => "outlook",
        }
    }
}

/// Returns whether a group has the same value in two states *of one side*.
pub fn unchanged(group: Group, a: &Event, b: &Event) -> bool {
    match group {
        Group::Title => a.title == b.title,
        Group::Body => a.body == b.body || body::same_meaning(&a.body, &b.body),
        Group::Location => a.location == b.location,
        Group::Time => a.time.same_span(&b.time),
        Group::Privacy => a.privacy == b.privacy,
        Group::ShowAs => a.show_as == b.show_as,
        Group::Reminder => a.reminder == b.reminder,
        Group::Video => a.video == b.video,
        Group::Online => a.online == b.online,
        Group::Attendees => a.attendees == b.attendees,
    }
}

/// Returns whether a group is the same on *both* sides, as far as Odoo can express it.
pub(crate) fn agree(group: Group, odoo: &Event, outlook: &Event) -> bool {
    match group {
        Group::Privacy => odoo_privacy(odoo.privacy) == odoo_privacy(outlook.privacy),
        Group::ShowAs => odoo.show_as.blocks_time() == outlook.show_as.blocks_time(),
        Group::Title => odoo.title == outlook.title || title::for_outlook(&odoo.title) == outlook.title,
        _ => unchanged(group, odoo, outlook),
    }
}

fn odoo_privacy(privacy: Privacy) -> Privacy {
    if privacy == Privacy::Personal {
        Privacy::Normal
    } else {
        privacy
    }
}

pub(crate) fn take(group: Group, into: &mut Event, from: &Event) {
    match group {
        Group::Title => into.title.clone_from(&from.title),
        Group::Body => into.body.clone_from(&from.body),
        Group::Location => into.location.clone_from(&from.location),
        Group::Time => into.time.clone_from(&from.time),
        Group::Privacy => into.privacy = from.privacy,
        Group::ShowAs => into.show_as = from.show_as,
        Group::Reminder => into.reminder = from.reminder,
        Group::Video => into.video.clone_from(&from.video),
        Group::Online => into.online = from.online,
        Group::Attendees => into.attendees.clone_from(&from.attendees),
    }
}

/// Copies a group of Odoo's state into Outlook's, in the form that Outlook can store.
pub(crate) fn take_to_outlook(group: Group, outlook: &mut Event, odoo: &Event) {
    take(group, outlook, odoo);
    if group == Group::Title {
        outlook.title = title::for_outlook(&odoo.title).into_owned();
    }
}

/// Copies the named groups from one state into another.
pub fn take_groups<'a>(groups: impl IntoIterator<Item = &'a Group>, into: &mut Event, from: &Event) {
    for group in groups {
        take(*group, into, from);
    }
}
