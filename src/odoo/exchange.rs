//! The types of `calendar.event.sync` and related methods (`docs/EXCHANGE.md`).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::identity::{Identity, SERIES_MODEL, Was};
use super::record::Record;
use super::recurrence::MAX_OCCURRENCES;
use super::series::Slot;
use super::snapshot::Values;
use super::time::OdooTime;
use crate::calendar::event::Address;
use crate::calendar::invitations::Mailer;
use crate::calendar::merge::Policy;

/// The keyword arguments of `calendar.event.sync`. Changes and acks are read one by one, so that a malformed
/// one is rejected alone.
#[derive(Debug, Deserialize)]
pub struct SyncRequest {
    pub nonce: String,
    pub next_nonce: String,
    #[serde(default)]
    pub changes: Vec<Value>,
    #[serde(default)]
    pub acks: Vec<Value>,
    /// Everybody who saved any of the changes.
    #[serde(default)]
    pub actors: Vec<Actor>,
    #[serde(default)]
    pub user_id: Option<i32>,
    /// How many changes Odoo accepts at most; 0 if it only hands over.
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// How long the answer may wait for a mailbox's first news, in milliseconds (at most 2000).
    #[serde(default)]
    pub wait_ms: u64,
    /// Odoo's clock, used to correct the times of its changes.
    #[serde(default)]
    pub now: Option<OdooTime>,
    /// Users who were archived or deleted.
    #[serde(default)]
    pub departed: Vec<Departed>,
    /// Users some of whose requested events are still to be sent after this call. An add-on that
    /// does not send this field is of another version: its remaining events would count as lost.
    pub existing_left: Vec<i32>,
    /// Records that Odoo was asked for, has, and cannot send.
    #[serde(default)]
    pub untold: Vec<Untold>,
    /// The number of the call since the pairing. A call that a later one has overtaken is outdated.
    #[serde(default)]
    pub call: i64,
    /// The `tag` of the [`State`] that Odoo has. An add-on that sends none gets all accounts.
    #[serde(default)]
    pub state_tag: Option<String>,
}

/// A record that exists and was put aside in Odoo, so that its content is not sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Untold {
    #[serde(flatten)]
    pub place: Place,
    /// Why, in words for a person.
    pub message: String,
}

/// A user who was deleted or archived.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Departed {
    pub user_id: i32,
    /// Deleted, rather than archived.
    pub deleted: bool,
}

fn default_limit() -> u32 {
    200
}

/// Why an outbox row exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody or something saved the record.
    Save,
    /// The service asked for a newly connected user's events.
    Existing,
}

/// A change of one record: all rows of Odoo's outbox about it, merged ([`super::touched`]).
#[derive(Clone, Debug)]
pub struct Change {
    /// The last row's.
    pub id: i64,
    /// Of all rows.
    pub ids: Vec<i64>,
    pub cause: Cause,
    pub uid: Option<i32>,
    /// Whether the earlier record that this one continues no longer exists on its own, as Odoo's
    /// tables show.
    pub was_gone: bool,
    /// Everybody who saved it since it was last sent.
    pub actors: Vec<Actor>,
    /// How often in succession it was rejected.
    pub rejections: u32,
    pub kind: ChangeKind,
}

/// Who saved a record in Odoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub uid: i32,
    #[serde(default)]
    pub name: Option<String>,
    /// An administrator of the settings.
    #[serde(default)]
    pub is_admin: bool,
}

#[derive(Clone, Debug)]
pub enum ChangeKind {
    Snapshot {
        /// Odoo field → time of its last change, UTC.
        times: BTreeMap<String, OdooTime>,
        record: Record,
    },
    Tombstone {
        model: Option<String>,
        res_id: i32,
        /// Of a series.
        key: Option<String>,
        link: Option<Uuid>,
        was: Option<Was>,
    },
    /// A rule of this Odoo keeps the record out of Outlook, so its content is not sent.
    Excluded {
        times: BTreeMap<String, OdooTime>,
        model: Option<String>,
        res_id: i32,
        /// Of a series.
        key: Option<String>,
        link: Option<Uuid>,
        was: Option<Was>,
    },
}

impl ChangeKind {
    /// Returns the name by which a person knows the record, if the change contains it.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Snapshot { record, .. } => record.template().ok()?.name,
            Self::Tombstone { .. } | Self::Excluded { .. } => None,
        }
    }

    /// Returns the identity of the record.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Snapshot { record, .. } => record.identity(),
            Self::Tombstone {
                model,
                res_id,
                key,
                link,
                ..
            }
            | Self::Excluded {
                model,
                res_id,
                key,
                link,
                ..
            } => Identity {
                odoo_id: (model.as_deref() != Some(SERIES_MODEL)).then_some(*res_id),
                key: key.clone(),
                link: *link,
            },
        }
    }

    /// Returns the earlier record that this one continues.
    pub fn was(&self) -> Option<&Was> {
        match self {
            Self::Snapshot { record, .. } => record.was(),
            Self::Tombstone { was, .. } | Self::Excluded { was, .. } => was.as_ref(),
        }
    }

    /// Returns the identity of the record and of the earlier one, the best first.
    pub fn identities(&self) -> Vec<Identity> {
        std::iter::once(self.identity())
            .chain(self.was().map(Was::identity))
            .collect()
    }
}

impl Change {
    /// Returns the identities in a change that cannot be read, as far as they are there.
    pub fn identities_in(unread: &Value) -> Vec<Identity> {
        let record = unread.get("record").filter(|record| !record.is_null());
        let record = record.unwrap_or(unread);
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let is_series = text("model") == Some(SERIES_MODEL);
        let number = |name: &str| record.get(name).and_then(Value::as_i64);
        let id = if is_series {
            number("base_id")
        } else {
            number("id").or_else(|| number("res_id"))
        };
        let rows = unread.get("rows").and_then(Value::as_array);
        let of_row = rows.into_iter().flatten().rev();
        let mut of_row = of_row.filter_map(|row| row.get("link")?.as_str());
        let link = text("link").or_else(|| of_row.next());
        vec![Identity {
            odoo_id: id.and_then(|id| i32::try_from(id).ok()),
            key: text("key").filter(|_| is_series).map(str::to_owned),
            link: link.and_then(|link| Uuid::parse_str(link).ok()),
        }]
    }

    /// The ids to acknowledge.
    pub fn row_ids(&self) -> Vec<i64> {
        self.ids.clone()
    }
}

/// Odoo's answer to one [`OdooChange`].
#[derive(Clone, Debug, Deserialize)]
pub struct Ack {
    pub id: i64,
    pub result: AckResult,
    #[serde(default)]
    pub record: Option<Record>,
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckResult {
    Applied,
    /// The record had moved on; nothing was written.
    Stale,
    /// The record does not exist any more.
    Gone,
    /// Odoo raised; `message` has its words.
    Refused,
}

/// What Odoo must do; stored as the payload of `odoo_outbox`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum OdooChange {
    Create {
        link: Uuid,
        user_id: i32,
        values: Values,
    },
    Write {
        res_id: i32,
        user_id: i32,
        version: String,
        values: Values,
    },
    Archive {
        #[serde(flatten)]
        place: Place,
        user_id: i32,
        version: String,
    },
    Unlink {
        #[serde(flatten)]
        place: Place,
        user_id: i32,
        version: String,
    },
    /// Makes occurrences of a series events of their own, which Odoo then sends as such.
    Detach {
        #[serde(flatten)]
        place: Place,
        user_id: i32,
        version: String,
        apart: Vec<Slot>,
    },
    /// The whole series as it is to be; with `rule: null`, the single event that it becomes.
    ApplySeries(Box<ApplySeries>),
    /// Which side mails the guests of a record from now on. It changes nothing that is synced, and
    /// so names no version.
    Mailer {
        #[serde(flatten)]
        place: Place,
        user_id: i32,
        mailer: Mailer,
        /// Odoo sent nothing, and Outlook never will: Odoo invites the guests now.
        invite: bool,
    },
}

impl OdooChange {
    /// Returns how many occurrences Odoo writes for this change, at most; 1 for a change of one record.
    pub fn occurrences(&self) -> u32 {
        match self {
            Self::ApplySeries(apply) => apply.occurrences(),
            Self::Archive { place, .. } | Self::Unlink { place, .. } if place.is_series() => MAX_OCCURRENCES,
            _ => 1,
        }
    }

    /// Returns the attendees that it sets, of all or of one occurrence (by slot, in the series'
    /// zone); `None` if it does not set any.
    pub fn guests(&self, one: Option<(NaiveDate, Tz)>) -> Option<BTreeSet<Address>> {
        let values = match (self, one) {
            (Self::Create { values, .. } | Self::Write { values, .. }, None) => Some(values),
            (Self::ApplySeries(apply), None) => apply.shape.get("values")?.as_object(),
            (Self::ApplySeries(apply), Some((slot, tz))) => {
                let slots = apply.shape.get("slots")?.as_array()?;
                let is_it = |own: &&Value| {
                    let name = own.get("slot").and_then(Value::as_str);
                    name.is_some_and(|name| Slot(name.to_owned()).date(tz) == Some(slot))
                };
                slots.iter().find(is_it)?.get("values")?.as_object()
            }
            _ => None,
        };
        let attendees = values?.get("attendees")?.as_array()?;
        let address = |attendee: &Value| Address::parse(attendee.get("email")?.as_str()?);
        Some(attendees.iter().filter_map(address).collect())
    }
}

/// The record that a change is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub res_id: i32,
    /// [`SERIES_MODEL`] for a series; absent for an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Place {
    pub fn is_series(&self) -> bool {
        self.model.as_deref() == Some(SERIES_MODEL)
    }

    /// Returns the identity of the record. The service knows only an event by `res_id`.
    pub fn identity(&self) -> Identity {
        let is_series = self.is_series();
        Identity {
            odoo_id: (!is_series).then_some(self.res_id),
            key: self.key.clone().filter(|_| is_series),
            link: None,
        }
    }

    pub fn of(record: &Record) -> Self {
        match record {
            Record::Event(event) => Self {
                res_id: event.id,
                model: None,
                key: None,
            },
            Record::Series(series) => Self {
                res_id: series.id,
                model: Some(SERIES_MODEL.to_owned()),
                key: Some(series.key.clone()),
            },
        }
    }
}

/// `apply_series` (`docs/EXCHANGE.md`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplySeries {
    pub user_id: i32,
    pub key: Option<String>,
    pub res_id: Option<i32>,
    pub event_id: Option<i32>,
    pub link: Option<Uuid>,
    pub version: Option<String>,
    /// Rule, times, slots and values: a [`super::series::SeriesShape`], or for a single event its
    /// times and values.
    #[serde(flatten)]
    pub shape: Values,
    /// Records of slots before this one stay as they are.
    pub keep_before: Option<String>,
}

impl ApplySeries {
    /// Returns the count of its rule. For any other rule Odoo makes as many as it can.
    fn occurrences(&self) -> u32 {
        let rule = self.shape.get("rule");
        let is_counted = rule.and_then(|rule| rule.get("end_type")?.as_str()) == Some("count");
        rule.filter(|_| is_counted)
            .and_then(|rule| u32::try_from(rule.get("count")?.as_u64()?).ok())
            .map_or(MAX_OCCURRENCES, |count| count.min(MAX_OCCURRENCES))
    }
}

/// A change with the id to acknowledge.
#[derive(Debug, Serialize)]
pub struct NumberedChange {
    pub id: i64,
    #[serde(flatten)]
    pub change: OdooChange,
}

/// Returns the first changes that together write at most `most` occurrences, but at least one
/// change. Odoo needs some milliseconds for each, and a user who saves one of these events waits.
pub fn at_most(mut changes: Vec<NumberedChange>, most: u32) -> Vec<NumberedChange> {
    let mut occurrences = 0_u32;
    let fitting = changes.iter().take_while(|numbered| {
        occurrences = occurrences.saturating_add(numbered.change.occurrences());
        occurrences <= most
    });
    let fitting = fitting.count();
    changes.truncate(fitting.max(1));
    changes
}

#[derive(Debug, Serialize)]
pub struct Rejected {
    /// Of the record's last row.
    pub id: i64,
    pub message: String,
    /// The message as a sentence.
    pub words: Option<Value>,
    /// How many times in a row it has been rejected, including this time.
    pub rejections: u32,
    /// After how many minutes it is to be sent again.
    pub retry_minutes: u32,
    /// Whether the event's conversation is to say so.
    pub say: bool,
}

/// The answer of `calendar.event.sync`.
#[derive(Debug, Serialize)]
pub struct SyncAnswer {
    pub acked: Vec<i64>,
    pub rejected: Vec<Rejected>,
    pub changes: Vec<NumberedChange>,
    pub more: bool,
    pub state: State,
    pub want_existing: Vec<i32>,
    pub want_records: Vec<WantedRecord>,
}

/// A record that Odoo is to send, or to report as missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantedRecord {
    /// The user whose events need it.
    pub user_id: i32,
    #[serde(flatten)]
    pub place: Place,
}

/// What the add-on caches about its database.
#[derive(Debug, Serialize)]
pub struct State {
    /// Names this state in the next request; `None` if it is about one user only.
    pub tag: Option<String>,
    /// Whether `accounts` has only those that changed since the state that the request names. All
    /// others are as they were.
    pub partial: bool,
    pub configured: bool,
    pub paused: bool,
    pub quarantined: Option<String>,
    /// `quarantined` as a sentence, if it is one.
    pub quarantined_words: Option<Value>,
    pub redirect_uri: String,
    pub policy: Policy,
    pub brake_over: i32,
    pub brake_percent: i32,
    /// The database's own app registration first, then those of companies.
    pub registrations: Vec<RegistrationState>,
    /// More mails than this wait for approval, if nobody has just asked for them.
    pub mail_budget: i32,
    /// If others than the organizer save a change that mails more people outside than this, it
    /// waits for the organizer's approval.
    pub others_outside: i32,
    /// The mails per hour that a mailbox sends without approval.
    pub mails_an_hour: i32,
    /// The window of this database's mailboxes, in days; 0 means as the service is configured.
    pub days_back: i32,
    pub days_ahead: i32,
    /// How many days back and ahead Odoo sends when it is asked for events, or when a contact or an
    /// alarm changes.
    pub told_back: i64,
    pub told_ahead: i64,
    /// Events that ended more days ago are not sent to Outlook; 0 means no limit.
    pub sent_back: i32,
    /// Events that were created in Odoo earlier are not made in Outlook.
    pub created_from: Option<OdooTime>,
    /// Why nothing is exchanged with this database, in words for an administrator.
    pub problem: Option<String>,
    /// `problem` as a sentence.
    pub problem_words: Option<Value>,
    /// Whether users cannot log in before an administrator of Microsoft 365 consents.
    pub needs_consent: bool,
    /// The version of the service.
    pub version: String,
    /// Whether the service understands `signal`.
    pub signals: bool,
    /// Why Microsoft does not notify of changes, in Microsoft's words.
    pub notify_problem: Option<String>,
    pub accounts: Vec<AccountState>,
}

/// An app registration, without its secret.
#[derive(Debug, Serialize)]
pub struct RegistrationState {
    /// The company whose users log in with it; `None` for all companies without their own.
    pub company_id: Option<i32>,
    pub client_id: String,
    pub has_secret: bool,
    pub tenant: Option<String>,
    /// `YYYY-MM-DD`, as an administrator entered it.
    pub secret_expires_on: Option<NaiveDate>,
    /// What Microsoft rejects about it, in words for an administrator.
    pub problem: Option<String>,
    /// `problem` as a sentence, if it is one.
    pub problem_words: Option<Value>,
}

/// The state of a user's mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Active,
    /// The user stopped it.
    Stopped,
    /// Nobody has consented, or the consent was withdrawn.
    NeedAuth,
    /// Connected, but something needs a person.
    Attention,
    Resetting,
}

#[derive(Debug, Serialize)]
pub struct AccountState {
    pub user_id: i32,
    pub status: AccountStatus,
    pub reason: Option<String>,
    /// The reason as a sentence, if it is one.
    pub reason_words: Option<Value>,
    pub login: Option<String>,
    pub last_sync: Option<OdooTime>,
    pub connected_at: OdooTime,
    /// How many removals wait for an administrator's answer; `None` if none do.
    pub removals: Option<i32>,
    /// How many events with guests wait for the user's choice.
    pub waiting: i64,
    /// How many mails wait for approval.
    pub mails: i32,
    /// How many conflicts the user has not looked at.
    pub conflicts: i32,
    /// Whether it was reset: Outlook sends nobody anything about this user's events any more.
    pub is_reset: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_so_many_occurrences_but_always_a_change() {
        let page = || {
            let place = json!({"res_id": 5, "model": SERIES_MODEL, "key": "k", "user_id": 7, "version": "v"});
            [
                json!({"op": "apply_series", "user_id": 7, "rule": {"end_type": "count", "count": 8}}),
                json!({"op": "write", "res_id": 42, "user_id": 7, "version": "v", "values": {}}),
                json!({"op": "apply_series", "user_id": 7, "rule": {"end_type": "count", "count": 9000}}),
                json!({"op": "apply_series", "user_id": 7, "rule": {"end_type": "forever", "count": 1}}),
                json!({"op": "apply_series", "user_id": 7, "rule": null}),
                json!({"op": "archive", "res_id": 42, "user_id": 7, "version": "v"}),
            ]
            .into_iter()
            .chain(["archive", "unlink"].map(|op| {
                let mut change = place.clone();
                change["op"] = json!(op);
                change
            }))
            .zip(1..)
            .map(|(change, id)| NumberedChange {
                id,
                change: serde_json::from_value(change).unwrap(),
            })
            .collect::<Vec<_>>()
        };
        let weights: Vec<_> = page().iter().map(|one| one.change.occurrences()).collect();
        assert_eq!(weights, [8, 1, 720, 720, 720, 1, 720, 720]);
        for (most, taken) in [
            (0, 1),
            (7, 1),
            (8, 1),
            (9, 2),
            (728, 2),
            (729, 3),
            (3000, 7),
            (9000, 8),
        ] {
            assert_eq!(at_most(page(), most).len(), taken, "at most {most}");
        }
        assert!(at_most(Vec::new(), 1).is_empty());
    }
}
