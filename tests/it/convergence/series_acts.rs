//! What people do to series, on either side.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Brussels;
use graph_sim::state::Target;
use serde_json::{Map, Value, json};

use super::people::{Side, address_of};
use super::series::{Done, Series, What};
use super::series_script::{Act, End, Every};
use super::series_views::STAMP;
use super::shown::{attendees, live, person};
use super::world::World;

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

    /// Does the action. Returns nothing if it cannot be done to this series.
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
        let own = self.of_their_own(index);
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
                    None => self.odoo.set_series(id, &Value::Object(values)),
                }
            }
            Side::Outlook => {
                let mut body = Map::new();
                body.extend(title.map(|title| ("subject".to_owned(), json!(title))));
                body.extend(place.map(|place| ("location".to_owned(), json!({"displayName": place}))));
                self.patch(index, date, &Value::Object(body))?;
            }
        }
        // An occurrence keeps its own value if the whole series is changed in Outlook, which may mail
        // it separately. Odoo changes that, too, so it is written once more.
        Some(match (date, side) {
            (Some(_), _) => changed_one(side),
            (None, Side::Outlook) => changed(side, 1 + own, 0),
            (None, Side::Odoo) => changed(side, 1 + 2 * own, 0),
        })
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

    /// Takes out an occurrence, but not the first or the last, as this would change the start or
    /// the end.
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
        // If Outlook keeps these at their old hour, each is mailed with the whole series and again
        // when it follows.
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
                // As for a single event: a series that nobody has seen yet may never have been
                // created.
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

    /// Ends series again after [`World::restore`]: those archived since the backup, or deleted in
    /// Outlook.
    pub fn end_series_again(&mut self) {
        for index in 0..self.series.len() {
            if let (None, Some(id)) = (&self.series[index].before, self.active_series(index)) {
                self.odoo.archive_series(id);
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

/// Returns a moment in Outlook's own zone of the series.
fn in_brussels(local: NaiveDateTime) -> Value {
    json!({"dateTime": local.format(STAMP).to_string(), "timeZone": "Europe/Brussels"})
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
