//! The rows of Odoo's outbox. All rows of one record make one change.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::exchange::{self, Actor, Cause, Change, ChangeKind, Place};
use super::identity::Was;
use super::record::Record;
use super::time::OdooTime;

/// The field name for a change of a series' occurrences: one was added, removed or archived.
const SLOTS: &str = "slots";
const FIELDS_OF_SLOTS: [&str; 2] = ["active", "recurrent"];
/// After how many minutes a rejected record is first sent again. The time doubles each time.
const FIRST_RETRY_MINUTES: u32 = 10;
const LAST_RETRY_MINUTES: u32 = 24 * 60;
/// The rejection at which people are told. The first one may pass by itself.
const SAID_AT: u32 = 2;

/// A record as it is now, with its rows of Odoo's outbox.
#[derive(Clone, Debug, Deserialize)]
pub struct TouchedRecord {
    #[serde(flatten)]
    pub place: exchange::Place,
    pub rows: Vec<Row>,
    /// `None` if it does not exist, or is `excluded`.
    #[serde(default)]
    pub record: Option<Record>,
    #[serde(default)]
    pub excluded: Option<ExcludedRecord>,
    /// Whether the earlier record that this one continues no longer exists on its own, as Odoo's
    /// tables show.
    #[serde(default)]
    pub was_gone: bool,
}

/// One row: somebody saved the record, or the service has asked for it.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub id: i64,
    pub cause: Cause,
    #[serde(default)]
    pub uid: Option<i32>,
    /// Odoo field → time of its last change, UTC.
    #[serde(default)]
    pub times: BTreeMap<String, OdooTime>,
    /// Of a record that was deleted.
    #[serde(default)]
    pub link: Option<Uuid>,
    #[serde(default)]
    pub was: Option<Was>,
    /// How often in succession the service has rejected it.
    #[serde(default)]
    pub rejections: u32,
}

/// A record that a rule of this Odoo keeps out of Outlook, without its content.
#[derive(Clone, Debug, Deserialize)]
pub struct ExcludedRecord {
    pub active: bool,
    #[serde(default)]
    pub was: Option<Was>,
}

impl TouchedRecord {
    /// Merges the rows into one change.
    ///
    /// # Errors
    /// When there is no row.
    pub fn into_change(mut self, actors: &[Actor]) -> anyhow::Result<Change> {
        self.rows.sort_by_key(|row| row.id);
        let last = self.rows.last().context("no row says who changed what")?;
        let (id, uid) = (last.id, last.uid);
        let mut times = BTreeMap::new();
        for (field, time) in self.rows.iter().flat_map(|row| &row.times) {
            let is_of_slots = self.place.is_series() && FIELDS_OF_SLOTS.contains(&field.as_str());
            let field = if is_of_slots { SLOTS } else { field };
            times.insert(field.to_owned(), *time);
        }
        let saves = || self.rows.iter().filter(|row| row.cause == Cause::Save);
        let cause = saves().next().map_or(Cause::Existing, |row| row.cause);
        let mut savers = Vec::new();
        for uid in saves().filter_map(|row| row.uid) {
            if !savers.iter().any(|saver: &Actor| saver.uid == uid) {
                savers.push(known_or_nobody(actors, uid));
            }
        }
        let link = self.rows.iter().rev().find_map(|row| row.link);
        let was = self.rows.iter().rev().find_map(|row| row.was.clone());
        let ids = self.rows.iter().map(|row| row.id).collect();
        let rejections = rejections(self.rows.iter().map(|row| row.rejections));
        let Place { res_id, model, key } = self.place;
        let kind = match (self.record, self.excluded) {
            (Some(record), _) => ChangeKind::Snapshot { times, record },
            (None, Some(excluded)) if excluded.active => ChangeKind::Excluded {
                times,
                model,
                res_id,
                key,
                link: None,
                was: excluded.was,
            },
            // An archived record that is kept out of Outlook counts as deleted.
            (None, Some(excluded)) => ChangeKind::Tombstone {
                model,
                res_id,
                key,
                link: None,
                was: excluded.was,
            },
            (None, None) => ChangeKind::Tombstone {
                model,
                res_id,
                key,
                link,
                was: was.filter(|_| self.was_gone),
            },
        };
        Ok(Change {
            id,
            ids,
            cause,
            uid,
            was_gone: self.was_gone,
            actors: savers,
            rejections,
            kind,
        })
    }
}

/// Returns the actor of an id. A user who was deleted meanwhile is unknown.
fn known_or_nobody(actors: &[Actor], uid: i32) -> Actor {
    let known = actors.iter().find(|actor| actor.uid == uid);
    known.cloned().unwrap_or(Actor {
        uid,
        name: None,
        is_admin: false,
    })
}

/// Returns how often in succession a record was rejected. A later save is another change, which
/// starts again from zero.
fn rejections(rows: impl Iterator<Item = u32> + Clone) -> u32 {
    if rows.clone().any(|times| times == 0) {
        return 0;
    }
    rows.max().unwrap_or_default()
}

/// Returns the last row's id, and how often the rows were rejected, from rows that cannot be read
/// as a whole.
pub fn rows_in(unread: &Value) -> (i64, u32) {
    let rows = unread.get("rows").and_then(Value::as_array);
    let numbers = |name: &'static str| {
        let rows = rows.into_iter().flatten();
        rows.map(move |row| row.get(name).and_then(Value::as_i64).unwrap_or_default())
    };
    let times = numbers("rejections").map(|times| u32::try_from(times).unwrap_or_default());
    (numbers("id").max().unwrap_or_default(), rejections(times))
}

/// Returns after how many minutes Odoo sends a record again that was rejected so often in
/// succession.
pub fn retry_minutes(rejections: u32) -> u32 {
    let doubled = 1_u32.checked_shl(rejections.saturating_sub(1));
    let minutes = doubled.and_then(|times| FIRST_RETRY_MINUTES.checked_mul(times));
    minutes.map_or(LAST_RETRY_MINUTES, |minutes| minutes.min(LAST_RETRY_MINUTES))
}

/// Returns whether the event's conversation is to say so now.
pub fn is_to_be_said(rejections: u32) -> bool {
    rejections == SAID_AT
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(touched: Value) -> Change {
        let actors: Vec<Actor> =
            serde_json::from_value(json!([{"uid": 7, "name": "Ann", "is_admin": false}])).unwrap();
        let touched: TouchedRecord = serde_json::from_value(touched).unwrap();
        touched.into_change(&actors).unwrap()
    }

    fn row(id: i64, uid: i32, times: &Value) -> Value {
        json!({"id": id, "cause": "save", "uid": uid, "times": times})
    }

    fn times_of(change: &Change) -> Vec<(&str, String)> {
        let (ChangeKind::Snapshot { times, .. } | ChangeKind::Excluded { times, .. }) = &change.kind else {
            return Vec::new();
        };
        let printed = times
            .iter()
            .map(|(name, time)| (name.as_str(), OdooTime::format(time.0)));
        printed.collect()
    }

    #[test]
    fn rows_of_one_record_are_one_change() {
        let (early, late) = ("2026-11-22 10:00:00", "2026-11-22 11:00:00");
        let merged = change(json!({"model": "calendar.event", "res_id": 42,
            "excluded": {"active": true},
            "rows": [
                {"id": 3, "cause": "existing", "uid": 1, "times": {}, "link": Uuid::nil()},
                row(9, 8, &json!({"name": late})),
                row(5, 7, &json!({"name": early, "start": early})),
                row(7, 7, &json!({}))]}));
        assert_eq!((merged.id, merged.row_ids()), (9, vec![3, 5, 7, 9]));
        assert_eq!((merged.cause, merged.uid), (Cause::Save, Some(8)));
        assert_eq!(
            times_of(&merged),
            [("name", late.to_owned()), ("start", early.to_owned())]
        );
        let saved_by: Vec<_> = merged
            .actors
            .iter()
            .map(|actor| (actor.uid, actor.name.as_deref()))
            .collect();
        assert_eq!(
            saved_by,
            [(7, Some("Ann")), (8, None)],
            "who only asked has not saved"
        );
    }

    #[test]
    fn what_was_only_asked_for_is_nobodys_edit() {
        let asked = change(json!({"res_id": 42, "rows": [{"id": 3, "cause": "existing", "uid": 1}]}));
        assert_eq!(
            (asked.cause, asked.actors.len(), asked.row_ids()),
            (Cause::Existing, 0, vec![3])
        );
        assert!(matches!(asked.kind, ChangeKind::Tombstone { res_id: 42, .. }));
    }

    #[test]
    fn an_occurrence_that_went_is_a_change_of_its_series_slots() {
        let time = "2026-11-22 10:00:00";
        let rows = json!([row(
            1,
            7,
            &json!({"active": time, "recurrent": time, "name": time})
        )]);
        let series = change(
            json!({"model": "calendar.recurrence", "key": "k", "res_id": 5, "rows": rows, "excluded": {"active": true}}),
        );
        assert_eq!(
            times_of(&series),
            [("name", time.to_owned()), ("slots", time.to_owned())]
        );
        let event = change(json!({"res_id": 5, "rows": rows, "excluded": {"active": true}}));
        assert_eq!(
            times_of(&event)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>(),
            ["active", "name", "recurrent"]
        );
    }

    #[test]
    fn a_deleted_record_was_what_it_was_only_if_that_is_gone() {
        let was = json!({"model": "calendar.event", "id": 4});
        let deleted = |was_gone: bool| {
            change(json!({"res_id": 42, "was_gone": was_gone, "rows": [
                {"id": 1, "cause": "save", "link": Uuid::max(), "was": was}, {"id": 2, "cause": "save"}]}))
        };
        for was_gone in [true, false] {
            let ChangeKind::Tombstone { link, was, .. } = deleted(was_gone).kind else {
                panic!("it is not there");
            };
            assert_eq!((link, was.is_some()), (Some(Uuid::max()), was_gone));
        }
    }

    #[test]
    fn what_is_kept_out_and_archived_is_as_good_as_deleted() {
        let kept_out = json!({"res_id": 42, "rows": [{"id": 1, "cause": "save", "link": Uuid::max()}], "excluded": {"active": false}});
        let ChangeKind::Tombstone { link, .. } = change(kept_out).kind else {
            panic!("it is archived");
        };
        assert_eq!(link, None);
    }

    #[test]
    fn a_record_without_rows_or_with_a_bad_time_is_refused() {
        let empty: TouchedRecord = serde_json::from_value(json!({"res_id": 42, "rows": []})).unwrap();
        assert!(empty.into_change(&[]).is_err());
        let bad = json!({"res_id": 42, "rows": [row(1, 7, &json!({"name": "yesterday"}))]});
        assert!(serde_json::from_value::<TouchedRecord>(bad).is_err());
        assert!(serde_json::from_value::<OdooTime>(json!("2026-11-22 10:00:00.123456")).is_ok());
    }

    #[test]
    fn what_was_rejected_is_told_again_later_each_time_and_said_once() {
        let minutes: Vec<u32> = (1..=10).map(retry_minutes).collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
        assert_eq!(retry_minutes(u32::MAX), 1440);
        assert_eq!(
            (0..9).filter(|times| is_to_be_said(*times)).collect::<Vec<_>>(),
            [2]
        );
        let unread = |rows: Value| rows_in(&json!({"rows": rows}));
        assert_eq!(
            unread(json!([{"id": 4, "rejections": 2}, {"id": 9, "rejections": 3}])),
            (9, 3)
        );
        assert_eq!(
            unread(json!([{"id": 4, "rejections": 2}, {"id": 9}])),
            (9, 0),
            "saved since"
        );
        assert_eq!(rows_in(&json!({"rows": "none"})), (0, 0));
    }
}
