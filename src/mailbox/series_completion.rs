//! Adds to a series what it does not contain and its occurrences show.
//!
//! Its time zone may have no name (`tzone://Microsoft/Custom`, `Customized Time Zone`, or nothing),
//! as phones and old Outlooks make them. Graph does not return the rules of such a zone, but it
//! lists the occurrences. The series gets the first zone that the mailbox uses and in which the
//! series has the hours of its occurrences. The permission to read the mailbox's settings is not
//! requested.
//!
//! The dates of excluded occurrences may be dates of the series' zone or of UTC. If the two differ
//! and nothing else decides, the listed occurrences do.

use chrono::{NaiveTime, TimeDelta};
use secrecy::SecretString;

use crate::engine::Engine;
use crate::mailbox::error::PullError;
use crate::outlook::GraphError;
use crate::outlook::wire::WireEvent;
use crate::outlook::wire::series::{
    IdDates, convert_id_dates_to_zone, find_id_dates, has_hours_in, has_unnamed_zone, store_zone, stored_zone,
};
use crate::store::accounts::Account;
use crate::store::meetings;

/// How far around a date occurrences are listed: enough for the excluded one and its neighbors.
const LISTED_AROUND: TimeDelta = TimeDelta::days(35);

/// Completes a series by asking Outlook.
pub(crate) async fn complete(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    master: &mut WireEvent,
) -> Result<(), PullError> {
    if has_unnamed_zone(master) {
        find_zone(engine, account, token, master).await?;
    }
    Ok(use_dates_of_zone(engine, token, master).await?)
}

/// Completes a series before a write, from what was found out earlier.
pub(crate) async fn complete_from_store(
    engine: &Engine,
    account_id: i64,
    token: &SecretString,
    master: &mut WireEvent,
) -> Result<(), GraphError> {
    if has_unnamed_zone(master) {
        restore_zone(engine, account_id, master).await?;
    }
    use_dates_of_zone(engine, token, master).await
}

async fn use_dates_of_zone(
    engine: &Engine,
    token: &SecretString,
    master: &mut WireEvent,
) -> Result<(), GraphError> {
    let mut dates = find_id_dates(master, &[]);
    if let IdDates::Unclear(date) = dates {
        let at = date.and_time(NaiveTime::MIN).and_utc();
        let window = at - LISTED_AROUND..at + LISTED_AROUND;
        let listed = match engine.graph.instances(token, &master.id, window).await {
            // It was deleted a moment ago.
            Err(GraphError::NotFound) => return Ok(()),
            listed => listed?,
        };
        dates = find_id_dates(master, &listed);
    }
    if dates == IdDates::InUtc {
        convert_id_dates_to_zone(master);
    }
    Ok(())
}

/// Finds the zone. If there is none, the series stays as it is, and Odoo cannot have it as a
/// series.
async fn find_zone(
    engine: &Engine,
    account: &Account,
    token: &SecretString,
    master: &mut WireEvent,
) -> Result<(), PullError> {
    let occurrences = match (account.window_start, account.window_end) {
        (Some(start), Some(end)) => match engine.graph.instances(token, &master.id, start..end).await {
            // It was deleted a moment ago.
            Err(GraphError::NotFound) => return Ok(()),
            listed => listed?,
        },
        _ => Vec::new(),
    };
    let fits = |tz: &chrono_tz::Tz| has_hours_in(master, *tz, &occurrences);
    let known = last_shown(engine, account.id, &master.id).await?;
    let known = known.as_ref().and_then(stored_zone);
    // The zone of its start is not always the one it repeats in.
    let mut zone = known.into_iter().chain(master.named_zone()).find(&fits);
    if zone.is_none() {
        zone = engine.graph.recent_zones(token).await?.into_iter().find(fits);
    }
    match zone {
        Some(tz) => store_zone(master, tz),
        None => tracing::warn!(account.id = account.id, "the zone of a series cannot be told"),
    }
    Ok(())
}

async fn restore_zone(engine: &Engine, account_id: i64, master: &mut WireEvent) -> Result<(), GraphError> {
    let known = last_shown(engine, account_id, &master.id).await;
    let known = known.map_err(|error| {
        GraphError::without_effect(format!("the zone of the series is not known: {error:#}"))
    })?;
    if let Some(tz) = known.as_ref().and_then(stored_zone) {
        store_zone(master, tz);
    }
    Ok(())
}

async fn last_shown(engine: &Engine, account_id: i64, id: &str) -> anyhow::Result<Option<WireEvent>> {
    let mut conn = engine.store.get().await?;
    let wire = meetings::wire_of(&mut conn, account_id, id).await?;
    Ok(wire.and_then(|wire| serde_json::from_value(wire).ok()))
}
