//! Each choice, alone and with each other one, on events of every kind made on both sides: what is
//! kept out never crosses, what is masked shows its time alone, edits and deletions cross or stay
//! like their event, and nothing is deleted for a choice.
//!
//! `CHOICE_PAIRS=all` tries all (in `make test-long`), otherwise a sample does.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};

use super::stack::{ANN, BEN};
use super::world::{CARLA, World, day, odoo_time, world};

/// The name of each person's further calendar.
const FURTHER: &str = "Projects";
const USERS: [(i64, &str); 3] = [(7, ANN), (8, BEN), (9, CARLA)];
/// How many combinations `make test` tries.
const SAMPLE: usize = 9;

/// What can be chosen, one at a time.
fn atoms() -> Vec<(&'static str, Value)> {
    let first = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(2);
    vec![
        ("direction", json!("to_odoo")),
        ("direction", json!("to_outlook")),
        ("private", json!("busy")),
        ("private", json!("not_at_all")),
        ("without_free", json!(true)),
        ("without_categories", json!(["family"])),
        ("without_titles", json!(["lunch"])),
        ("from", json!(first)),
        ("without_reminders", json!(true)),
        // Stands for the person's own one.
        ("calendars", json!([FURTHER])),
    ]
}

/// Returns each choice alone, and all pairs of different ones.
fn combinations() -> Vec<Map<String, Value>> {
    let atoms = atoms();
    let mut all = Vec::new();
    for (index, (name, value)) in atoms.iter().enumerate() {
        all.push(Map::from_iter([((*name).to_owned(), value.clone())]));
        for (other, with) in &atoms[index + 1..] {
            if other != name {
                let pair = [(*name, value), (*other, with)];
                all.push(
                    pair.map(|(name, value)| (name.to_owned(), value.clone()))
                        .into_iter()
                        .collect(),
                );
            }
        }
    }
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Private,
    Free,
    Family,
    Lunch,
    Early,
}

const KINDS: [Kind; 6] = [
    Kind::Plain,
    Kind::Private,
    Kind::Free,
    Kind::Family,
    Kind::Lunch,
    Kind::Early,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Odoo,
    Outlook,
    /// Outlook, in a further calendar.
    Further,
}

/// How an event is expected on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Absent,
    TimeOnly,
    Whole,
}

#[derive(Clone, Debug)]
struct Tried {
    user: i64,
    person: &'static str,
    kind: Kind,
    made: Made,
    title: String,
    /// Odoo's id, or Outlook's event.
    own: Value,
    other: Other,
}

fn expected(choices: &Map<String, Value>, kind: Kind, made: Made) -> Other {
    let has = |name: &str| choices.contains_key(name);
    let is = |name: &str, value: &str| choices.get(name).is_some_and(|chosen| chosen == value);
    let is_kept = match kind {
        Kind::Plain => false,
        Kind::Private => is("private", "not_at_all"),
        Kind::Free => has("without_free"),
        Kind::Family => has("without_categories"),
        Kind::Lunch => has("without_titles"),
        Kind::Early => has("from"),
    };
    let is_against = match made {
        Made::Odoo => is("direction", "to_odoo"),
        Made::Outlook => is("direction", "to_outlook"),
        Made::Further => is("direction", "to_outlook") || !has("calendars"),
    };
    if is_kept || is_against {
        Other::Absent
    } else if kind == Kind::Private && is("private", "busy") {
        Other::TimeOnly
    } else {
        Other::Whole
    }
}

/// Makes the further calendar of each person, which the service must have listed before it is chosen.
async fn make_further_calendars(w: &World) {
    for (user, person) in USERS {
        let path = format!("mailboxes/{person}/calendars");
        w.stack.sim_call("POST", &path, json!({"name": FURTHER})).await;
        let about = json!({"user_id": user});
        let listed = w
            .odoo
            .call(&w.service, user, "outlook.bridge.choices", "calendars", about)
            .await;
        listed.expect("listed");
    }
}

async fn further_calendar(w: &World, person: &str) -> String {
    let mailboxes = w.stack.sim_call("GET", "mailboxes", Value::Null).await;
    let mut people = mailboxes["value"].as_array().expect("people").iter();
    let found = people.find(|one| one["address"] == person).expect("a person");
    let mut calendars = found["calendars"].as_array().expect("calendars").iter();
    let further = calendars.find(|one| one["name"] == FURTHER).expect("made");
    further["id"].as_str().expect("an id").to_owned()
}

async fn make(w: &mut World, tried: &mut Tried) {
    let days = if tried.kind == Kind::Early { 1 } else { 3 };
    match tried.made {
        Made::Odoo => {
            let (start, stop) = (odoo_time(days, "09:00:00"), odoo_time(days, "10:00:00"));
            let id = w.odoo.create(tried.user, &tried.title, &start, &stop, &[]);
            w.odoo.savers = Vec::new();
            match tried.kind {
                Kind::Private => w
                    .odoo
                    .write(id, json!({"privacy": "private", "location": "Secret"})),
                Kind::Free => w.odoo.write(id, json!({"show_as": "free"})),
                Kind::Family => w.odoo.write(id, json!({"tags": ["Family"]})),
                _ => {}
            }
            tried.own = json!(id);
        }
        Made::Outlook | Made::Further => {
            let mut body = json!({"subject": tried.title,
                "start": {"dateTime": day(days, "10:00:00"), "timeZone": "UTC"},
                "end": {"dateTime": day(days, "11:00:00"), "timeZone": "UTC"}});
            match tried.kind {
                Kind::Private => {
                    body["sensitivity"] = json!("private");
                    body["location"] = json!({"displayName": "Secret"});
                }
                Kind::Free => body["showAs"] = json!("free"),
                Kind::Family => body["categories"] = json!(["Family"]),
                _ => {}
            }
            if tried.made == Made::Further {
                body["calendar"] = json!(further_calendar(w, tried.person).await);
            }
            let path = format!("mailboxes/{}/events", tried.person);
            tried.own = w.stack.sim_call("POST", &path, body).await;
        }
    }
}

/// Moves an event to the afternoon on its own side.
async fn move_it(w: &mut World, tried: &Tried) {
    let days = if tried.kind == Kind::Early { 1 } else { 3 };
    match tried.made {
        Made::Odoo => {
            let id = tried.own.as_i64().expect("an id");
            let values = json!({"start": odoo_time(days, "15:00:00"), "stop": odoo_time(days, "16:00:00")});
            w.odoo.write(id, values);
        }
        Made::Outlook | Made::Further => {
            let changes = json!({"start": {"dateTime": day(days, "15:00:00"), "timeZone": "UTC"},
                "end": {"dateTime": day(days, "16:00:00"), "timeZone": "UTC"}});
            w.outlook_edits(tried.person, &tried.own, changes).await;
        }
    }
}

async fn delete(w: &mut World, tried: &Tried) {
    match tried.made {
        Made::Odoo => w.odoo.unlink(tried.own.as_i64().expect("an id")),
        Made::Outlook | Made::Further => w.outlook_deletes(tried.person, &tried.own).await,
    }
}

/// Returns the times of the active events on the other side that have this title.
async fn on_the_other_side(w: &World, tried: &Tried, title: &str) -> Vec<String> {
    match tried.made {
        Made::Odoo => {
            let events = w.stack.events(tried.person).await;
            let named = events.iter().filter(|event| event["subject"] == title);
            let start = |event: &Value| {
                event["start"]["dateTime"]
                    .as_str()
                    .map(|at| at[11..16].to_owned())
            };
            named.filter_map(start).collect()
        }
        Made::Outlook | Made::Further => {
            let named = w.odoo.records.values().filter(|record| {
                record["name"] == title
                    && record["active"] == true
                    && record["organizer"]["user_id"] == tried.user
            });
            let start = |record: &Value| record["start"].as_str().map(|at| at[11..16].to_owned());
            named.filter_map(start).collect()
        }
    }
}

fn busy_title(user: i64, round: usize) -> String {
    format!("Busy {round}-{user}")
}

async fn check(w: &World, all: &[Tried], round: usize, start: impl Fn(Made) -> &'static str, what: &str) {
    for tried in all {
        let start = start(tried.made).to_owned();
        let whole = on_the_other_side(w, tried, &tried.title).await;
        let busy = on_the_other_side(w, tried, &busy_title(tried.user, round)).await;
        let (whole_is, busy_is) = match tried.other {
            Other::Absent => (vec![], None),
            Other::Whole => (vec![start], None),
            Other::TimeOnly => (vec![], Some(start)),
        };
        assert_eq!(whole, whole_is, "{what}: {tried:#?}");
        if let Some(start) = busy_is {
            assert!(busy.contains(&start), "{what}: {busy:?}, {tried:#?}");
        }
    }
}

async fn choose(w: &World, user: i64, choices: &Map<String, Value>) {
    let mut choices = choices.clone();
    if choices.contains_key("calendars") {
        let person = USERS.iter().find(|(id, _)| *id == user).expect("a person").1;
        let own = further_calendar(w, person).await;
        choices.insert("calendars".to_owned(), json!([own]));
    }
    let kwargs = json!({"user_id": user, "choices": choices});
    let chosen = w
        .odoo
        .call(&w.service, user, "outlook.bridge.choices", "set", kwargs)
        .await;
    chosen.expect("chosen");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_choice_alone_and_with_each_other_one() {
    let mut all = combinations();
    if std::env::var("CHOICE_PAIRS").as_deref() != Ok("all") {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        println!("choice pairs: SEED={seed}");
        all.shuffle(&mut StdRng::seed_from_u64(seed));
        all.truncate(SAMPLE);
    }
    let mut w = world().await;
    w.odoo.users.insert(9, CARLA.to_owned());
    for user in [8, 9] {
        w.odoo
            .connect(&w.stack, &w.service, user)
            .await
            .expect("connected");
    }
    make_further_calendars(&w).await;
    // More is deleted here than a person deletes in an hour.
    let limits = json!({"brake_over": 10_000, "brake_percent": 100});
    let set = w
        .odoo
        .call(&w.service, 2, "res.config.settings", "set_values", limits);
    set.await.expect("set");
    w.quiet().await;
    for (round, some) in all.chunks(USERS.len()).enumerate() {
        try_them(&mut w, round, some).await;
    }
    assert_eq!(w.stack.mails().await, [], "nobody is mailed");
}

/// What both sides have before anything is chosen: on which side it is deleted then, and whether the
/// deletion crosses.
struct Shared {
    tried: Tried,
    deleted: Made,
    crosses: bool,
}

async fn make_shared(w: &mut World, round: usize, combinations: &[Map<String, Value>]) -> Vec<Shared> {
    let mut all = Vec::new();
    for ((user, person), choices) in USERS.into_iter().zip(combinations) {
        for (index, kind) in KINDS.into_iter().enumerate() {
            let made = if index % 2 == 0 { Made::Outlook } else { Made::Odoo };
            let made = if kind == Kind::Family { Made::Outlook } else { made };
            for deleted in [Made::Odoo, Made::Outlook] {
                let word = if kind == Kind::Lunch { "Lunch" } else { "Shared" };
                let mut tried = Tried {
                    user,
                    person,
                    kind,
                    made,
                    title: format!("{word} before {round} {user} {kind:?} {deleted:?}"),
                    own: Value::Null,
                    other: Other::Whole,
                };
                make(w, &mut tried).await;
                // A private event has crossed whole before.
                let crosses = expected(choices, kind, deleted) == Other::Whole;
                all.push(Shared {
                    tried,
                    deleted,
                    crosses,
                });
            }
        }
    }
    w.quiet().await;
    all
}

async fn delete_shared(w: &mut World, all: &[Shared]) {
    for shared in all {
        let title = &shared.tried.title;
        match shared.deleted {
            Made::Odoo => {
                let id = w.odoo.by_name(title).expect("in Odoo")["id"].as_i64();
                w.odoo.unlink(id.expect("an id"));
            }
            Made::Outlook | Made::Further => {
                let event = w.stack.event(shared.tried.person, title).await;
                let event = event.expect("in Outlook");
                w.outlook_deletes(shared.tried.person, &event).await;
            }
        }
    }
    w.quiet().await;
}

/// Checks that what was left out is still where it was not deleted, and came back nowhere.
async fn check_shared(w: &World, all: &[Shared], what: &str) {
    for shared in all {
        let tried = &shared.tried;
        for made in [Made::Odoo, Made::Outlook] {
            let seen_from = Tried {
                made,
                ..tried.clone()
            };
            let found = on_the_other_side(w, &seen_from, &tried.title).await.len();
            // Seen from one side, the other one is looked at.
            let stays = made == shared.deleted && !shared.crosses;
            assert_eq!(
                found,
                usize::from(stays),
                "{what}: {} deleted {:?}, seen from {made:?}",
                tried.title,
                shared.deleted
            );
        }
    }
}

/// Tries a combination with each of the people.
async fn try_them(w: &mut World, round: usize, combinations: &[Map<String, Value>]) {
    let shared = make_shared(w, round, combinations).await;
    let mut all = Vec::new();
    for ((user, person), choices) in USERS.into_iter().zip(combinations) {
        let mut choices = choices.clone();
        choices.insert("busy_title".to_owned(), json!(busy_title(user, round)));
        choose(w, user, &choices).await;
        println!("round {round}, user {user}: {}", Value::Object(choices.clone()));
        for made in [Made::Odoo, Made::Outlook, Made::Further] {
            for kind in KINDS {
                let word = if kind == Kind::Lunch { "Lunch" } else { "Event" };
                let mut tried = Tried {
                    user,
                    person,
                    kind,
                    made,
                    title: format!("{word} {round} {user} {kind:?} {made:?}"),
                    own: Value::Null,
                    other: expected(&choices, kind, made),
                };
                make(w, &mut tried).await;
                all.push(tried);
            }
        }
    }
    w.quiet().await;
    delete_shared(w, &shared).await;
    check_shared(w, &shared, "left out").await;
    let first = |made| if made == Made::Odoo { "09:00" } else { "10:00" };
    check(w, &all, round, first, "made").await;
    for tried in &all {
        move_it(w, tried).await;
    }
    w.quiet().await;
    check(w, &all, round, |_| "15:00", "moved").await;
    // Every second one is deleted on its own side.
    let (deleted, kept): (Vec<_>, Vec<_>) =
        all.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let gone = |(_, tried): (usize, Tried)| Tried {
        other: Other::Absent,
        ..tried
    };
    for (_, tried) in &deleted {
        delete(w, tried).await;
    }
    w.quiet().await;
    let deleted: Vec<Tried> = deleted.into_iter().map(gone).collect();
    let mut kept: Vec<Tried> = kept.into_iter().map(|(_, tried)| tried).collect();
    check(w, &deleted, round, |_| "15:00", "deleted").await;
    check(w, &kept, round, |_| "15:00", "kept").await;
    // Without choices, everything that is left comes to the other side, and nothing is deleted; what is
    // in a further calendar stays as it was.
    for (user, _) in USERS {
        choose(w, user, &Map::new()).await;
    }
    w.quiet().await;
    for tried in kept.iter_mut().filter(|tried| tried.made != Made::Further) {
        tried.other = Other::Whole;
    }
    check(w, &deleted, round, |_| "15:00", "deleted, and all is synced").await;
    check(w, &kept, round, |_| "15:00", "all is synced").await;
    check_shared(w, &shared, "all is synced").await;
}
