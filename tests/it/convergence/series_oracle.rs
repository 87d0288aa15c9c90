//! What must hold of series when everything is quiet.
//!
//! **State.** A series that is alive is one active record in Odoo and one event in its organizer's
//! mailbox. Both have the same occurrences on the same dates with the same times, titles and
//! places, and the same guests. If only one side was touched since the last quiet, both sides are
//! what that side was when people had done with it. If both were touched, each value of an
//! occurrence is that of one side. If nobody touched the series, it is unchanged.
//!
//! **Mails** that the service causes. Invitations to the whole series come in turn, and in the end
//! exactly the guests are invited. A guest gets at most as many mails of a kind as people's acts in
//! Odoo call for. An edit of all or of one, another end, or a move of all: one update (if all are
//! moved, also one for each occurrence that differs). An occurrence taken out: one cancellation. A
//! single act mails each guest at least once. What is done in Outlook makes the service mail
//! nobody.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::mails::Mail;
use super::people::{Side, address_of};
use super::series::{Done, Occurrence, Series, Shape, What};
use super::world::World;

/// The length of the graph id of a whole event.
const WHOLE: usize = 126;

impl World {
    /// Judges all series since the last quiet, and starts the next round from the present state.
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
}

impl Shape {
    /// Returns the values that most occurrences share.
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

impl Series {
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

    /// Checks that each occurrence is as one of the sides had it, or as it was.
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
            // An occurrence that lost its own values to one side has the shared values of the
            // other.
            let of_all = known.iter().filter_map(|shape| shape.of_most());
            let said_or_lost = || said.iter().copied().chain(of_all.clone());
            let title = said_or_lost().any(|other| other.title == one.title);
            let place = said_or_lost().any(|other| other.place == one.place);
            // If one side had no such occurrence yet, the other may have changed it meanwhile.
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
                // Cancellations of single occurrences may follow that of the whole series.
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
        // Outlook drops changes of single occurrences when all are moved. If Odoo was touched as
        // well, they may be mailed again.
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
            // Outlook mails for the whole series, and once more for each occurrence that differs by
            // then. These occurrences may have to be mailed again.
            let singles = self
                .done
                .iter()
                .filter(|done| done.what == What::ChangedOne)
                .count();
            let wholes = count(&|what| !matches!(what, What::ChangedOne | What::Created));
            let updates =
                forgotten + 2 * singles * wholes + of_odoo().map(|done| done.updates).sum::<usize>();
            // An occurrence that the move dropped is cancelled and mailed again. A new guest is not
            // an update.
            let is_told = |done: &&Done| done.updates > 0 && done.what != What::ChangedOne;
            let dropped = updates.saturating_sub(of_odoo().filter(is_told).count());
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

/// Returns a line for each occurrence.
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

/// Returns the first differences between two shapes.
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
