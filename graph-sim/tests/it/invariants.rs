//! What holds whatever people do, under all settings of the switches.

use crate::follower::Follower;
use crate::game::{Done, Game, Op, PEOPLE, op, window};
use chrono::NaiveDate;
use graph_sim::event::{Content, Event};
use graph_sim::event_view::series_uid;
use graph_sim::state::World;
use graph_sim::switches::{Masters, SeriesRemoval, Switches, TokenDeath};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};

#[derive(Clone, Debug)]
struct Settings {
    switches: Switches,
    immutable: bool,
    page: Option<usize>,
}

fn settings() -> impl Strategy<Value = Settings> {
    let flags = prop::array::uniform11(any::<bool>());
    (
        flags,
        0..3_usize,
        0..3_usize,
        0..3_usize,
        1..6_usize,
        prop::option::of(1..6_usize),
    )
        .prop_map(|(flag, masters, removal, death, size, page)| Settings {
            switches: Switches {
                delta_masters: [Masters::Never, Masters::Initial, Masters::Always][masters],
                delta_series_removal: [
                    SeriesRemoval::Master,
                    SeriesRemoval::Occurrences,
                    SeriesRemoval::Both,
                ][removal],
                delta_token_death: [
                    TokenDeath::Gone,
                    TokenDeath::GoneWithLocation,
                    TokenDeath::BadRequest,
                ][death],
                delta_page_size: size,
                delta_full_exceptions: flag[0],
                delta_removed_for_occurrences: flag[1],
                delta_removed_out_of_window: flag[2],
                delta_empty_pages: flag[3],
                delta_repeats: flag[4],
                delta_shuffle: flag[5],
                pattern_change_drops_exceptions: flag[6],
                time_change_drops_exceptions: flag[7],
                rewrites_bring_deleted_back: flag[6] ^ flag[7],
                attendee_change_reaches_all: flag[8],
                drops_attendee: String::new(),
                resolves_aliases: false,
                undeclared_properties: flag[9],
                requests_per_10_min: 0,
                ..Switches::default()
            },
            immutable: flag[10],
            page,
        })
}

/// What the organizer alone decides.
fn shared(c: &Content) -> impl PartialEq + std::fmt::Debug + '_ {
    (
        (&c.subject, &c.body, &c.importance, &c.sensitivity),
        (&c.start, &c.end, c.all_day, &c.locations),
        (c.response_requested, c.allow_proposals, c.hide_attendees),
        (c.online, &c.online_meeting),
    )
}

/// Copies that their owners have changed by themselves, until the organizer's next word: by guest and iCalUId.
type OwnWays = HashSet<(String, String)>;

fn note(own_ways: &mut OwnWays, done: &Done, told: &[(String, String)]) {
    if done.method == "PATCH"
        && done.status == 200
        && let Some(uid) = &done.uid
    {
        own_ways.insert((PEOPLE[done.who].to_owned(), series_uid(uid).0));
    }
    for pair in told {
        own_ways.remove(pair);
    }
}

fn invited(content: &Content, guest: &str) -> bool {
    content.attendees.iter().any(|a| a.address == guest)
}

/// The event, or its occurrence on a day.
fn at(event: &Event, day: Option<NaiveDate>) -> Content {
    day.map_or_else(|| event.content.clone(), |d| event.occurrence(d))
}

/// Each copy agrees with the organizer's event, and none is left of a meeting that is not.
fn copies(world: &World, own_ways: &OwnWays) {
    for (address, mailbox) in &world.mailboxes {
        for copy in mailbox.events.values().filter(|e| !e.is_organizer) {
            let (uid, day) = series_uid(&copy.ical_uid);
            let theirs = world
                .mailbox(&copy.organizer.1)
                .ok()
                .and_then(|m| m.events.get(&m.by_ical(&uid)?));
            let there = |e: &&Event| day.is_none_or(|d| e.has_occurrence(d)) && invited(&at(e, day), address);
            let Some(theirs) = theirs.filter(there) else {
                assert!(
                    copy.content.cancelled,
                    "{address} keeps a meeting that is not: {copy:?}"
                );
                continue;
            };
            assert!(theirs.is_organizer);
            if copy.content.cancelled || own_ways.contains(&(address.clone(), uid.clone())) {
                continue;
            }
            let hers = at(theirs, day);
            assert_eq!(shared(&copy.content), shared(&hers));
            if day.is_some() {
                assert!(copy.recurrence.is_none());
                continue;
            }
            assert_eq!(copy.recurrence, theirs.recurrence);
            let (from, to) = window();
            for day in copy.in_window(from, to) {
                let mine = copy.occurrence(day);
                if mine.cancelled {
                    continue;
                }
                assert!(
                    theirs.has_occurrence(day),
                    "{address} has one more on {day}: {copy:?} {theirs:?}"
                );
                let hers = theirs.occurrence(day);
                assert_eq!(shared(&mine), shared(&hers), "on {day}");
            }
        }
    }
}

/// Each mail came from a request that went well, of the one who sent it.
fn mails(world: &World) {
    for mail in &world.mails {
        let cause = world
            .requests
            .iter()
            .find(|r| r.request_id == mail.cause.request_id);
        let cause = cause.unwrap_or_else(|| panic!("no request made {mail:?}"));
        assert!(
            cause.status < 300 && cause.method == mail.cause.method && cause.path == mail.cause.path,
            "{mail:?}"
        );
        assert_eq!(cause.mailbox.as_deref(), Some(mail.from.as_str()));
    }
}

/// Moves with every mail and every write.
fn marks(world: &World) -> (u64, Vec<u64>) {
    let written = world.mailboxes.values().map(|m| m.next_seq).collect();
    (world.next_mail, written)
}

async fn run(settings: Settings, ops: Vec<Op>) {
    let game = Game::new();
    game.sim.world().switches = settings.switches.clone();
    let mut followers: Vec<Follower> = (0..PEOPLE.len())
        .map(|who| Follower::new(who, settings.immutable, settings.page))
        .collect();
    let mut own_ways = OwnWays::new();
    for op in &ops {
        match op {
            Op::Follow { who } => {
                followers[*who].page(&game).await;
                continue;
            }
            Op::Forget { who } => {
                game.sim.world().mailbox_mut(PEOPLE[*who]).unwrap().generation += 1;
                continue;
            }
            _ => {}
        }
        let before = marks(&game.sim.world());
        let mails_before = game.sim.world().mails.len();
        let Some(done) = game.play(op).await else { continue };
        let world = game.sim.world();
        if done.status >= 400 {
            assert_eq!(before, marks(&world), "refused, and yet: {done:?}");
        }
        // What is forwarded is not the organizer's word about it.
        let forwarded = matches!(op, Op::Forward { .. });
        let told: Vec<(String, String)> = world.mails[mails_before..]
            .iter()
            .filter(|_| !forwarded)
            .filter(|m| m.kind == "update" || m.kind == "invitation")
            .map(|m| (m.to.clone(), m.ical_uid.clone()))
            .collect();
        note(&mut own_ways, &done, &told);
        copies(&world, &own_ways);
    }
    mails(&game.sim.world());
    for follower in &mut followers {
        // The round under way, and one that begins after all is done.
        follower.round(&game).await;
        follower.round(&game).await;
        let listed = follower.listed(&game).await;
        assert_eq!(follower.calendar(), listed, "of {settings:?}");
        one_master(&game, &listed.into_values().collect::<Vec<_>>());
    }
    // A saved state is the same world.
    let world = game.sim.world();
    let text = serde_json::to_string(&*world).unwrap();
    let mut loaded: World = serde_json::from_str(&text).unwrap();
    loaded.reindex();
    assert_eq!(serde_json::to_string(&loaded).unwrap(), text);
}

/// Each occurrence belongs to one master, and its id leads there.
fn one_master(game: &Game, rows: &[serde_json::Value]) {
    let world = game.sim.world();
    for row in rows {
        let (id, master) = (row["id"].as_str().unwrap(), row["seriesMasterId"].as_str());
        let owners: BTreeSet<&str> = world
            .mailboxes
            .values()
            .filter(|m| m.find(id).is_ok())
            .map(|m| m.address.as_str())
            .collect();
        assert_eq!(owners.len(), 1, "{id} in {owners:?}");
        let mailbox = &world.mailboxes[*owners.first().unwrap()];
        let target = mailbox.find(id).unwrap();
        let event = &mailbox.events[&target.key];
        match master {
            None => assert!(event.recurrence.is_none() && target.day.is_none()),
            Some(master) => {
                assert_eq!(mailbox.find(master).unwrap().key, target.key);
                assert!(event.recurrence.is_some() && event.has_occurrence(target.day.unwrap()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_people_do(settings in settings(), ops in prop::collection::vec(op(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(settings, ops));
    }
}
