//! Faults, drawn from a seed: all kinds that the simulator has, and whatever keeps an account from
//! being synced until somebody corrects it, which people do before the next quiet at the latest.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::operations::PEOPLE;
use super::people::USERS;

#[derive(Clone, Debug)]
pub enum Trouble {
    /// A fault of the simulator (`POST /sim/api/faults`).
    Fault(Value),
    /// Changes how the delta and the reads behave (`PUT /sim/api/switches`).
    Switches(Value),
    /// Makes the mailbox's delta tokens invalid.
    ForgetDelta(&'static str),
    /// Ends the person's access tokens before their time.
    ExpireTokens(&'static str),
    /// The user stops the sync, or starts it again.
    Sync { user: i64, on: bool },
    /// An administrator pauses or resumes the database's sync.
    Paused(bool),
    /// The user's consent is withdrawn at Microsoft, and soon no token is valid any more.
    Revoke(i64),
    /// The user logs in again, whether or not this is needed.
    LogIn(i64),
    /// The app's secret has expired.
    SecretExpired,
    /// An administrator enters a new secret.
    NewSecret,
}

pub fn draw(rng: &mut StdRng) -> Trouble {
    let (user, person) = *USERS[..PEOPLE].choose(rng).expect("a user");
    match rng.random_range(0..26) {
        0 => Trouble::ForgetDelta(person),
        1 => Trouble::ExpireTokens(person),
        2 | 3 => Trouble::Switches(json!({
            "delta_repeats": rng.random_bool(0.5),
            "delta_shuffle": rng.random_bool(0.5),
            "delta_empty_pages": rng.random_bool(0.5),
            "delta_token_death": one_of(rng, &["gone", "goneWithLocation", "badRequest"]),
            "spurious_412_every": one_of(rng, &[0, 7, 23]),
            "duplicate_transaction_status": one_of(rng, &[400, 409]),
            "time_change_drops_exceptions": rng.random_bool(0.5),
            "rewrites_bring_deleted_back": rng.random_bool(0.5),
            "mails_each_exception": rng.random_bool(0.5),
            "attendee_change_reaches_all": rng.random_bool(0.5),
            "refresh_rotation_revokes": false,
            "concurrency_limit": one_of(rng, &[1, 4]),
        })),
        4 | 5 => Trouble::Sync {
            user,
            on: rng.random_bool(0.4),
        },
        6 => Trouble::Paused(rng.random_bool(0.5)),
        7 => Trouble::Revoke(user),
        8 => Trouble::LogIn(user),
        9 if rng.random_bool(0.5) => Trouble::SecretExpired,
        9 => Trouble::NewSecret,
        _ => Trouble::Fault(fault(rng)),
    }
}

/// Returns a fault for a few requests. Faults that a person must correct (403, 400) are not
/// included.
fn fault(rng: &mut StdRng) -> Value {
    let (method, path) = *[
        ("POST", "/me/events"),
        ("POST", "/me/events"),
        ("PATCH", "/me/events/"),
        ("PATCH", "/me/events/"),
        ("DELETE", "/me/events/"),
        ("POST", "/me/events/*/"),
        ("POST", "/$batch"),
        ("GET", "/delta"),
        ("GET", "/me/events/"),
        ("POST", "/token"),
    ]
    .choose(rng)
    .expect("a kind of request");
    let mut fault = json!({
        "method": method, "path": path,
        "nth": rng.random_range(1..=3), "count": rng.random_range(1..=2),
    });
    let more = match rng.random_range(0..10) {
        0 => json!({"cut": "before"}),
        1..4 => json!({"cut": "after"}),
        4 => json!({"status": 429, "retry_after": rng.random_range(0..=2),
            "shape": one_of(rng, &["application", "documented", "unknown"])}),
        5 => json!({"status": 429, "shape": one_of(rng, &["application", "documented", "unknown"])}),
        6 => json!({"status": one_of(rng, &[500, 503, 504])}),
        7 if method == "PATCH" || method == "DELETE" || method == "GET" => json!({"status": 412}),
        7 => json!({"slow_body_ms": rng.random_range(20..200)}),
        8 => json!({"latency_ms": rng.random_range(20..300)}),
        _ => json!({"write_latency_ms": rng.random_range(20..300)}),
    };
    for (name, value) in more.as_object().expect("an object") {
        fault[name] = value.clone();
    }
    fault
}

fn one_of<T: Copy>(rng: &mut StdRng, from: &[T]) -> T {
    *from.choose(rng).expect("something to choose from")
}
