//! What must hold when everything is quiet.
//!
//! **State.** An event that is alive is one active record in Odoo, one event in its organizer's
//! mailbox, and at most one in each guest's. All have the same values in every synced field, and
//! Odoo and the organizer's mailbox have the same guests. An event that has ended
//! (`docs/ARCHITECTURE.md`, *Ends*) is archived or deleted in Odoo, gone from its organizer's
//! mailbox, and cancelled in its guests'. Whether an event must be alive follows from what people
//! did: the last action in Odoo counts, and a deletion in Outlook also ends it. If an unarchiving
//! and a deletion in Outlook met in one round, either may count as the last, and the sides need
//! only agree.
//!
//! **Fields.** A field that only one side has changed since the last quiet has the last value of
//! that side. A field that nobody has changed is unchanged. A field that both have changed has the
//! last value of one of them. If both changed it once, before they could hear of each other
//! ([`Act::Clash`](super::operations::Act)), the journal says so. Values that only Outlook has stay
//! (categories, out of office, personal). The same holds for the list of guests and each response.
//!
//! **Mails.** What people do in Outlook sends mails by itself. Of the mails that the *service*
//! causes:
//! * In their order, together with those that people cause, each guest of an event is invited,
//!   updated   and cancelled in turn: nobody is invited who is invited already, and nobody is
//!   updated or   cancelled who is not invited. In the end, exactly the guests of living events are
//!   invited.
//! * A guest gets at most as many invitations (cancellations) as the guest joined (left) in Odoo,
//!   by an   edit of the guests, or by creating, archiving, unarchiving or deleting the event.
//! * A guest gets at most one update for each save in Odoo that changed what guests can see, and at
//!   least one if such a change has prevailed and the person was a guest before and after it.
//! * An organizer gets at most one response for each response given in Odoo, and at least one if it
//!   has   prevailed.
//!
//! Nothing is judged about a guest whom one of the sides drops ([`DROPPED`]), except that both
//! sides come to rest.
//!
//! In a round of a single act, the bounds meet: the mails are exactly those that the act calls for.
//! If several saves reach the service at once, they may become one write, hence the range. A save
//! that changes nothing mails nobody, and neither does syncing by itself.

use std::collections::BTreeSet;

use super::event::{Deed, Event, Sight, clashed};
use super::facts::{self, Field};
use super::mails::Mail;
use super::oracle_mails::check_mails;
use super::oracle_state::{
    Wrongs, check_answers, check_categories, check_existence, check_fields, check_guests,
};
use super::people::{DROPPED, Side, address_of};
use super::shown::id_of;
use super::world::World;

impl World {
    /// Judges everything since the last quiet, and starts the next round from the present state.
    ///
    /// # Errors All that is wrong, with the deeds of the events concerned.
    pub async fn judge(&mut self) -> Result<(), String> {
        let mut report = self.judge_as_a_whole().await;
        let mails = self.take_mails();
        for index in 0..self.events.len() {
            self.note_leftovers(index);
            let now = self.sight(index);
            let event = &self.events[index];
            let mine: Vec<&Mail> = mails.iter().filter(|m| m.is_about(&event.mark)).collect();
            let mut wrongs = Wrongs::new();
            let alive = check_existence(event, &now, &mut wrongs);
            if alive && wrongs.is_empty() {
                check_fields(event, &now, &mut wrongs);
                check_guests(event, &now, &mut wrongs);
                check_answers(event, &now, &mut wrongs);
                if let Some(field) = clashed(event)
                    && !self.tells_of(field, event, &now).await
                {
                    wrongs.push(format!("{field:?} clashed, and the journal does not say so"));
                }
            }
            let invited = check_mails(event, &now, alive, &mine, &mut wrongs);
            let categories = check_categories(event, &now, &mut wrongs);
            if !wrongs.is_empty() {
                report.push(self.describe(event, &now, &wrongs, &mine).await);
            }
            let event = &mut self.events[index];
            event.invited = invited;
            event.categories = categories;
            event.forgotten &= !now.is_active();
            for deed in &event.deeds {
                if let Deed::Answered(side, who, answer) = deed {
                    event.declined_untold.remove(*who);
                    if *side == Side::Odoo && *answer == "declined" {
                        event.declined_untold.insert((*who).to_owned());
                    }
                }
            }
            event.declined_untold.retain(|who| now.live(who).is_none());
            event.before = now;
            event.deeds.clear();
        }
        for (mark, wrong) in self.judge_series(&mails) {
            let known = self.known(&mark).await.join("\n  ");
            report.push(format!("{wrong}\n the service has:\n  {known}"));
        }
        if report.is_empty() {
            Ok(())
        } else {
            Err(report.join("\n\n"))
        }
    }

    async fn judge_as_a_whole(&mut self) -> Wrongs {
        let mut wrongs = Wrongs::new();
        for account in self.odoo.state["accounts"].as_array().expect("accounts") {
            if account["status"] != "active" {
                wrongs.push(format!("an account is not well: {account}"));
            }
        }
        if self.owed().await > 0 || !self.odoo.is_idle() {
            wrongs.push("something is still owed".to_owned());
        }
        wrongs.extend(
            self.troubled()
                .await
                .into_iter()
                .map(|m| format!("set aside, or differs: {m}")),
        );
        let marks: BTreeSet<&str> = self.events.iter().map(|e| e.mark.as_str()).collect();
        for record in self.odoo.records.values() {
            let name = record["name"].as_str().or(record["template"]["name"].as_str());
            let mark = name.and_then(|name| name.split(' ').next()).unwrap_or_default();
            let is_known = match record["rule"].is_object() {
                true => self.is_mark_of_series(mark),
                false => marks.contains(mark),
            };
            if !is_known {
                wrongs.push(format!("nobody made this record: {record}"));
            }
        }
        wrongs
    }

    /// Returns the simulator's mails since the last call, in order.
    fn take_mails(&self) -> Vec<Mail> {
        let mut microsoft = self.stack.sim.sim.world();
        let mails = std::mem::take(&mut microsoft.mails);
        mails
            .into_iter()
            .filter(|m| m.to != DROPPED && m.from != DROPPED)
            .map(|m| Mail {
                kind: m.kind,
                from: m.from,
                to: m.to,
                subject: m.subject,
                event_id: m.event_id,
                by_service: m.cause.via == "graph",
            })
            .collect()
    }

    async fn tells_of(&self, field: Field, event: &Event, now: &Sight) -> bool {
        let Some(record) = &now.record else { return false };
        let values = |side| {
            event.deeds.iter().find_map(|deed| match deed {
                Deed::Saved(at, values) if *at == side => values.get(&field).cloned(),
                _ => None,
            })
        };
        let journal = self.journal(id_of(record)).await;
        journal.lines().any(|line| {
            let texts = matches!(field, Field::Title | Field::Body | Field::Location);
            let both = [Side::Odoo, Side::Outlook]
                .into_iter()
                .filter_map(values)
                .all(|value| {
                    line.contains(&format!("“{value}”")) || line.contains(&format!("“<p>{value}</p>”"))
                });
            line.contains(&format!("{} changed on both sides", field.label())) && (!texts || both)
        })
    }

    async fn describe(&self, event: &Event, now: &Sight, wrongs: &[String], mails: &[&Mail]) -> String {
        let journal = match now.record.as_ref().or(event.before.record.as_ref()) {
            Some(record) => self.journal(id_of(record)).await,
            None => String::new(),
        };
        let mails: Vec<String> = mails.iter().map(|m| m.describe()).collect();
        let known = self.known(&event.mark).await.join("\n  ");
        format!(
            "{} of {}:\n  {}\n deeds: {:#?}\n mails: {mails:#?}\n invited before: {:?}\n before: {}\n now: {}\n the service has:\n  {known}\n journal:\n{journal}",
            event.mark,
            address_of(event.organizer),
            wrongs.join("\n  "),
            event.deeds,
            event.invited,
            brief(&event.before),
            brief(now),
        )
    }
}

fn brief(sight: &Sight) -> String {
    let record = sight.record.as_ref().map(|r| {
        let guests: Vec<String> = r["attendees"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|a| format!("{}: {}", a["email"], a["state"]))
            .collect();
        format!(
            "{} active {} {:?} {guests:?}",
            r["id"],
            r["active"],
            facts::in_odoo(r)
        )
    });
    let mut text = format!("\n  Odoo {record:?}");
    for (mailbox, copies) in &sight.copies {
        for c in copies {
            let guests: Vec<String> = c["attendees"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|a| format!("{}: {}", a["emailAddress"]["address"], a["status"]["response"]))
                .collect();
            text.push_str(&format!(
                "\n  {mailbox} {} cancelled {} own {} {:?} {guests:?} {}",
                if c["isOrganizer"] == true {
                    "organizer"
                } else {
                    "guest"
                },
                c["isCancelled"],
                c["responseStatus"]["response"],
                facts::in_outlook(c),
                &c["id"].as_str().unwrap_or("")[..12],
            ));
        }
    }
    text
}
