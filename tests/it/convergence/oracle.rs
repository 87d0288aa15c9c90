//! What must hold when everything is quiet.
//!
//! **State.** An event that is alive is one active record in Odoo, one event in its organizer's mailbox, and at most
//! one copy in each guest's; all say the same in every field that is synced, and Odoo and the organizer's mailbox have
//! the same guests. One that has ended (`docs/ARCHITECTURE.md`, *Ends*) is archived or deleted in Odoo, gone from its
//! organizer's mailbox, and cancelled in its guests'. Whether it must be alive follows from what people did: the last
//! word in Odoo counts, and a deletion in Outlook ends it, too. Where an unarchiving met a deletion in
//! Outlook within one round either may have come last, and the sides need only agree.
//!
//! **Fields.** What one side alone has changed since the last quiet has that side's last value; what nobody has changed
//! is as it was; what both have changed has the last value of one of them. If both changed it
//! once, and before they could hear of each other ([`Act::Clash`](super::operations::Act)), the journal says so. What Outlook alone knows
//! (categories; being out of office; personal) stays. The same for each guest's being invited, and each answer.
//!
//! **Mails.** What people do in Outlook mails by itself. Of what the *service* makes Outlook send:
//! * seen in order, together with the mails of people's own doing, each guest of each event is invited, updated and
//!   cancelled in turn: no invitation to who is invited, no update or cancellation to who is not. In the end those
//!   are invited who are the guests of an event that is alive;
//! * a guest gets at most as many invitations (cancellations) as the guest joined (left) in Odoo: by an edit of the guests, by
//!   making, archiving, unarchiving or deleting the event;
//! * a guest gets at most one update for each save in Odoo that changed what guests can see; and at least one
//!   if such a change has prevailed and the guest was there before and after it;
//! * an organizer gets at most one answer for each answer given in Odoo, and at least one if it has prevailed.
//!
//! Of a guest whom one of the sides drops ([`DROPPED`]) nothing is judged; that the sides come to rest all the same is.
//!
//! For a round of a single act the bounds meet: the mails are exactly those that the act calls for. Where several saves
//! reach the service at once they may become one write, hence the range; a save that changes nothing mails nobody,
//! nor does syncing by itself.

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
    /// Judges everything since the last quiet, and takes the present for the next beginning.
    ///
    /// # Errors
    /// All that is wrong, with what was done to the events concerned.
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

    /// The simulator's mails since the last time, in order.
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
