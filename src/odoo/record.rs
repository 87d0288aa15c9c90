//! The record of a change: an event, or a series with all of its events.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::identity::{Identity, StockIds, Was};
use super::mailboxes::Mailboxes;
use super::rows::SeriesRows;
use super::series::{NoSeries, SeriesSnapshot};
use super::snapshot::{NoEvent, Snapshot};
use super::time::OdooTime;
use crate::calendar::body;
use crate::calendar::document::Document;
use crate::calendar::invitations::Mailer;
use crate::calendar::recurrence::NoFaithfulForm;

/// A snapshot of either kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    Event(Box<Snapshot>),
    Series(Box<SeriesSnapshot>),
}

/// Why a record cannot be translated to the domain. For the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDocument {
    #[error(transparent)]
    Event(#[from] NoEvent),
    /// It repeats in a way that Outlook cannot express.
    #[error("Outlook cannot repeat it so: {0}")]
    Rule(NoFaithfulForm),
    #[error(transparent)]
    Series(NoSeries),
}

impl From<NoSeries> for NoDocument {
    fn from(error: NoSeries) -> Self {
        match error {
            NoSeries::Rule(rule) => Self::Rule(rule),
            NoSeries::Unreadable(_) | NoSeries::Empty => Self::Series(error),
        }
    }
}

/// Makes the addresses of links and pictures in Odoo's descriptions absolute, so that they work
/// outside of Odoo's pages. All later code sees only absolute addresses, so they are not a
/// difference.
pub fn with_absolute_addresses(mut handed_over: Value, base_url: &str) -> Value {
    let base = base_url.trim_end_matches('/');
    each_description(&mut handed_over, &mut |html| {
        *html = body::with_absolute_addresses(html, base);
    });
    handed_over
}

/// Returns the descriptions in what Odoo sends, in the form in which they are compared.
pub fn descriptions(handed_over: &Value, base_url: &str) -> Vec<String> {
    let mut found = Vec::new();
    each_description(
        &mut with_absolute_addresses(handed_over.clone(), base_url),
        &mut |html| {
            found.push(body::from_odoo(html).into_owned());
        },
    );
    found
}

fn each_description(value: &mut Value, do_it: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(html) if name == "description" => do_it(html),
                    // As the built-in sync has sent it.
                    _ if name == "stock_ids" => {}
                    field => each_description(field, do_it),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_description(item, do_it)),
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.get("rows").is_some() {
            let rows: SeriesRows = serde_json::from_value(value).map_err(D::Error::custom)?;
            let series = rows.read().map_err(D::Error::custom)?;
            return Ok(Self::Series(Box::new(series)));
        }
        // A stored record does not contain its model.
        if value.get("rule").is_some() {
            serde_json::from_value(value)
                .map(Self::Series)
                .map_err(D::Error::custom)
        } else {
            serde_json::from_value(value)
                .map(Self::Event)
                .map_err(D::Error::custom)
        }
    }
}

impl Record {
    pub fn identity(&self) -> Identity {
        match self {
            Self::Event(event) => Identity {
                odoo_id: Some(event.id),
                key: None,
                link: event.link,
            },
            Self::Series(series) => Identity {
                odoo_id: series.base_id,
                key: Some(series.key.clone()),
                link: series.link,
            },
        }
    }

    pub fn version(&self) -> &str {
        match self {
            Self::Event(event) => &event.version,
            Self::Series(series) => &series.version,
        }
    }

    pub fn active(&self) -> bool {
        match self {
            Self::Event(event) => event.active,
            Self::Series(series) => series.active,
        }
    }

    pub fn create_date(&self) -> OdooTime {
        match self {
            Self::Event(event) => event.create_date,
            Self::Series(series) => series.create_date,
        }
    }

    pub fn write_date(&self) -> OdooTime {
        match self {
            Self::Event(event) => event.write_date,
            Self::Series(series) => series.write_date,
        }
    }

    /// Returns the names of its tags.
    pub fn tags(&self) -> &[String] {
        match self {
            Self::Event(event) => &event.tags,
            Self::Series(series) => &series.tags,
        }
    }

    /// Returns which side mails its guests, as recorded when it was saved.
    pub fn mailer(&self) -> Option<Mailer> {
        match self {
            Self::Event(event) => event.mailer,
            Self::Series(series) => series.mailer,
        }
    }

    /// Returns the event, or what most occurrences of the series share, as an event.
    ///
    /// # Errors
    /// [`NoDocument`], if the series has no readable template.
    pub fn template(&self) -> Result<Snapshot, NoDocument> {
        match self {
            Self::Event(event) => Ok(event.as_ref().clone()),
            Self::Series(series) => Ok(series.template()?),
        }
    }

    /// Translates it to the domain; returns `None` for a series without any occurrence.
    ///
    /// # Errors
    /// [`NoDocument`] for anything else that the domain cannot express.
    pub fn document(&self, mailboxes: &Mailboxes) -> Result<Option<Document>, NoDocument> {
        match self {
            Self::Event(event) => Ok(Some(Document::single(event.to_event(mailboxes)?))),
            Self::Series(series) => match series.to_series(mailboxes) {
                Ok(series) => Ok(Some(series)),
                Err(NoSeries::Empty) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    pub fn stock_ids(&self) -> Option<&StockIds> {
        match self {
            Self::Event(event) => event.stock_ids.as_ref(),
            Self::Series(series) => series.stock_ids.as_ref(),
        }
    }

    /// Returns whether a rule of this Odoo keeps it out of Outlook.
    pub fn excluded(&self) -> bool {
        match self {
            Self::Event(event) => event.excluded,
            Self::Series(series) => series.excluded,
        }
    }

    /// Notes that a rule of this Odoo keeps it out of Outlook.
    pub fn exclude(&mut self) {
        match self {
            Self::Event(event) => event.excluded = true,
            Self::Series(series) => series.excluded = true,
        }
    }

    /// Returns the earlier record that this series or event was.
    pub fn was(&self) -> Option<&Was> {
        match self {
            Self::Event(event) => event.was.as_ref(),
            Self::Series(series) => series.was.as_ref(),
        }
    }

    pub fn series(&self) -> Option<&SeriesSnapshot> {
        match self {
            Self::Event(_) => None,
            Self::Series(series) => Some(series),
        }
    }
}
