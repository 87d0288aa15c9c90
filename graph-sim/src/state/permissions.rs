//! What a calendar's owner lets others do (the resource type *calendarPermission*), and who gets the owner's meeting messages.

use serde::{Deserialize, Serialize};

/// The `calendarRoleType` of a person, for the owner's primary calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    FreeBusyRead,
    LimitedRead,
    Read,
    Write,
    DelegateWithoutPrivateEventAccess,
    DelegateWithPrivateEventAccess,
}

/// What somebody wants to do in another person's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Read,
    Write,
    /// To answer an invitation of the owner's.
    Respond,
}

impl Role {
    pub(crate) fn is_delegate(self) -> bool {
        matches!(
            self,
            Self::DelegateWithoutPrivateEventAccess | Self::DelegateWithPrivateEventAccess
        )
    }

    pub fn sees_private(self) -> bool {
        self == Self::DelegateWithPrivateEventAccess
    }

    /// Tells whether somebody with this role may do it.
    pub fn may(self, deed: Deed) -> bool {
        match deed {
            Deed::Read => !matches!(self, Self::FreeBusyRead | Self::LimitedRead),
            Deed::Write => self == Self::Write || self.is_delegate(),
            Deed::Respond => self.is_delegate(),
        }
    }
}

/// Who gets an owner's meeting requests, and the answers to the owner's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MeetingMessages {
    SendToDelegateAndInformationToPrincipal,
    SendToDelegateAndPrincipal,
    #[default]
    SendToDelegateOnly,
}
