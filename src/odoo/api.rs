//! The versions of the exchange that either end understands (`docs/EXCHANGE.md`, *Versions*).

use super::OdooError;

/// The header with the latest version that its sender understands.
pub const HEADER: &str = "x-bridge-api";
/// The header with the earliest one.
pub const HEADER_LOWEST: &str = "x-bridge-api-lowest";

/// A range of versions that one end understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    lowest: i32,
    api: i32,
}

/// What this service understands.
pub const OURS: Versions = Versions { lowest: 1, api: 1 };

/// What an end understands that sends no header: it is older than the versions, or a person with
/// `curl`.
pub const UNSAID: Versions = Versions { lowest: 1, api: 1 };

/// The end that is too old for the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outdated {
    AddOn,
    Service,
}

impl Versions {
    /// Returns the range if it is valid: no version is negative, and the lowest is not above the
    /// latest.
    pub fn new(lowest: i32, api: i32) -> Option<Self> {
        (0..=api).contains(&lowest).then_some(Self { lowest, api })
    }

    /// Reads the two headers of a call. A call without `lowest` understands one version.
    ///
    /// # Errors
    /// `UserError` if they are not a range of versions.
    pub fn read(api: Option<&str>, lowest: Option<&str>) -> Result<Self, OdooError> {
        let Some(api) = api else {
            return Ok(UNSAID);
        };
        let number = |text: &str| text.trim().parse().ok();
        number(lowest.unwrap_or(api))
            .zip(number(api))
            .and_then(|(lowest, api)| Self::new(lowest, api))
            .ok_or_else(|| {
                OdooError::user(format!(
                    "the header {HEADER} must be a number, and {HEADER_LOWEST} one that is not above it"
                ))
            })
    }

    pub fn lowest(self) -> i32 {
        self.lowest
    }

    pub fn api(self) -> i32 {
        self.api
    }

    /// Which end has to be upgraded before a service of the versions `service` can talk with an add-on of these; `None` if there is a
    /// version that both understand.
    pub fn outdated(self, service: Self) -> Option<Outdated> {
        if self.api < service.lowest {
            Some(Outdated::AddOn)
        } else if service.api < self.lowest {
            Some(Outdated::Service)
        } else {
            None
        }
    }

    /// Says to an administrator that an add-on of these versions and this service have none in common; `None` if they have.
    pub fn problem(self) -> Option<String> {
        let (old, new, remedy) = match self.outdated(OURS)? {
            Outdated::AddOn => (
                "The add-on microsoft_calendar_bridge of this Odoo",
                "the Outlook bridge",
                "Upgrade the add-on in Odoo.",
            ),
            Outdated::Service => (
                "The Outlook bridge",
                "the add-on microsoft_calendar_bridge of this Odoo",
                "Upgrade the service outlook-bridge.",
            ),
        };
        Some(format!(
            "{old} is too old for {new}: of the exchange between them the add-on understands {self}, and the bridge {OURS}. \
             Nothing is exchanged, and nothing is lost: what is saved in Odoo follows later. {remedy}"
        ))
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.lowest == self.api {
            write!(f, "version {}", self.api)
        } else {
            write!(f, "versions {} to {}", self.lowest, self.api)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(lowest: i32, api: i32) -> Versions {
        Versions::new(lowest, api).unwrap()
    }

    #[test]
    fn neighbors_understand_each_other_and_the_older_of_strangers_is_named() {
        let service = versions(2, 3);
        for (add_on, outdated) in [
            (versions(1, 1), Some(Outdated::AddOn)),
            (versions(1, 2), None),
            (versions(2, 2), None),
            (versions(2, 3), None),
            (versions(3, 4), None),
            (versions(4, 5), Some(Outdated::Service)),
        ] {
            assert_eq!(add_on.outdated(service), outdated, "{add_on} with {service}");
        }
    }

    #[test]
    fn headers_are_numbers_in_order_and_none_is_the_first_version() {
        let read = |api, lowest| Versions::read(api, lowest).ok();
        assert_eq!(read(None, None), Some(versions(1, 1)));
        assert_eq!(read(Some("3"), Some("2")), Some(versions(2, 3)));
        assert_eq!(read(Some(" 3"), None), Some(versions(3, 3)));
        for (api, lowest) in [
            ("", None),
            ("one", None),
            ("-1", None),
            ("2", Some("3")),
            ("2", Some("-1")),
            ("99999999999", None),
        ] {
            assert_eq!(read(Some(api), lowest), None, "{api:?} {lowest:?}");
        }
    }
}
