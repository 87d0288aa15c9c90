//! Times as Odoo writes them.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

/// A time in Odoo's format, `YYYY-MM-DD HH:MM:SS`, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OdooTime(pub DateTime<Utc>);

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

impl OdooTime {
    pub fn format(time: DateTime<Utc>) -> String {
        time.format(FORMAT).to_string()
    }
}

impl<'de> Deserialize<'de> for OdooTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let whole = text.split('.').next().unwrap_or_default();
        NaiveDateTime::parse_from_str(whole, FORMAT)
            .map(|naive| Self(naive.and_utc()))
            .map_err(|_| serde::de::Error::custom(format!("'{text}' is not a time like 2026-11-22 10:00:00")))
    }
}

impl Serialize for OdooTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Self::format(self.0))
    }
}
