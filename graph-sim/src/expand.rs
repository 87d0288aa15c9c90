//! `graph-sim expand`: the occurrences of series, for whoever wants to check them against other software.

use crate::control::person_cause;
use crate::error::GraphError;
use crate::event_view::instant;
use crate::query;
use crate::state::{Person, World};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, Write};

const ADDRESS: &str = "series@expand.example";

/// One line of input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// As a client would POST it to `/me/events`.
    event: Map<String, Value>,
    /// The window, as `startDateTime` and `endDateTime` of `/instances`.
    from: String,
    to: String,
}

fn answer(world: &mut World, question: &Question) -> Result<Value, GraphError> {
    let from = query::window_time(&question.from, "StartDateTime")?;
    let to = query::window_time(&question.to, "EndDateTime")?;
    let cause = person_cause("POST", "expand");
    let (key, _) = world.create(ADDRESS, None, &question.event, &cause)?;
    let event = world
        .mailbox_mut(ADDRESS)?
        .remove(key)
        .ok_or_else(GraphError::not_found)?;
    let occurrences: Vec<[String; 2]> = event
        .in_window(from, to)
        .into_iter()
        .map(|day| {
            let (start, end) = event.slot(day);
            [instant(start), instant(end)]
        })
        .collect();
    Ok(json!({ "occurrences": occurrences }))
}

/// Reads one JSON object a line, `{event, from, to}`, and writes one for each: `{occurrences: [[start, end], ..]}` in
/// UTC, or `{error: {code, message}}` as Graph would refuse the event.
pub fn run(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut world = World::default();
    world.add_person(Person {
        id: ADDRESS.into(),
        address: ADDRESS.into(),
        name: "Series".into(),
        tenant: "expand".into(),
        timezone: "UTC".into(),
        disabled: false,
        challenge: None,
        token_error: None,
        mailbox: true,
        admin: false,
        aliases: Vec::new(),
        room: None,
        upn: None,
    });
    for line in input.lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let told = answer(&mut world, &question)
            .unwrap_or_else(|e| json!({"error": {"code": e.code, "message": e.message}}));
        writeln!(output, "{told}")?;
    }
    output.flush()
}
