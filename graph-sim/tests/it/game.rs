//! Random people doing random things to a world of their own, in process: requests without a network.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use graph_sim::call::{Call, Reply};
use graph_sim::graph;
use graph_sim::login::{self, Screen};
use graph_sim::state::{Target, World};
use graph_sim::{Sim, control, seed};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Three colleagues, somebody of another organization, and a personal account.
pub const PEOPLE: [&str; 5] = [
    "ann@contoso.example",
    "ben@contoso.example",
    "carla@contoso.example",
    "dan@fabrikam.example",
    "pat@home.example",
];
/// Who may be invited: the people, and one who has no account here.
pub const GUESTS: [&str; 6] = [
    PEOPLE[0],
    PEOPLE[1],
    PEOPLE[2],
    PEOPLE[3],
    PEOPLE[4],
    "x@out.example",
];
const ZONES: [&str; 4] = ["UTC", "W. Europe Standard Time", "America/New_York", "Asia/Tokyo"];
/// The window that is watched. Daylight saving begins in it, in two of the zones.
pub const FROM: &str = "2031-03-01T00:00:00Z";
pub const TO: &str = "2031-04-15T00:00:00Z";
const BASE: &str = "http://graph.example";

#[derive(Clone, Debug)]
pub enum Repeat {
    Daily { interval: u8, count: u8 },
    Weekly { interval: u8 },
    Monthly { until: u16 },
}

#[derive(Clone, Debug)]
pub struct When {
    /// Days from the window's first, also before it.
    day: i16,
    hour: u8,
    length: u8,
    zone: usize,
    all_day: bool,
}

#[derive(Clone, Debug)]
pub enum Change {
    Subject(u8),
    Place(u8),
    Time(When),
    Guests(u8),
    Repeat(Option<Repeat>),
    Own(u8),
    Online,
    All(u8, When, u8),
}

/// Who does what. Numbers pick among what there is.
#[derive(Clone, Debug)]
pub enum Op {
    Create {
        who: usize,
        when: When,
        guests: u8,
        repeat: Option<Repeat>,
    },
    Patch {
        who: usize,
        event: usize,
        slot: Option<usize>,
        change: Change,
    },
    Delete {
        who: usize,
        event: usize,
        slot: Option<usize>,
    },
    Cancel {
        who: usize,
        event: usize,
        slot: Option<usize>,
    },
    Respond {
        who: usize,
        event: usize,
        slot: Option<usize>,
        answer: usize,
        send: bool,
    },
    Forward {
        who: usize,
        event: usize,
        slot: Option<usize>,
        to: usize,
    },
    Move {
        who: usize,
        event: usize,
        back: bool,
    },
    /// One page of a delta, which other people's doings may come between.
    Follow {
        who: usize,
    },
    /// All delta tokens of a mailbox die.
    Forget {
        who: usize,
    },
}

fn when() -> impl Strategy<Value = When> {
    (
        -60..60_i16,
        0..24_u8,
        0..30_u8,
        0..ZONES.len(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(day, hour, length, zone, all_day)| When {
            day,
            hour,
            length,
            zone,
            all_day,
        })
}

fn repeat() -> impl Strategy<Value = Repeat> {
    prop_oneof![
        (1..5_u8, 1..40_u8).prop_map(|(interval, count)| Repeat::Daily { interval, count }),
        (1..4_u8).prop_map(|interval| Repeat::Weekly { interval }),
        (0..200_u16).prop_map(|until| Repeat::Monthly { until }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => any::<u8>().prop_map(Change::Subject),
        1 => any::<u8>().prop_map(Change::Place),
        3 => when().prop_map(Change::Time),
        2 => any::<u8>().prop_map(Change::Guests),
        2 => prop::option::weighted(0.7, repeat()).prop_map(Change::Repeat),
        1 => any::<u8>().prop_map(Change::Own),
        1 => Just(Change::Online),
        1 => (any::<u8>(), when(), any::<u8>()).prop_map(|(n, when, guests)| Change::All(n, when, guests)),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let who = || 0..PEOPLE.len();
    let event = || 0..64_usize;
    let slot = || prop::option::of(0..64_usize);
    prop_oneof![
        6 => (who(), when(), any::<u8>(), prop::option::of(repeat())).prop_map(|(who, when, guests, repeat)| Op::Create { who, when, guests, repeat }),
        8 => (who(), event(), slot(), change()).prop_map(|(who, event, slot, change)| Op::Patch { who, event, slot, change }),
        3 => (who(), event(), slot()).prop_map(|(who, event, slot)| Op::Delete { who, event, slot }),
        1 => (who(), event(), slot()).prop_map(|(who, event, slot)| Op::Cancel { who, event, slot }),
        3 => (who(), event(), slot(), 0..3_usize, any::<bool>()).prop_map(|(who, event, slot, answer, send)| Op::Respond { who, event, slot, answer, send }),
        1 => (who(), event(), slot(), 0..GUESTS.len()).prop_map(|(who, event, slot, to)| Op::Forward { who, event, slot, to }),
        1 => (who(), event(), any::<bool>()).prop_map(|(who, event, back)| Op::Move { who, event, back }),
        4 => who().prop_map(|who| Op::Follow { who }),
        1 => who().prop_map(|who| Op::Forget { who }),
    ]
}

pub fn window() -> (DateTime<Utc>, DateTime<Utc>) {
    (FROM.parse().unwrap(), TO.parse().unwrap())
}

impl When {
    fn write(&self, body: &mut Value) {
        let day = window().0.date_naive() + TimeDelta::days(i64::from(self.day));
        let moment = |t: chrono::NaiveDateTime| {
            let zone = ZONES[self.zone];
            json!({"dateTime": t.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone})
        };
        let (start, length) = if self.all_day {
            let days = i64::from(self.length % 3) + 1;
            (day.and_hms_opt(0, 0, 0), TimeDelta::days(days))
        } else {
            (
                day.and_hms_opt(u32::from(self.hour), 30, 0),
                TimeDelta::minutes(i64::from(self.length) * 30),
            )
        };
        let start = start.unwrap();
        body["isAllDay"] = self.all_day.into();
        body["start"] = moment(start);
        body["end"] = moment(start + length);
    }
}

impl Repeat {
    /// As of a first occurrence on `day`.
    fn json(&self, day: NaiveDate) -> Value {
        use chrono::Datelike;
        let start = day.to_string();
        match self {
            Self::Daily { interval, count } => json!({
                "pattern": {"type": "daily", "interval": interval},
                "range": {"type": "numbered", "startDate": start, "numberOfOccurrences": count},
            }),
            Self::Weekly { interval } => json!({
                "pattern": {"type": "weekly", "interval": interval, "daysOfWeek": ["tuesday", "friday"], "firstDayOfWeek": "monday"},
                "range": {"type": "noEnd", "startDate": start},
            }),
            Self::Monthly { until } => json!({
                "pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": day.day()},
                "range": {"type": "endDate", "startDate": start, "endDate": (day + TimeDelta::days(i64::from(*until))).to_string()},
            }),
        }
    }
}

fn guests(mask: u8) -> Value {
    GUESTS
        .iter()
        .enumerate()
        .filter(|(i, _)| mask >> i & 1 == 1)
        .map(|(_, address)| json!({"emailAddress": {"address": address}}))
        .collect()
}

pub struct Game {
    pub sim: Arc<Sim>,
    tokens: Vec<String>,
}

/// Signs a person in, as the login page and the token endpoint do.
fn sign_in(world: &mut World, address: &str) -> String {
    let redirect = "http://localhost/back";
    let request = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", "app"),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("scope", "User.Read Calendars.ReadWrite"),
        ])
        .finish();
    let pairs = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<Vec<_>>()
    };
    let fields = pairs(&[
        ("request", &request),
        ("account", address),
        ("decision", "accept"),
    ]);
    let Screen::Redirect(to) = login::consent(world, "common", &fields) else {
        panic!("no redirect for {address}");
    };
    let to = url::Url::parse(&to).unwrap();
    let code = to
        .query_pairs()
        .find(|(k, _)| k == "code")
        .unwrap()
        .1
        .into_owned();
    let fields = pairs(&[
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("client_secret", "secret"),
        ("redirect_uri", redirect),
        ("code", &code),
    ]);
    let Ok(token) = login::token(world, "common", &fields, None, BASE).0 else {
        panic!("no token for {address}");
    };
    token["access_token"].as_str().unwrap().to_owned()
}

impl Game {
    pub fn new() -> Self {
        let people: Vec<Value> = PEOPLE
            .iter()
            .map(|a| json!({"address": a, "name": a.split('@').next(), "personal": a.contains("home")}))
            .collect();
        let seed = json!({
            "apps": [{"client_id": "app", "secret": "secret", "redirect_uris": ["http://localhost/back"]}],
            "people": people,
        });
        let mut world = seed::load(&seed.to_string()).unwrap();
        let tokens = PEOPLE.iter().map(|p| sign_in(&mut world, p)).collect();
        for person in PEOPLE {
            let owner = (person.to_owned(), person.to_owned());
            world
                .mailbox_mut(person)
                .unwrap()
                .add_calendar("Other", true, owner);
        }
        world.switches.requests_per_10_min = 0;
        Self {
            sim: Arc::new(Sim::new(world, None)),
            tokens,
        }
    }

    pub async fn ask(
        &self,
        who: usize,
        method: &str,
        url: &str,
        prefer: &str,
        body: Option<&Value>,
    ) -> Reply {
        let mut headers = HashMap::from([
            ("authorization".to_owned(), format!("Bearer {}", self.tokens[who])),
            ("prefer".to_owned(), prefer.to_owned()),
        ]);
        if body.is_some() {
            headers.insert("content-type".into(), "application/json".into());
        }
        let url = url.strip_prefix(BASE).unwrap_or(url);
        let url = if url.starts_with("/v1.0") {
            url.to_owned()
        } else {
            format!("/v1.0{url}")
        };
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let reply = graph::handle(&self.sim, Call::new(method, &url, headers, bytes, BASE)).await;
        assert!(
            reply.status < 500 && reply.status != 401 && reply.status != 429,
            "{method} {url}: {} {:?}",
            reply.status,
            reply.body
        );
        reply
    }

    /// The n-th event of a mailbox, and perhaps the n-th of its occurrences about the window.
    fn pick(&self, who: usize, event: usize, slot: Option<usize>) -> Option<Target> {
        let world = self.sim.world();
        let mailbox = world.mailbox(PEOPLE[who]).unwrap();
        let event = mailbox.events.values().nth(event % mailbox.events.len().max(1))?;
        let (from, to) = window();
        let days = event.in_window(from - TimeDelta::days(30), to + TimeDelta::days(30));
        let day = slot.and_then(|n| days.get(n % days.len().max(1)).copied());
        Some(Target { key: event.key, day })
    }

    fn id(&self, who: usize, target: Target, immutable: bool) -> String {
        let world = self.sim.world();
        let mailbox = world.mailbox(PEOPLE[who]).unwrap();
        mailbox.id_of(&mailbox.events[&target.key], target.day, immutable)
    }

    fn body(&self, who: usize, target: Target, change: &Change) -> Value {
        let mut body = json!({});
        match change {
            Change::Subject(n) => body["subject"] = format!("Subject {n}").into(),
            Change::Place(n) => body["location"] = json!({"displayName": format!("Room {n}")}),
            Change::Time(when) => when.write(&mut body),
            Change::Guests(mask) => body["attendees"] = guests(*mask),
            Change::Repeat(None) => body["recurrence"] = Value::Null,
            Change::Repeat(Some(rule)) => {
                let world = self.sim.world();
                let event = &world.mailbox(PEOPLE[who]).unwrap().events[&target.key];
                let zone = event.zone();
                let day = event.content.start.utc.with_timezone(&zone).date_naive();
                body["recurrence"] = rule.json(day);
            }
            Change::Own(n) => {
                body["categories"] = json!([format!("Category {n}")]);
                body["isReminderOn"] = (n % 2 == 0).into();
            }
            Change::Online => body["isOnlineMeeting"] = true.into(),
            Change::All(n, when, mask) => {
                body["subject"] = format!("All {n}").into();
                body["body"] = json!({"contentType": "text", "content": format!("Text {n}")});
                body["attendees"] = guests(*mask);
                when.write(&mut body);
            }
        }
        body
    }

    /// Carries a request out; what was asked and what came of it, where there was anything to ask.
    pub async fn play(&self, op: &Op) -> Option<Done> {
        let (who, target, method, url, body) = match op {
            Op::Create {
                who,
                when,
                guests: mask,
                repeat,
            } => {
                let mut body = json!({"subject": "New", "attendees": guests(*mask)});
                when.write(&mut body);
                if let Some(rule) = repeat {
                    let day = body["start"]["dateTime"].as_str().unwrap()[..10].parse().unwrap();
                    body["recurrence"] = rule.json(day);
                }
                (*who, None, "POST", "/me/events".to_owned(), Some(body))
            }
            Op::Patch {
                who,
                event,
                slot,
                change,
            } => {
                let target = self.pick(*who, *event, *slot)?;
                let body = self.body(*who, target, change);
                (*who, Some(target), "PATCH", String::new(), Some(body))
            }
            Op::Delete { who, event, slot } => (
                *who,
                Some(self.pick(*who, *event, *slot)?),
                "DELETE",
                String::new(),
                None,
            ),
            Op::Cancel { who, event, slot } => {
                let target = self.pick(*who, *event, *slot)?;
                (
                    *who,
                    Some(target),
                    "POST",
                    "/cancel".to_owned(),
                    Some(json!({"comment": "Sorry"})),
                )
            }
            Op::Respond {
                who,
                event,
                slot,
                answer,
                send,
            } => {
                let target = self.pick(*who, *event, *slot)?;
                let action = ["/accept", "/tentativelyAccept", "/decline"][*answer];
                (
                    *who,
                    Some(target),
                    "POST",
                    action.to_owned(),
                    Some(json!({"sendResponse": send})),
                )
            }
            Op::Forward { who, event, slot, to } => {
                let target = self.pick(*who, *event, *slot)?;
                let body = json!({"toRecipients": [{"emailAddress": {"address": GUESTS[*to]}}]});
                (*who, Some(target), "POST", "/forward".to_owned(), Some(body))
            }
            Op::Move { who, event, back } => {
                let target = self.pick(*who, *event, None)?;
                let calendar = {
                    let world = self.sim.world();
                    let mailbox = world.mailbox(PEOPLE[*who]).unwrap();
                    let wanted = if *back { "Calendar" } else { "Other" };
                    let found = mailbox.calendars.iter().find(|c| c.name == wanted);
                    found.unwrap().id.clone()
                };
                let path = [
                    "mailboxes",
                    PEOPLE[*who],
                    "events",
                    &self.id(*who, target, false),
                    "move",
                ];
                let path: Vec<String> = path.map(str::to_owned).to_vec();
                let body = json!({ "calendar": calendar }).to_string();
                let reply = control::handle(&self.sim, "POST", &path, &Vec::new(), body.as_bytes()).await;
                assert_eq!(reply.status, 200, "{:?}", reply.body);
                return None;
            }
            Op::Follow { .. } | Op::Forget { .. } => return None,
        };
        let uid = target.map(|t| {
            let world = self.sim.world();
            world.mailbox(PEOPLE[who]).unwrap().events[&t.key]
                .ical_uid
                .clone()
        });
        let url = match target {
            Some(t) => format!("/me/events/{}{url}", self.id(who, t, who % 2 == 0)),
            None => url,
        };
        let reply = self.ask(who, method, &url, "", body.as_ref()).await;
        Some(Done {
            who,
            uid,
            method,
            status: reply.status,
        })
    }
}

/// A request and its outcome.
#[derive(Debug)]
pub struct Done {
    pub who: usize,
    /// Of the event that was written to.
    pub uid: Option<String>,
    pub method: &'static str,
    pub status: u16,
}
