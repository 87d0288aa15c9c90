//! What people do to events, on either side.

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::meetings;
use serde_json::{Map, Value, json};

use super::event::{Deed, Event, Sight};
use super::facts::{self, Field, Values};
use super::operations::Act;
use super::people::{Answer, DROPPED, Side, address_of};
use super::shown::{
    answer_in_record, attendees, everybody_of_copy, everybody_of_record, guests_of_copy, id_of, live, person,
};
use super::world::World;

impl World {
    pub(super) fn act(&mut self, wish: usize, act: &Act) {
        if let Act::Create {
            side,
            user,
            guests,
            values,
        } = act
        {
            self.create(*side, *user, guests, values);
            self.acts += 1;
            return;
        }
        let all = self.events.len();
        let done = (0..all).any(|n| self.act_on((wish + n) % all, act));
        self.acts += usize::from(done);
    }

    fn create(&mut self, side: Side, user: i64, guests: &[&'static str], values: &Values) {
        let mark = format!("E{}", self.events.len());
        let values = marked(values, &mark);
        match side {
            Side::Odoo => {
                let id = self.odoo.create(
                    user,
                    &values[&Field::Title],
                    "2000-01-01 00:00:00",
                    "2000-01-01 01:00:00",
                    guests,
                );
                self.odoo.write(id, facts::odoo_values(&values));
            }
            Side::Outlook => {
                let mut body = facts::outlook_properties(&values);
                body.insert("attendees".into(), attendees(guests));
                let mut microsoft = self.stack.sim.sim.world();
                microsoft
                    .create(address_of(user), None, &body, &person())
                    .expect("created");
            }
        }
        let mut deeds = vec![Deed::Created];
        deeds.extend(guests.iter().map(|g| joined(side, g)));
        self.events.push(Event {
            mark,
            organizer: user,
            deeds,
            before: Sight::default(),
            invited: BTreeSet::new(),
            categories: BTreeMap::new(),
            leftovers: BTreeSet::new(),
            forgotten: false,
            declined_untold: BTreeSet::new(),
        });
    }

    /// Does the action to this event. Returns whether that was possible.
    fn act_on(&mut self, index: usize, act: &Act) -> bool {
        let deeds = match act {
            Act::Create { .. } => None,
            Act::Edit {
                side: Side::Odoo,
                user,
                values,
            } => self.save_in_odoo(index, *user, values),
            Act::Edit { values, .. } => self.save_in_outlook(index, values),
            Act::Clash { field, odoo, outlook } => self.clash(index, *field, odoo, outlook),
            Act::Guests {
                side: Side::Odoo,
                add,
                remove,
            } => self.guests_in_odoo(index, *add, *remove),
            Act::Guests { add, remove, .. } => self.guests_in_outlook(index, *add, *remove),
            Act::HandOver { user } => self.hand_over(index, *user),
            Act::Archive => self.set_active(index, false),
            Act::Unarchive => self.set_active(index, true),
            Act::Unlink => self.record(index).map(|record| {
                self.odoo.unlink(id_of(&record));
                vec![Deed::Unlinked]
            }),
            Act::DeleteInOutlook => self.delete_in_outlook(index),
            Act::Answer {
                side: Side::Odoo,
                user,
                answer,
            } => self.answer_in_odoo(index, *user, answer),
            Act::Answer { user, answer, .. } => self.answer_in_outlook(index, *user, answer),
            Act::AnswerByMail { address, answer } => self.answer_by_mail(index, address, answer),
            Act::DropCopy { user } => self.drop_copy(index, *user),
            Act::Categories { user, category } => self.categorize(index, *user, category),
        };
        let done = deeds.is_some();
        self.events[index].deeds.extend(deeds.into_iter().flatten());
        done
    }

    fn save_in_odoo(&mut self, index: usize, user: i64, values: &Values) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let values = marked(values, &self.events[index].mark);
        let before = facts::in_odoo(&record);
        self.odoo.actor = user;
        self.odoo.write(id_of(&record), facts::odoo_values(&values));
        let changed = values
            .into_iter()
            .map(|(field, value)| (field, field.in_odoo(&value)))
            .filter(|(field, value)| before[field] != *value)
            .collect();
        Some(vec![Deed::Saved(Side::Odoo, changed)])
    }

    fn save_in_outlook(&mut self, index: usize, values: &Values) -> Option<Vec<Deed>> {
        let values = marked(values, &self.events[index].mark);
        let body = facts::outlook_properties(&values);
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let before = facts::in_outlook(&shown);
        let changed = values
            .into_iter()
            .filter(|(field, value)| before[field] != *value)
            .collect();
        Some(vec![Deed::Saved(Side::Outlook, changed)])
    }

    fn clash(&mut self, index: usize, field: Field, odoo: &str, outlook: &str) -> Option<Vec<Deed>> {
        self.active_record(index)?;
        let mut deeds = self.save_in_outlook(index, &Values::from([(field, outlook.to_owned())]))?;
        deeds.extend(self.save_in_odoo(index, 7, &Values::from([(field, odoo.to_owned())]))?);
        deeds.push(Deed::Clashed);
        Some(deeds)
    }

    fn guests_in_odoo(
        &mut self,
        index: usize,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    ) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let there = everybody_of_record(&record);
        let organizer = self.organizers(index);
        if add == Some(organizer) {
            self.odoo.add_namesake(id_of(&record), organizer);
            return Some(vec![Deed::OtherGuests]);
        }
        let add = add.filter(|a| !there.contains(*a) && *a != organizer);
        let remove = remove.filter(|r| there.contains(*r));
        if add.is_none() && remove.is_none() {
            return None;
        }
        self.odoo
            .change_guests(id_of(&record), add.as_slice(), remove.as_slice());
        let deeds = add.map(|a| joined(Side::Odoo, a)).into_iter();
        Some(deeds.chain(remove.map(|r| left(Side::Odoo, r))).collect())
    }

    fn guests_in_outlook(
        &mut self,
        index: usize,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    ) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        let there = everybody_of_copy(&shown);
        let add = add.filter(|a| !there.contains(*a) && *a != address);
        let remove = remove.filter(|r| there.contains(*r));
        if add.is_none() && remove.is_none() {
            return None;
        }
        let mut list: Vec<Value> = shown["attendees"].as_array().expect("attendees").clone();
        list.retain(|a| remove.is_none_or(|gone| a["emailAddress"]["address"] != *gone));
        list.extend(attendees(add.as_slice()).as_array().expect("a list").clone());
        let body = Map::from_iter([("attendees".to_owned(), json!(list))]);
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let deeds = add.map(|a| joined(Side::Outlook, a)).into_iter();
        Some(deeds.chain(remove.map(|r| left(Side::Outlook, r))).collect())
    }

    /// Hands over only events that existed at the last quiet, and only to a connected user:
    /// otherwise the service asks for another save. The backup is dropped: `organizers.rs` tests a
    /// restored Odoo that has the former organizer.
    fn hand_over(&mut self, index: usize, user: i64) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let event = &self.events[index];
        let from = event.organizer;
        let was_there = event.before.is_active() && event.before.live(address_of(from)).is_some();
        let is_old = self.only_new.get(&user).is_some_and(|old| index < *old);
        if user == from || !was_there || !event.deeds.is_empty() || self.is_disturbed || is_old {
            return None;
        }
        let (id, address) = (id_of(&record), address_of(user));
        let organizer = self.odoo.organizer(user);
        self.odoo.write(id, json!({ "organizer": organizer }));
        if answer_in_record(&record, address).is_none() {
            self.odoo.change_guests(id, &[address], &[]);
        }
        self.odoo.answer(id, user, "accepted");
        self.events[index].organizer = user;
        self.backup = None;
        Some(vec![Deed::HandedOver(from, user)])
    }

    pub(super) fn set_active(&mut self, index: usize, active: bool) -> Option<Vec<Deed>> {
        let organizer = self.events[index].organizer;
        if active && self.only_new.get(&organizer).is_some_and(|old| index < *old) {
            return None;
        }
        let record = self.record(index).filter(|r| r["active"] != active)?;
        self.odoo.write(id_of(&record), json!({"active": active}));
        Some(vec![if active { Deed::Unarchived } else { Deed::Archived }])
    }

    /// Deletes only events that existed at the last quiet. Graph forgets a `transactionId` with its
    /// event. So if an event is deleted before its creation was answered, nobody can know whether
    /// it ever existed.
    fn delete_in_outlook(&mut self, index: usize) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        let known = self.events[index]
            .before
            .live(address)
            .is_some_and(|copy| copy["id"] == shown["id"]);
        known.then(|| {
            microsoft
                .delete(address, target, None, "", &person())
                .expect("deleted");
            vec![Deed::DeletedInOutlook]
        })
    }

    fn answer_in_odoo(&mut self, index: usize, user: i64, answer: Answer) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let address = address_of(user);
        let before = answer_in_record(&record, address)?;
        if user == self.events[index].organizer || before == answer {
            return None;
        }
        self.odoo.answer(id_of(&record), user, answer);
        Some(vec![Deed::Answered(Side::Odoo, address, answer)])
    }

    fn answer_in_outlook(&mut self, index: usize, user: i64, answer: Answer) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, _) = live(&microsoft, address, &self.events[index].mark, false)?;
        let said = meetings::Answer::parse(answer).expect("an answer");
        microsoft
            .respond(address, target, said, None, true, None, &person())
            .expect("answered");
        Some(vec![Deed::Answered(Side::Outlook, address, answer)])
    }

    fn answer_by_mail(&mut self, index: usize, guest: &'static str, answer: Answer) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (_, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        if !guests_of_copy(&shown, address).contains(guest) {
            return None;
        }
        let said = if answer == "tentative" {
            "tentativelyAccepted"
        } else {
            answer
        };
        let uid = shown["iCalUId"].as_str().expect("an iCalUId");
        microsoft
            .track(address, uid, None, guest, said, None)
            .expect("noted");
        Some(vec![Deed::Answered(Side::Outlook, guest, answer)])
    }

    fn drop_copy(&mut self, index: usize, user: i64) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, _) = live(&microsoft, address, &self.events[index].mark, false)?;
        microsoft
            .delete(address, target, None, "", &person())
            .expect("deleted");
        Some(vec![Deed::Dropped(address)])
    }

    fn categorize(&mut self, index: usize, user: i64, category: &str) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let is_organizer = user == self.events[index].organizer;
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, is_organizer)?;
        let body = Map::from_iter([("categories".to_owned(), json!([category]))]);
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let id = shown["id"].as_str().expect("an id").to_owned();
        Some(vec![Deed::Categorized(id, category.to_owned())])
    }
}

/// Puts the event's mark before the title, by which the events are distinguished.
fn marked(values: &Values, mark: &str) -> Values {
    let mut values = values.clone();
    if let Some(title) = values.get_mut(&Field::Title) {
        *title = format!("{mark} {title}");
    }
    values
}

fn joined(side: Side, who: &'static str) -> Deed {
    match who {
        DROPPED => Deed::OtherGuests,
        who => Deed::Joined(side, who),
    }
}

fn left(side: Side, who: &'static str) -> Deed {
    match who {
        DROPPED => Deed::OtherGuests,
        who => Deed::Left(side, who),
    }
}
