//! Whole sets of switches: what is uncertain about Microsoft, taken one way or the other, so that no client that is tested here
//! depends on a single guess.

use crate::switches::{CancelledCopies, LongPatterns, Masters, SeriesRemoval, Switches, TokenDeath};
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Climate {
    /// As Microsoft's pages say, and where they say nothing, the kinder way.
    Documented,
    /// As people report the live service, and where nobody does, the harsher way: what the simulator begins with.
    #[default]
    Reported,
    /// Each choice by lot; the same seed, the same choices.
    Mixed(u64),
}

impl Climate {
    /// Returns the switches of this climate.
    pub fn switches(self) -> Switches {
        match self {
            Self::Documented => documented(),
            Self::Reported => Switches::default(),
            Self::Mixed(seed) => mixed(&mut rand::rngs::StdRng::seed_from_u64(seed)),
        }
    }
}

impl fmt::Display for Climate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Documented => f.write_str("documented"),
            Self::Reported => f.write_str("reported"),
            Self::Mixed(seed) => write!(f, "mixed:{seed}"),
        }
    }
}

impl FromStr for Climate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no climate: documented, reported, or mixed:<seed>");
        match text.split_once(':') {
            None if text == "documented" => Ok(Self::Documented),
            None if text == "reported" => Ok(Self::Reported),
            Some(("mixed", seed)) => seed.parse().map(Self::Mixed).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

fn documented() -> Switches {
    Switches {
        delta_masters: Masters::Never,
        delta_full_exceptions: true,
        delta_removed_for_occurrences: false,
        delta_series_removal: SeriesRemoval::Master,
        delta_removed_out_of_window: true,
        delta_empty_pages: false,
        delta_repeats: false,
        delta_shuffle: false,
        delta_token_death: TokenDeath::GoneWithLocation,
        delta_moved_back_untold: false,
        deleted_answers: false,
        if_match_enforced: true,
        duplicate_transaction_status: 409,
        pattern_change_drops_exceptions: true,
        time_change_drops_exceptions: false,
        rewrites_bring_deleted_back: false,
        first_day_is_pattern: false,
        long_texts_are_cut: false,
        windows_rewrites_bodies: false,
        transaction_change_refused: false,
        cancelled_takes_answers: true,
        all_day_wants_times: false,
        instances_of_single_refused: false,
        intervals_to_99: false,
        long_patterns: LongPatterns::AsWritten,
        untyped_body_status: 400,
        subscription_minutes: 10_080,
        client_state_told: true,
        reauthorize_status: 200,
        full_mailbox_status: 507,
        full_mailbox_refuses_delta: false,
        attendee_change_reaches_all: false,
        drops_unused_pictures: false,
        notification_duplicates: false,
        notification_reorder: false,
        duplicate_subscriptions_refused: true,
        subscription_needs_token: true,
        reauthorization_pauses_at_once: false,
        notification_outlives_subscription: false,
        notification_create_twice: false,
        notification_edit_times: 1,
        notification_delay_ms: 0,
        notification_loss_told: true,
        notification_slow_ms: 10_000,
        endpoint_slow_delay_seconds: 10,
        ..Switches::default()
    }
}

fn mixed(lot: &mut impl Rng) -> Switches {
    let mut switches = Switches {
        delta_masters: one_of(lot, [Masters::Never, Masters::Initial, Masters::Always]),
        delta_series_removal: one_of(
            lot,
            [
                SeriesRemoval::Master,
                SeriesRemoval::Occurrences,
                SeriesRemoval::Both,
            ],
        ),
        delta_token_death: one_of(
            lot,
            [
                TokenDeath::Gone,
                TokenDeath::GoneWithLocation,
                TokenDeath::BadRequest,
            ],
        ),
        duplicate_transaction_status: one_of(lot, [400, 409]),
        long_patterns: one_of(
            lot,
            [LongPatterns::AsWritten, LongPatterns::Months, LongPatterns::Years],
        ),
        untyped_body_status: one_of(lot, [400, 415]),
        subscription_minutes: one_of(lot, [4230, 10_080]),
        reauthorize_status: one_of(lot, [200, 204]),
        full_mailbox_status: one_of(lot, [403, 507]),
        cancelled_copies: one_of(lot, [CancelledCopies::Marked, CancelledCopies::Deleted]),
        delta_page_size: one_of(lot, [10, 50]),
        app_concurrency_limit: one_of(lot, [0, 4]),
        ..Switches::default()
    };
    for choice in [
        &mut switches.delta_full_exceptions,
        &mut switches.delta_removed_for_occurrences,
        &mut switches.delta_removed_out_of_window,
        &mut switches.delta_empty_pages,
        &mut switches.delta_repeats,
        &mut switches.delta_shuffle,
        &mut switches.delta_moved_back_untold,
        &mut switches.deleted_answers,
        &mut switches.if_match_enforced,
        &mut switches.pattern_change_drops_exceptions,
        &mut switches.time_change_drops_exceptions,
        &mut switches.rewrites_bring_deleted_back,
        &mut switches.first_day_is_pattern,
        &mut switches.series_in_whole_minutes,
        &mut switches.long_texts_are_cut,
        &mut switches.all_day_original_start_local,
        &mut switches.occurrence_dates_in_utc,
        &mut switches.drops_unused_pictures,
        &mut switches.pictures_look_like_files,
        &mut switches.declined_kept,
        &mut switches.forwards_are_told,
        &mut switches.guests_see_answers,
        &mut switches.change_key_turns,
        &mut switches.last_occurrence_ends_series,
        &mut switches.transaction_change_refused,
        &mut switches.cancelled_takes_answers,
        &mut switches.all_day_wants_times,
        &mut switches.instances_of_single_refused,
        &mut switches.intervals_to_99,
        &mut switches.client_state_told,
        &mut switches.windows_rewrites_bodies,
        &mut switches.full_mailbox_refuses_delta,
        &mut switches.attendee_change_reaches_all,
        &mut switches.resolves_aliases,
        &mut switches.undeclared_properties,
        &mut switches.notification_duplicates,
        &mut switches.notification_reorder,
    ] {
        *choice = lot.random_bool(0.5);
    }
    of_notifications(lot, &mut switches);
    switches
}

/// Drawn after all others, so that a seed makes the same choices of them as before there were these.
fn of_notifications(lot: &mut impl Rng, switches: &mut Switches) {
    switches.notification_edit_times = one_of(lot, [1, 3]);
    switches.notification_delay_ms = one_of(lot, [0, 300, 2_000]);
    switches.notification_loss_every = one_of(lot, [0, 7]);
    switches.reauthorize_ahead_seconds = one_of(lot, [60, 900]);
    switches.notification_slow_ms = one_of(lot, [3_000, 10_000]);
    switches.endpoint_slow_delay_seconds = one_of(lot, [10, 600]);
    for choice in [
        &mut switches.notification_grouping,
        &mut switches.notification_create_twice,
        &mut switches.notification_loss_told,
        &mut switches.notification_outlives_subscription,
        &mut switches.duplicate_subscriptions_refused,
        &mut switches.subscription_needs_token,
        &mut switches.reauthorization_pauses_at_once,
        &mut switches.subscription_removal_told,
    ] {
        *choice = lot.random_bool(0.5);
    }
}

fn one_of<T: Copy, const N: usize>(lot: &mut impl Rng, choices: [T; N]) -> T {
    choices[lot.random_range(0..N)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_climate_is_named_and_made_by_its_name() {
        for climate in [Climate::Documented, Climate::Reported, Climate::Mixed(7)] {
            assert_eq!(climate.to_string().parse(), Ok(climate));
        }
        for wrong in ["", "mixed", "mixed:", "mixed:x", "documented:1", "Reported"] {
            assert!(wrong.parse::<Climate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_choices_and_another_makes_others() {
        let told = |seed| serde_json::json!(Climate::Mixed(seed).switches());
        assert_eq!(told(1), told(1));
        assert!((2..10).any(|seed| told(seed) != told(1)));
        assert_ne!(
            serde_json::json!(Climate::Documented.switches()),
            serde_json::json!(Climate::Reported.switches())
        );
    }
}
