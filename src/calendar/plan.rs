//! Parts of a plan: whether a copy may be written, whom Outlook mails, and when removals are held.

use super::event::Address;

/// Whether a copy in Outlook may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The mailbox is the organizer's.
    Write,
    /// An attendee's copy. A write to it would be lost at the organizer's next update.
    ReadOnly,
}

/// A mail that Outlook sends because of the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mail {
    Invitation(Address),
    Update(Address),
    Cancellation(Address),
}

impl Mail {
    /// Returns the address of its recipient.
    pub fn into_address(self) -> Address {
        match self {
            Self::Invitation(address) | Self::Update(address) | Self::Cancellation(address) => address,
        }
    }
}

/// The removal limit: when removals that nobody asked for in Odoo are held until a person has
/// looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brake {
    /// A number of removals up to which they are never held.
    pub over: i64,
    /// A percentage of the linked events up to which they are never held.
    pub percent: i64,
}

impl Brake {
    /// Returns whether `removals` of `linked` events exceed both limits.
    pub fn stops(self, removals: i64, linked: i64) -> bool {
        removals > self.over && removals.saturating_mul(100) > linked.saturating_mul(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brake_stops_what_is_over_both_its_numbers() {
        let brake = Brake {
            over: 20,
            percent: 20,
        };
        for (removals, linked, stops) in [
            (20, 20, false),
            (21, 21, true),
            (21, 105, false),
            (21, 104, true),
            (0, 0, false),
        ] {
            assert_eq!(brake.stops(removals, linked), stops, "{removals} of {linked}");
        }
    }
}
