//! Ids of items, as Exchange makes them: opaque, and of one length each.

use base64::Engine;
use chrono::{Datelike, NaiveDate};
use rand::RngCore;

pub(super) const REST: &str = "AAMkAD";
pub(super) const IMMUTABLE: &str = "AAkALg";
pub(super) const REST_LENGTH: usize = 126;
pub(super) const IMMUTABLE_LENGTH: usize = 70;
pub(super) const SLOT: &str = "FRAAg";

pub(crate) fn random(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    rand::rng().fill_bytes(&mut buffer);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(buffer)
}

pub(super) fn new_rest_id() -> String {
    format!("{REST}{}", random(90))
}

pub(super) fn new_immutable_id() -> String {
    format!("{IMMUTABLE}{}", random(48))
}

/// The id of an occurrence: its master's, and the date of its slot.
pub(crate) fn slot_id(master: &str, day: NaiveDate) -> String {
    format!("{master}{SLOT}{:08x}==", day.num_days_from_ce())
}
