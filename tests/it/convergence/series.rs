//! Series: what people do to them, how both sides show them, and what must hold of them when everything is quiet.
//!
//! **State.** A series that is alive is one active record in Odoo and one event in its organizer's mailbox; both have the same
//! occurrences on the same dates with the same times, titles and places, and the same guests. If one side alone was
//! touched since the last quiet, both are what that side was when people had done with it; if both were, each
//! occurrence's value is one of the two. If nobody touched it, it is as it was.
//!
//! **Mails** of the service's making. Invitations to the whole come in turn, and in the end those are invited who are guests.
//! A guest gets at most as many mails of a kind as people's acts in Odoo call for: an edit of all or of one, another
//! end, a move of all: one update (and one for each occurrence with something of its own where all are moved); an occurrence
//! taken out: one cancellation. An act alone mails each guest at least once. What is done in Outlook mails nobody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Brussels;
use graph_sim::state::Target;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use super::mails::Mail;
use super::people::{Side, address_of};
use super::shown::{attendees, guests_of_copy, guests_of_record, id_of, live, person};
use super::world::World;

/// Of a series so many occurrences are compared.
const COMPARED: usize = 40;
/// The graph id of a whole event.
const WHOLE: usize = 126;
const STAMP: &str = "%Y-%m-%dT%H:%M:%S";

#[derive(Clone, Copy, Debug)]
pub enum Every {
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Count(usize),
    /// Days after the start.
    Until(u64),
    Never,
}

/// One thing that somebody does to a series. A number counts its occurrences that are there.
#[derive(Clone, Debug)]
pub enum Act {
    Create {
        side: Side,
        user: i64,
        every: Every,
        end: End,
        /// In Brussels.
        start: NaiveDateTime,
        guests: Vec<&'static str>,
    },
    /// All of them.
    Edit {
        side: Side,
        title: Option<String>,
        place: Option<String>,
    },
    /// One of them.
    EditOne {
        side: Side,
        number: usize,
        title: Option<String>,
        place: Option<String>,
    },
    /// One of them, within its day.
    MoveOne {
        side: Side,
        number: usize,
        hour: u32,
    },
    TakeOut {
        side: Side,
        number: usize,
    },
    /// All of them to another hour.
    Shift {
        side: Side,
        hour: u32,
    },
    Guests {
        side: Side,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    },
    End {
        side: Side,
        end: End,
    },
    /// This and following, which get a title of their own.
    Split {
        side: Side,
        number: usize,
    },
    /// Archived in Odoo, deleted in Outlook.
    Remove {
        side: Side,
    },
}

/// What was done, as far as the oracle must know.
#[derive(Clone, Debug)]
pub struct Done {
    pub side: Side,
    what: What,
    /// Mails of these kinds to each guest, at most: updates and cancellations.
    updates: usize,
    cancellations: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Created,
    Changed,
    /// One occurrence, which has something of its own since.
    ChangedOne,
    Joined(&'static str),
    Left(&'static str),
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    start: String,
    end: String,
    title: String,
    place: String,
}

/// A series as one side shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    occurrences: BTreeMap<NaiveDate, Occurrence>,
    guests: BTreeSet<String>,
}

/// A series that somebody has made.
#[derive(Clone, Debug)]
pub struct Series {
    mark: String,
    pub organizer: i64,
    done: Vec<Done>,
    /// As each side was when people had done with it.
    meant: BTreeMap<Side, Option<Shape>>,
    before: Option<Shape>,
    invited: BTreeSet<String>,
}

impl Act {
    pub fn draw(
        rng: &mut StdRng,
        made: usize,
        today: NaiveDate,
        text: usize,
        user: i64,
        somebody: [&'static str; 3],
    ) -> Self {
        let side = if rng.random_bool(0.5) {
            Side::Odoo
        } else {
            Side::Outlook
        };
        let number = rng.random_range(0..8);
        let words = |rng: &mut StdRng, letter: char| rng.random_bool(0.6).then(|| format!("{letter}{text}"));
        match if made < 2 { 0 } else { rng.random_range(0..40) } {
            0..5 => {
                let day = today + Days::new(rng.random_range(3..25));
                let mut guests: Vec<&str> = somebody[..rng.random_range(0..=3)].to_vec();
                guests.retain(|guest| *guest != address_of(user));
                guests.sort_unstable();
                guests.dedup();
                Self::Create {
                    side,
                    user,
                    every: *[Every::Day, Every::Week, Every::Week, Every::Month]
                        .choose(rng)
                        .expect("one"),
                    end: End::draw(rng),
                    start: day.and_hms_opt(rng.random_range(5..20), 0, 0).expect("an hour"),
                    guests,
                }
            }
            5..12 => Self::Edit {
                side,
                title: Some(format!("t{text}")),
                place: words(rng, 'L'),
            },
            12..18 => Self::EditOne {
                side,
                number,
                title: words(rng, 't'),
                place: Some(format!("L{text}")),
            },
            18..22 => Self::MoveOne {
                side,
                number,
                hour: rng.random_range(5..20),
            },
            22..26 => Self::TakeOut { side, number },
            26..28 => Self::Shift {
                side,
                hour: rng.random_range(5..20),
            },
            28..33 => {
                let which = rng.random_range(0..5);
                Self::Guests {
                    side,
                    add: (which < 3).then_some(somebody[0]),
                    remove: (which >= 2 && somebody[0] != somebody[1]).then_some(somebody[1]),
                }
            }
            33..36 => Self::End {
                side,
                end: End::draw(rng),
            },
            36..38 => Self::Split {
                side,
                number: number + 1,
            },
            _ => Self::Remove { side },
        }
    }
}

impl End {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..5) {
            0 => Self::Never,
            1 | 2 => Self::Until(rng.random_range(10..90)),
            _ => Self::Count(rng.random_range(3..12)),
        }
    }

    fn in_odoo(self, start: NaiveDate) -> Value {
        match self {
            Self::Never => json!({"end_type": "forever", "until": null}),
            Self::Count(count) => json!({"end_type": "count", "count": count, "until": null}),
            Self::Until(days) => json!({"end_type": "end_date", "until": start + Days::new(days)}),
        }
    }

    fn in_outlook(self, start: NaiveDate) -> Value {
        match self {
            Self::Never => json!({"type": "noEnd", "startDate": start}),
            Self::Count(count) => {
                json!({"type": "numbered", "startDate": start, "numberOfOccurrences": count})
            }
            Self::Until(days) => {
                json!({"type": "endDate", "startDate": start, "endDate": start + Days::new(days)})
            }
        }
    }
}

impl Every {
    fn in_odoo(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
        }
    }

    fn in_outlook(self, start: NaiveDate) -> Value {
        match self {
            Self::Day => json!({"type": "daily", "interval": 1}),
            Self::Week => {
                let day = start.format("%A").to_string().to_lowercase();
                json!({"type": "weekly", "interval": 1, "daysOfWeek": [day], "firstDayOfWeek": "monday"})
            }
            Self::Month => {
                json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": chrono::Datelike::day(&start)})
            }
        }
    }
}

fn utc(local: NaiveDateTime) -> NaiveDateTime {
    Brussels
        .from_local_datetime(&local)
        .earliest()
        .expect("an hour that is")
        .naive_utc()
}

fn in_odoo(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment in Outlook's own zone of the series.
fn in_brussels(local: NaiveDateTime) -> Value {
    json!({"dateTime": local.format(STAMP).to_string(), "timeZone": "Europe/Brussels"})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl World {
    pub fn act_on_series(&mut self, wish: usize, act: &Act) {
        if let Act::Create {
            side,
            user,
            every,
            end,
            start,
            guests,
        } = act
        {
            self.create_series((*side, *user), (*every, *end), *start, guests);
            self.acts += 1;
            self.series_acts += 1;
            return;
        }
        let all = self.series.len();
        for index in (0..all).map(|n| (wish + n) % all) {
            let done = self.do_to_series(index, act);
            if let Some(first) = done.first() {
                let side = first.side;
                let now = self.shape(index, side);
                let series = &mut self.series[index];
                series.done.extend(done);
                series.meant.insert(side, now);
                self.acts += 1;
                self.series_acts += 1;
                return;
            }
        }
    }

    fn new_series(&mut self, side: Side, organizer: i64) {
        let mut series = Series {
            mark: format!("R{}", self.series.len()),
            organizer,
            done: Vec::new(),
            meant: BTreeMap::new(),
            before: None,
            invited: BTreeSet::new(),
        };
        series.done.push(Done {
            side,
            what: What::Created,
            updates: 0,
            cancellations: 0,
        });
        self.series.push(series);
        let index = self.series.len() - 1;
        let shape = self.shape(index, side);
        assert!(shape.is_some(), "it was made");
        self.series[index].meant.insert(side, shape);
    }

    fn create_series(
        &mut self,
        (side, user): (Side, i64),
        (every, end): (Every, End),
        start: NaiveDateTime,
        guests: &[&'static str],
    ) {
        let title = format!("R{} t", self.series.len());
        match side {
            Side::Odoo => {
                let mut fields = end.in_odoo(start.date());
                fields["rrule_type"] = json!(every.in_odoo());
                self.odoo.actor = user;
                self.odoo
                    .create_series(user, &title, &in_odoo(utc(start)), &fields, guests);
            }
            Side::Outlook => {
                let body = json!({"subject": title, "attendees": attendees(guests),
                    "start": in_brussels(start), "end": in_brussels(start + TimeDelta::hours(1)),
                    "recurrence": {"pattern": every.in_outlook(start.date()), "range": end.in_outlook(start.date())}});
                self.outlook_creates(user, &body);
            }
        }
        self.new_series(side, user);
    }

    fn outlook_creates(&self, user: i64, body: &Value) {
        let body = body.as_object().expect("an object");
        let mut microsoft = self.stack.sim.sim.world();
        microsoft
            .create(address_of(user), None, body, &person())
            .expect("created");
    }

    fn record_of_series(&self, index: usize) -> Option<&Value> {
        let mark = format!("{} ", self.series[index].mark);
        let mut found: Vec<&Value> = self
            .odoo
            .records
            .values()
            .filter(|r| text(&r["template"]["name"]).starts_with(&mark))
            .collect();
        // As of single events: what had been archived at the backup may stay so, beside the record that Outlook's series has now.
        if self.is_restored && found.len() > 1 {
            found.retain(|r| r["active"] == true);
        }
        assert!(found.len() <= 1, "two records of {mark}in Odoo: {found:#?}");
        found.pop()
    }

    fn active_series(&self, index: usize) -> Option<i64> {
        self.record_of_series(index)
            .filter(|r| r["active"] == true)
            .map(id_of)
    }

    fn shape(&self, index: usize, side: Side) -> Option<Shape> {
        match side {
            Side::Odoo => self.shape_in_odoo(index),
            Side::Outlook => self.shape_in_outlook(index),
        }
    }

    fn shape_in_odoo(&self, index: usize) -> Option<Shape> {
        let id = self.active_series(index)?;
        let record = &self.odoo.records[&id];
        let stamp = |value: &Value| text(value).replace(' ', "T");
        let occurrences = self.odoo.occurrences(id).into_iter().take(COMPARED);
        let organizer = address_of(self.series[index].organizer);
        Some(Shape {
            occurrences: occurrences
                .map(|(date, fields)| {
                    let occurrence = Occurrence {
                        start: stamp(&fields["start"]),
                        end: stamp(&fields["stop"]),
                        title: text(&fields["name"]).to_owned(),
                        place: text(&fields["location"]).to_owned(),
                    };
                    (date, occurrence)
                })
                .collect(),
            guests: guests_of_record(&record["template"], organizer),
        })
    }

    fn shape_in_outlook(&self, index: usize) -> Option<Shape> {
        let series = &self.series[index];
        let address = address_of(series.organizer);
        let microsoft = self.stack.sim.sim.world();
        let (_, shown) = live(&microsoft, address, &series.mark, true)?;
        let stamp = |moment: &Value| text(&moment["dateTime"])[..19].to_owned();
        let exceptions = shown["exceptions"].as_array();
        let place_of = |id: &Value| {
            let own = exceptions.into_iter().flatten().find(|e| e["id"] == *id);
            text(&own.unwrap_or(&shown)["location"]["displayName"]).to_owned()
        };
        let occurrences = shown["occurrences"]
            .as_array()
            .into_iter()
            .flatten()
            .take(COMPARED);
        Some(Shape {
            occurrences: occurrences
                .map(|one| {
                    let occurrence = Occurrence {
                        start: stamp(&one["start"]),
                        end: stamp(&one["end"]),
                        title: text(&one["subject"]).to_owned(),
                        place: place_of(&one["id"]),
                    };
                    (text(&one["date"]).parse().expect("a date"), occurrence)
                })
                .collect(),
            guests: guests_of_copy(&shown, address),
        })
    }

    /// Nothing where it cannot be done to this one.
    fn do_to_series(&mut self, index: usize, act: &Act) -> Vec<Done> {
        let done = match act {
            Act::Create { .. } => None,
            Act::Edit { side, title, place } => {
                self.edit_series(index, *side, None, title.as_ref(), place.as_ref())
            }
            Act::EditOne {
                side,
                number,
                title,
                place,
            } => self.edit_series(index, *side, Some(*number), title.as_ref(), place.as_ref()),
            Act::MoveOne { side, number, hour } => self.move_one(index, *side, *number, *hour),
            Act::TakeOut { side, number } => self.take_out(index, *side, *number),
            Act::Shift { side, hour } => self.shift(index, *side, *hour),
            Act::Guests { side, add, remove } => return self.guests_of_series(index, *side, *add, *remove),
            Act::End { side, end } => self.end_series(index, *side, *end),
            Act::Split { side, number } => self.split(index, *side, *number),
            Act::Remove { side } => self.remove_series(index, *side),
        };
        done.into_iter().collect()
    }

    /// An occurrence that is there, and how many that are there come after it.
    fn the(&self, index: usize, side: Side, number: usize) -> Option<(NaiveDate, Occurrence, usize)> {
        let shape = self.shape(index, side)?;
        let after = shape.occurrences.len().checked_sub(number + 1)?;
        let (date, one) = shape.occurrences.into_iter().nth(number)?;
        Some((date, one, after))
    }

    fn patch(&self, index: usize, date: Option<NaiveDate>, body: &Value) -> Option<()> {
        let series = &self.series[index];
        let address = address_of(series.organizer);
        let mut microsoft = self.stack.sim.sim.world();
        let (whole, _) = live(&microsoft, address, &series.mark, true)?;
        let target = Target { day: date, ..whole };
        let body = body.as_object().expect("an object");
        microsoft
            .patch(address, target, body, None, &person())
            .ok()
            .map(|_| ())
    }

    /// Where among Odoo's slots a date is.
    fn slot_number(&self, id: i64, date: NaiveDate) -> Option<usize> {
        (0..)
            .zip(self.odoo.dates(id))
            .find(|(_, day)| *day == date)
            .map(|(n, _)| n)
    }

    fn edit_series(
        &mut self,
        index: usize,
        side: Side,
        number: Option<usize>,
        title: Option<&String>,
        place: Option<&String>,
    ) -> Option<Done> {
        let date = match number {
            Some(number) => Some(self.the(index, side, number)?.0),
            None => None,
        };
        let title = title.map(|title| format!("{} {title}", self.series[index].mark));
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                let mut values = Map::new();
                values.extend(title.map(|title| ("name".to_owned(), json!(title))));
                values.extend(place.map(|place| ("location".to_owned(), json!(place))));
                match date {
                    Some(date) => {
                        let number = self.slot_number(id, date)?;
                        self.odoo.set_one(id, number, &Value::Object(values));
                    }
                    None => self.odoo.set_series(id, Value::Object(values)),
                }
            }
            Side::Outlook => {
                let mut body = Map::new();
                body.extend(title.map(|title| ("subject".to_owned(), json!(title))));
                body.extend(place.map(|place| ("location".to_owned(), json!({"displayName": place}))));
                self.patch(index, date, &Value::Object(body))?;
            }
        }
        // What the whole has got and an occurrence has of its own stays the occurrence's: Outlook may tell it once more.
        match date {
            Some(_) => Some(changed_one(side)),
            None => Some(changed(side, 1 + self.of_their_own(index), 0)),
        }
    }

    /// How many occurrences differ from the others, in Outlook or in Odoo.
    pub fn of_their_own(&self, index: usize) -> usize {
        let series = &self.series[index];
        let microsoft = self.stack.sim.sim.world();
        let shown = live(&microsoft, address_of(series.organizer), &series.mark, true);
        let there = shown.map_or(0, |(_, shown)| shown["exceptions"].as_array().map_or(0, Vec::len));
        // What is taken out is something of their own as well: a new pattern may bring it back, and it is cancelled once more.
        let count = |r: &Value, name: &str| r[name].as_array().map_or(0, Vec::len);
        let (here, out) = self
            .record_of_series(index)
            .map_or((0, 0), |r| (count(r, "slots"), count(r, "missing")));
        there.max(here) + out
    }

    fn move_one(&mut self, index: usize, side: Side, number: usize, hour: u32) -> Option<Done> {
        let (date, ..) = self.the(index, side, number)?;
        let local = date.and_hms_opt(hour, 30, 0).expect("an hour");
        let end = local + TimeDelta::minutes(45);
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                let number = self.slot_number(id, date)?;
                let values = json!({"start": in_odoo(utc(local)), "stop": in_odoo(utc(end))});
                self.odoo.set_one(id, number, &values);
            }
            Side::Outlook => {
                self.patch(
                    index,
                    Some(date),
                    &json!({"start": in_brussels(local), "end": in_brussels(end)}),
                )?;
            }
        }
        Some(changed_one(side))
    }

    /// Not the last one, or the first: those would be another end or beginning.
    fn take_out(&mut self, index: usize, side: Side, number: usize) -> Option<Done> {
        let (date, _, after) = self.the(index, side, number)?;
        if number == 0 || after < 2 {
            return None;
        }
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                let number = self.slot_number(id, date)?;
                self.odoo.set_there(id, number, false);
            }
            Side::Outlook => {
                let series = &self.series[index];
                let address = address_of(series.organizer);
                let mut microsoft = self.stack.sim.sim.world();
                let (whole, _) = live(&microsoft, address, &series.mark, true)?;
                let target = Target {
                    day: Some(date),
                    ..whole
                };
                microsoft.delete(address, target, None, "", &person()).ok()?;
            }
        }
        Some(changed(side, 0, 1))
    }

    fn shift(&mut self, index: usize, side: Side, hour: u32) -> Option<Done> {
        let start = self.first_start(index, side)?;
        let to = start.date().and_hms_opt(hour, 0, 0).expect("an hour");
        if to == start {
            return None;
        }
        // Where Outlook keeps those at their old hour, each is told once with the whole, and once more when it follows.
        let own = 2 * self.of_their_own(index);
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                self.odoo.shift_series(id, (utc(to) - utc(start)).num_minutes());
            }
            Side::Outlook => {
                self.patch(
                    index,
                    None,
                    &json!({"start": in_brussels(to), "end": in_brussels(to + TimeDelta::hours(1))}),
                )?;
            }
        }
        Some(changed(side, 1 + own, 0))
    }

    /// Where the rule begins, in Brussels.
    fn first_start(&self, index: usize, side: Side) -> Option<NaiveDateTime> {
        let at = match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                text(&self.odoo.records[&id]["dtstart"]).replace(' ', "T")
            }
            Side::Outlook => {
                let series = &self.series[index];
                let microsoft = self.stack.sim.sim.world();
                let (_, shown) = live(&microsoft, address_of(series.organizer), &series.mark, true)?;
                text(&shown["start"]["dateTime"])[..19].to_owned()
            }
        };
        let at = NaiveDateTime::parse_from_str(&at, STAMP).expect("a time");
        Some(Brussels.from_utc_datetime(&at).naive_local())
    }

    fn guests_of_series(
        &mut self,
        index: usize,
        side: Side,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    ) -> Vec<Done> {
        let organizer = address_of(self.series[index].organizer);
        let Some(shape) = self.shape(index, side) else {
            return Vec::new();
        };
        let add = add.filter(|a| !shape.guests.contains(*a) && *a != organizer);
        let remove = remove.filter(|r| shape.guests.contains(*r));
        if add.is_none() && remove.is_none() {
            return Vec::new();
        }
        let own = self.of_their_own(index);
        match side {
            Side::Odoo => {
                let id = self.active_series(index).expect("it is there");
                self.odoo
                    .change_guests_of_series(id, add.as_slice(), remove.as_slice());
            }
            Side::Outlook => {
                let left = shape
                    .guests
                    .iter()
                    .map(String::as_str)
                    .filter(|g| Some(*g) != remove);
                let all: Vec<&str> = left.chain(add).collect();
                if self
                    .patch(index, None, &json!({"attendees": attendees(&all)}))
                    .is_none()
                {
                    return Vec::new();
                }
            }
        }
        let of = |what, cancellations| Done {
            side,
            what,
            updates: 0,
            cancellations,
        };
        let joined = add.map(|a| of(What::Joined(a), 0));
        joined
            .into_iter()
            .chain(remove.map(|r| of(What::Left(r), own)))
            .collect()
    }

    fn set_end(&mut self, index: usize, side: Side, end: End) -> Option<()> {
        let start = self.first_start(index, side)?.date();
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                self.odoo.end_series(id, &end.in_odoo(start));
            }
            Side::Outlook => {
                let pattern = {
                    let series = &self.series[index];
                    let microsoft = self.stack.sim.sim.world();
                    let (_, shown) = live(&microsoft, address_of(series.organizer), &series.mark, true)?;
                    shown["recurrence"]["pattern"].clone()
                };
                let recurrence = json!({"pattern": pattern, "range": end.in_outlook(start)});
                self.patch(index, None, &json!({"recurrence": recurrence}))?;
            }
        }
        Some(())
    }

    fn end_series(&mut self, index: usize, side: Side, end: End) -> Option<Done> {
        let own = self.of_their_own(index);
        self.set_end(index, side, end)?;
        Some(changed(side, 1 + own, 0))
    }

    fn split(&mut self, index: usize, side: Side, number: usize) -> Option<Done> {
        let (date, _, after) = self.the(index, side, number)?;
        if after < 2 {
            return None;
        }
        let own = self.of_their_own(index);
        let title = format!("R{} t", self.series.len());
        let organizer = self.series[index].organizer;
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                let number = self.slot_number(id, date)?;
                self.odoo.split_series(id, number, &title);
            }
            Side::Outlook => {
                let start = self.first_start(index, side)?;
                let shown = {
                    let series = &self.series[index];
                    let microsoft = self.stack.sim.sim.world();
                    live(&microsoft, address_of(organizer), &series.mark, true)?.1
                };
                let days = (date - start.date()).num_days();
                self.set_end(index, side, End::Until(u64::try_from(days - 1).ok()?))?;
                let at = date.and_time(start.time());
                let range = json!({"type": "numbered", "startDate": date, "numberOfOccurrences": after + 1});
                let body = json!({"subject": title, "attendees": shown["attendees"],
                    "start": in_brussels(at), "end": in_brussels(at + TimeDelta::hours(1)),
                    "recurrence": {"pattern": shown["recurrence"]["pattern"], "range": range}});
                self.outlook_creates(organizer, &body);
            }
        }
        self.new_series(side, organizer);
        Some(changed(side, 1 + own, 0))
    }

    fn remove_series(&mut self, index: usize, side: Side) -> Option<Done> {
        let own = self.of_their_own(index);
        match side {
            Side::Odoo => {
                let id = self.active_series(index)?;
                self.odoo.archive_series(id);
            }
            Side::Outlook => {
                let series = &self.series[index];
                // As of a single event: what nobody has seen yet cannot be told from what was never made.
                series.before.as_ref()?;
                let address = address_of(series.organizer);
                let mut microsoft = self.stack.sim.sim.world();
                let (whole, _) = live(&microsoft, address, &series.mark, true)?;
                microsoft
                    .delete(address, whole, None, "", &person())
                    .expect("deleted");
            }
        }
        Some(Done {
            side,
            what: What::Removed,
            updates: 0,
            cancellations: 1 + own,
        })
    }

    /// Judges all series since the last quiet, and takes the present for the next beginning.
    pub fn judge_series(&mut self, mails: &[Mail]) -> Vec<(String, String)> {
        let mut report = Vec::new();
        for index in 0..self.series.len() {
            let now = (self.shape(index, Side::Odoo), self.shape(index, Side::Outlook));
            let series = &self.series[index];
            let mine: Vec<&Mail> = mails.iter().filter(|m| m.is_about(&series.mark)).collect();
            let mut wrongs = series.check_state(&now.0, &now.1);
            let guests = now
                .1
                .as_ref()
                .map(|shape| shape.guests.clone())
                .unwrap_or_default();
            let invited = series.check_mails(&mine, &guests, &mut wrongs);
            if !wrongs.is_empty() {
                let mails: Vec<String> = mine.iter().map(|m| m.describe()).collect();
                let said: Vec<String> = series
                    .meant
                    .iter()
                    .map(|(side, shape)| format!("{side:?} {}", brief(shape.as_ref())))
                    .collect();
                let now = [(Side::Odoo, &now.0), (Side::Outlook, &now.1)];
                let text = [
                    format!("{} of {}:", series.mark, address_of(series.organizer)),
                    format!("  {}", wrongs.join("\n  ")),
                    format!(" done: {:?}", series.done),
                    format!(" meant:\n {}", said.join("\n ")),
                    format!(" mails: {mails:#?}"),
                    format!(" before: {}", brief(series.before.as_ref())),
                    now.map(|(side, shape)| format!(" {side:?} now: {}", brief(shape.as_ref())))
                        .join("\n"),
                ];
                report.push((series.mark.clone(), text.join("\n")));
            }
            let series = &mut self.series[index];
            series.invited = invited;
            series.before = now.0;
            series.done.clear();
            series.meant.clear();
        }
        report
    }

    /// See [`World::restore`]: what was archived since the backup, or was deleted in Outlook.
    pub fn end_series_again(&mut self) {
        for index in 0..self.series.len() {
            if let (None, Some(id)) = (&self.series[index].before, self.active_series(index)) {
                self.odoo.archive_series(id);
            }
        }
    }

    pub fn is_mark_of_series(&self, mark: &str) -> bool {
        self.series.iter().any(|series| series.mark == mark)
    }
}

impl Shape {
    /// What most of the occurrences say.
    fn of_most(&self) -> Option<&Occurrence> {
        let like = |one: &&Occurrence| {
            let others = self.occurrences.values();
            others
                .filter(|o| (&o.title, &o.place) == (&one.title, &one.place))
                .count()
        };
        self.occurrences.values().max_by_key(like)
    }
}

/// A line for each occurrence.
fn brief(shape: Option<&Shape>) -> String {
    let Some(shape) = shape else {
        return "nothing".to_owned();
    };
    let lines = shape.occurrences.iter().map(|(slot, o)| {
        format!(
            "\n   {slot}: {} to {} “{}” at “{}”",
            o.start, o.end, o.title, o.place
        )
    });
    format!("{:?}{}", shape.guests, lines.collect::<String>())
}

fn changed(side: Side, updates: usize, cancellations: usize) -> Done {
    Done {
        side,
        what: What::Changed,
        updates,
        cancellations,
    }
}

fn changed_one(side: Side) -> Done {
    Done {
        what: What::ChangedOne,
        ..changed(side, 1, 0)
    }
}

impl Series {
    /// A reset deletes it from both sides; so many occurrences have something of their own.
    pub fn note_deletion(&mut self, own: usize) {
        if self.before.is_none() {
            return;
        }
        self.done.push(Done {
            side: Side::Odoo,
            what: What::Removed,
            updates: 0,
            cancellations: 1 + own,
        });
        self.meant.insert(Side::Odoo, None);
    }

    fn check_state(&self, odoo: &Option<Shape>, outlook: &Option<Shape>) -> Vec<String> {
        let mut wrongs = Vec::new();
        if odoo != outlook {
            wrongs.push(format!(
                "the sides differ: {}",
                difference(odoo.as_ref(), outlook.as_ref())
            ));
        }
        let sides: BTreeSet<Side> = self.done.iter().map(|done| done.side).collect();
        let sides: Vec<Side> = sides.into_iter().collect();
        match sides[..] {
            [] if *odoo != self.before => {
                wrongs.push(format!(
                    "nobody touched it: {}",
                    difference(self.before.as_ref(), odoo.as_ref())
                ));
            }
            [side] if *odoo != self.meant[&side] => {
                let meant = self.meant[&side].as_ref();
                wrongs.push(format!(
                    "only {side:?} was touched: {}",
                    difference(meant, odoo.as_ref())
                ));
            }
            [_, _] if self.done.iter().any(|done| done.what == What::Removed) => {
                wrongs.extend(odoo.as_ref().map(|_| "it was removed".to_owned()));
            }
            [_, _] => self.check_both(odoo.as_ref(), &mut wrongs),
            _ => {}
        }
        wrongs
    }

    /// Each occurrence is as one of the sides had it, or as it was.
    fn check_both(&self, now: Option<&Shape>, wrongs: &mut Vec<String>) {
        let Some(now) = now else {
            return wrongs.push("it is gone".to_owned());
        };
        let known: Vec<&Shape> = self.meant.values().flatten().chain(&self.before).collect();
        for (date, one) in &now.occurrences {
            let said: Vec<&Occurrence> = known
                .iter()
                .filter_map(|shape| shape.occurrences.get(date))
                .collect();
            // What has lost its own to one side is as all are on the other.
            let of_all = known.iter().filter_map(|shape| shape.of_most());
            let said_or_lost = || said.iter().copied().chain(of_all.clone());
            let title = said_or_lost().any(|other| other.title == one.title);
            let place = said_or_lost().any(|other| other.place == one.place);
            // Where one side had no such occurrence yet, the other may have changed it meanwhile.
            if said.len() == known.len() && !(title && place) {
                wrongs.push(format!("nobody said {one:?} of {date}"));
            }
        }
        for guest in &now.guests {
            if !known.iter().any(|shape| shape.guests.contains(guest)) {
                wrongs.push(format!("nobody invited {guest}"));
            }
        }
    }

    /// Returns who is invited now.
    fn check_mails(
        &self,
        mails: &[&Mail],
        guests: &BTreeSet<String>,
        wrongs: &mut Vec<String>,
    ) -> BTreeSet<String> {
        let organizer = address_of(self.organizer);
        let mut invited = self.invited.clone();
        let mut ever = invited.clone();
        for mail in mails {
            let in_turn = match mail.kind.as_str() {
                "invitation" => {
                    ever.insert(mail.to.clone());
                    invited.insert(mail.to.clone())
                }
                // Those of single occurrences follow the one of the whole.
                "cancellation" if mail.event_id.len() > WHOLE => ever.contains(&mail.to),
                "cancellation" => invited.remove(&mail.to),
                "update" => invited.contains(&mail.to),
                _ => mail.to == organizer,
            };
            if !in_turn {
                wrongs.push(format!("{} to {} out of turn", mail.kind, mail.to));
            }
        }
        if invited != *guests {
            wrongs.push(format!("invited are {invited:?}, guests {guests:?}"));
        }
        let of_odoo = || self.done.iter().filter(|done| done.side == Side::Odoo);
        // Outlook forgets single changes where all are moved there; if Odoo was touched as well, they may be told anew.
        let forgotten: usize = match of_odoo().next() {
            Some(_) => {
                let of_outlook = self.done.iter().filter(|done| done.side == Side::Outlook);
                of_outlook.map(|done| done.updates.saturating_sub(1)).sum()
            }
            None => 0,
        };
        let everybody: BTreeSet<&String> = mails
            .iter()
            .map(|m| &m.to)
            .chain(guests)
            .chain(&self.invited)
            .collect();
        for guest in everybody {
            let sent = |kind: &str| {
                mails
                    .iter()
                    .filter(|m| m.by_service && m.kind == kind && m.to == *guest)
                    .count()
            };
            let count = |what: &dyn Fn(&What) -> bool| of_odoo().filter(|done| what(&done.what)).count();
            let joined =
                count(&|what| *what == What::Created || matches!(what, What::Joined(who) if who == guest));
            let left = count(&|what| matches!(what, What::Left(who) if who == guest));
            // Outlook mails for the whole, and once more for each occurrence that has something of its own by then; which
            // may have to be told anew.
            let singles = self
                .done
                .iter()
                .filter(|done| done.what == What::ChangedOne)
                .count();
            let wholes = count(&|what| !matches!(what, What::ChangedOne | What::Created));
            let updates =
                forgotten + 2 * singles * wholes + of_odoo().map(|done| done.updates).sum::<usize>();
            // What is forgotten with the whole is cancelled, and told anew.
            let dropped = updates.saturating_sub(wholes);
            let cancellations = of_odoo().map(|done| done.cancellations).sum::<usize>();
            let bounds = [
                ("invitation", joined),
                ("update", updates),
                ("cancellation", left + dropped + cancellations),
            ];
            for (kind, most) in bounds {
                if sent(kind) > most {
                    wrongs.push(format!("{} {kind} mails to {guest}, at most {most}", sent(kind)));
                }
            }
            let alone = self.done.len() == 1 && self.before.is_some() && self.invited.contains(guest);
            let told = sent("update") + sent("cancellation");
            let whole = matches!(
                self.done.first(),
                Some(Done {
                    side: Side::Odoo,
                    what: What::Changed | What::ChangedOne | What::Removed,
                    ..
                })
            );
            if alone && whole && told == 0 && self.before != self.meant[&Side::Odoo] {
                wrongs.push(format!("{guest} was told nothing"));
            }
        }
        invited
    }
}

/// The first things in which two shapes differ.
fn difference(a: Option<&Shape>, b: Option<&Shape>) -> String {
    let (Some(a), Some(b)) = (a, b) else {
        return format!("there: {}, there: {}", a.is_some(), b.is_some());
    };
    let mut out = Vec::new();
    if a.guests != b.guests {
        out.push(format!("guests {:?} / {:?}", a.guests, b.guests));
    }
    let dates: BTreeSet<&NaiveDate> = a.occurrences.keys().chain(b.occurrences.keys()).collect();
    let differ = dates
        .into_iter()
        .filter(|date| a.occurrences.get(date) != b.occurrences.get(date));
    out.extend(differ.take(5).map(|date| {
        format!(
            "{date}: {:?} / {:?}",
            a.occurrences.get(date),
            b.occurrences.get(date)
        )
    }));
    out.join("; ")
}
