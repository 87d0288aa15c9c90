//! How long a delta page of 50 takes in a mailbox of 10,000 events, and in one of 1,000: all pages of an initial round, each
//! with its writing as JSON. In process, without a network: `make bench-sim`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench fails by panicking"
)]

use graph_sim::delta;
use graph_sim::event_view::Prefer;
use graph_sim::seed;
use graph_sim::state::{Cause, World};
use graph_sim::switches::Switches;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ADDRESS: &str = "ann@contoso.example";
const LINK: &str = "http://graph.example/v1.0/me/calendarView/delta";
const SIZE: usize = 50;

fn world(count: i64) -> World {
    let seed = json!({"people": [{"address": ADDRESS, "name": "Ann Archer"}]});
    let mut world = seed::load(&seed.to_string()).unwrap();
    let cause = Cause {
        request_id: String::new(),
        method: "POST".into(),
        path: String::new(),
        via: "graph".into(),
        by: None,
    };
    let first = chrono::NaiveDate::from_ymd_opt(2031, 3, 2).unwrap();
    for i in 0..count {
        let day = first + chrono::TimeDelta::days(i % 25);
        let event = json!({
            "subject": format!("Event {i}"),
            "body": {"contentType": "html", "content": "<p>What we talk about, at some length.</p>".repeat(20)},
            "start": {"dateTime": format!("{day}T09:00:00"), "timeZone": "Romance Standard Time"},
            "end": {"dateTime": format!("{day}T10:00:00"), "timeZone": "Romance Standard Time"},
            "attendees": [{"emailAddress": {"address": "dora@northwind.example", "name": "Dora Dean"}}],
        });
        world
            .create(ADDRESS, None, event.as_object().unwrap(), &cause)
            .unwrap();
    }
    world
}

/// One page as it goes over the wire, and how long it took.
fn page(world: &World, query: &[(String, String)], prefer: &Prefer) -> (Value, Duration) {
    let mailbox = world.mailbox(ADDRESS).unwrap();
    let begun = Instant::now();
    let body = delta::page(mailbox, &world.switches, mailbox.primary(), query, prefer, LINK).unwrap();
    let bytes = body.to_string();
    let took = begun.elapsed();
    assert!(!bytes.is_empty());
    (body, took)
}

fn next(body: &Value) -> Option<Vec<(String, String)>> {
    let link = body["@odata.nextLink"].as_str()?;
    Some(
        url::Url::parse(link)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect(),
    )
}

fn main() {
    for count in [1_000, 10_000] {
        let begun = Instant::now();
        let mut world = world(count);
        let made = begun.elapsed();
        world.switches = Switches {
            delta_empty_pages: false,
            delta_repeats: false,
            ..Switches::default()
        };
        let prefer = Prefer {
            page: Some(SIZE),
            ..Prefer::default()
        };
        let mut query = vec![
            ("startDateTime".to_owned(), "2031-03-01T00:00:00Z".to_owned()),
            ("endDateTime".to_owned(), "2031-04-01T00:00:00Z".to_owned()),
        ];
        let mut times = Vec::new();
        let mut rows = 0;
        loop {
            let (body, took) = page(&world, &query, &prefer);
            times.push(took);
            rows += body["value"].as_array().unwrap().len();
            match next(&body) {
                Some(link) => query = link,
                None => break,
            }
        }
        assert_eq!(i64::try_from(rows).unwrap(), count);
        let last = times[times.len() - 1];
        times.sort_unstable();
        // On a busy machine the best page tells what a page costs, the median how busy the machine is.
        println!(
            "{count:>6} events, made in {made:.1?}: {} pages of {SIZE}, best {:.2?}, median {:.2?}, last {last:.2?}",
            times.len(),
            times[0],
            times[times.len() / 2],
        );
    }
}
