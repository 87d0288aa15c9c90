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

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event::{Deed, Event, Sight};
use super::facts::{self, Field};
use super::people::{DROPPED, Side, address_of, has_mailbox};
use super::shown::{answer_in_record, answer_of, answers_in_record, guests_of_copy, guests_of_record, id_of};
use super::world::World;

/// A mail, as the simulator's log has it.
pub struct Mail {
    pub kind: String,
    pub from: String,
    pub to: String,
    subject: String,
    /// Longer for an occurrence than for a whole event.
    pub event_id: String,
    /// Caused by a request of the service, not by a person in Outlook.
    pub by_service: bool,
}

/// What is wrong, in sentences.
type Wrongs = Vec<String>;

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

impl Mail {
    pub fn describe(&self) -> String {
        let by = if self.by_service { "service" } else { "person" };
        format!(
            "{} {} → {} “{}” by {by}",
            self.kind, self.from, self.to, self.subject
        )
    }

    pub fn is_about(&self, mark: &str) -> bool {
        let subject = self.subject.strip_prefix("Canceled: ").unwrap_or(&self.subject);
        subject
            .strip_prefix(mark)
            .is_some_and(|rest| rest.starts_with(' '))
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

// ---- state ---------------------------------------------------------------------------------------------------

/// Whether people ended or revived the event in this round, so that what the other side did to it may be lost.
fn was_ended_or_revived(event: &Event) -> bool {
    event.deeds.iter().any(|d| {
        matches!(
            d,
            Deed::Archived
                | Deed::Unarchived
                | Deed::Unlinked
                | Deed::DeletedInOutlook
                | Deed::HandedOver(..)
        )
    })
}

/// Returns whether the event is alive on both sides.
fn check_existence(event: &Event, now: &Sight, wrongs: &mut Wrongs) -> bool {
    let organizer = address_of(event.organizer);
    for (mailbox, copies) in &now.copies {
        let live = copies.iter().filter(|c| c["isCancelled"] != true).count();
        if live > 1 {
            wrongs.push(format!("{live} copies in the mailbox of {mailbox}"));
        }
    }
    let in_odoo = now.is_active();
    let in_outlook = now.live(organizer).is_some();
    let last = event.deeds.iter().rev().find(|d| {
        matches!(
            d,
            Deed::Archived | Deed::Unarchived | Deed::Unlinked | Deed::Created | Deed::HandedOver(..)
        )
    });
    let deleted = event.deeds.iter().any(|d| matches!(d, Deed::DeletedInOutlook));
    let expected = match last {
        Some(Deed::Archived | Deed::Unlinked) => Some(false),
        Some(Deed::Unarchived | Deed::HandedOver(..)) if deleted => None,
        Some(Deed::Unarchived | Deed::HandedOver(..)) => Some(true),
        _ if deleted => Some(false),
        Some(_) => Some(true),
        None => Some(event.before.is_active()),
    };
    let expected = expected.unwrap_or(in_odoo);
    if in_odoo != expected {
        wrongs.push(format!("active in Odoo: {in_odoo}, and should be {expected}"));
    }
    if in_outlook != expected {
        wrongs.push(format!(
            "in {organizer}'s Outlook: {in_outlook}, and should be {expected}"
        ));
    }
    let unlinked = event.deeds.iter().any(|d| matches!(d, Deed::Unlinked));
    // With a backup go the records that were made since, and those come back that were deleted.
    let is_restored = event.deeds.iter().any(|d| matches!(d, Deed::Restored));
    if event.before.record.is_some() && now.record.is_some() == unlinked && !is_restored {
        wrongs.push("a record is only deleted by a person in Odoo, and then it is".to_owned());
    }
    if !expected {
        for (mailbox, copies) in &now.copies {
            if copies.iter().any(|c| c["isCancelled"] != true) {
                wrongs.push(format!("it has ended, and {mailbox} has it"));
            }
        }
    }
    expected
}

/// What the deeds of both sides allow: the value before where nobody changed it, else the last of each side; empty where
/// that cannot be told.
fn allowed<T>(before: Option<T>, odoo: Option<T>, outlook: Option<T>, lossy: bool) -> Vec<T> {
    // What was done in Outlook to an event that ended meanwhile may have ended with it, from any point on.
    if lossy && outlook.is_some() {
        return Vec::new();
    }
    let mut allowed: Vec<T> = odoo.into_iter().chain(outlook).collect();
    if allowed.is_empty() {
        allowed.extend(before);
    }
    allowed
}

fn last_value(event: &Event, side: Side, field: Field) -> Option<String> {
    event.deeds.iter().rev().find_map(|deed| match deed {
        Deed::Saved(at, values) if *at == side => values.get(&field).cloned(),
        _ => None,
    })
}

fn check_fields(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    let (in_odoo, in_outlook) = (facts::in_odoo(record), facts::in_outlook(copy));
    let before = event.before.record.as_ref().map(facts::in_odoo);
    let lossy = was_ended_or_revived(event);
    for field in Field::ALL {
        let (odoo, outlook) = (&in_odoo[&field], &in_outlook[&field]);
        if *odoo != field.in_odoo(outlook) {
            wrongs.push(format!("{field:?}: Odoo says {odoo:?}, Outlook {outlook:?}"));
        }
        let saved = |side| last_value(event, side, field);
        let of_outlook = saved(Side::Outlook);
        let values = allowed(
            before.as_ref().map(|b| b[&field].clone()),
            saved(Side::Odoo),
            of_outlook.clone().map(|v| field.in_odoo(&v)),
            lossy,
        );
        if !values.is_empty() && !values.contains(odoo) {
            wrongs.push(format!("{field:?} is {odoo:?}, and may be {values:?}"));
        }
        // What only Outlook can say: as it was last said there, unless Odoo had another word.
        let exact = of_outlook.or_else(|| {
            let earlier = event.before.live(organizer)?;
            (earlier["id"] == copy["id"]).then(|| facts::in_outlook(earlier)[&field].clone())
        });
        if let Some(exact) = exact
            && saved(Side::Odoo).is_none()
            && !lossy
            && exact != *outlook
        {
            wrongs.push(format!("{field:?} in Outlook is {outlook:?}, and was {exact:?}"));
        }
    }
    for guest in guests_of_copy(copy, organizer) {
        let Some(theirs) = now.live(&guest) else { continue };
        let theirs = facts::in_outlook(theirs);
        for field in Field::ALL.into_iter().filter(|f| f.is_visible()) {
            if theirs[&field] != in_outlook[&field] {
                wrongs.push(format!(
                    "{guest}'s copy has {field:?} {:?}, the organizer's {:?}",
                    theirs[&field], in_outlook[&field]
                ));
            }
        }
    }
}

fn check_guests(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    let guests = guests_of_record(record, organizer);
    if guests != guests_of_copy(copy, organizer) {
        wrongs.push("Odoo and Outlook have different guests".to_owned());
    }
    let before = event
        .before
        .record
        .as_ref()
        .map(|r| guests_of_record(r, organizer))
        .unwrap_or_default();
    let everybody: BTreeSet<&str> = before
        .iter()
        .map(String::as_str)
        .chain(event.deeds.iter().filter_map(|d| match d {
            Deed::Joined(_, guest) | Deed::Left(_, guest) => Some(*guest),
            _ => None,
        }))
        .chain(guests.iter().map(String::as_str))
        .collect();
    let lossy = was_ended_or_revived(event);
    for guest in everybody {
        let last = |side| {
            event.deeds.iter().rev().find_map(|deed| match deed {
                Deed::Joined(at, who) if *at == side && *who == guest => Some(true),
                Deed::Left(at, who) if *at == side && *who == guest => Some(false),
                _ => None,
            })
        };
        let may = allowed(
            Some(before.contains(guest)),
            last(Side::Odoo),
            last(Side::Outlook),
            lossy,
        );
        let is = guests.contains(guest);
        let may_be = may.is_empty() || may.contains(&is) || is && has_crossed(event, guest);
        if !may_be {
            wrongs.push(format!("{guest} is a guest: {is}"));
        }
        let gone = |copies: &Sight| copies.live(guest).is_none();
        let left_on_their_own = event.deeds.iter().any(|d| match d {
            Deed::Dropped(who) => *who == guest,
            Deed::Answered(_, who, answer) => *who == guest && *answer == "declined",
            _ => false,
        });
        let was_there = !before.contains(guest) || !gone(&event.before);
        let has_a_copy = !gone(now) || left_on_their_own || has_crossed(event, guest);
        if is && has_mailbox(guest) && was_there && !has_a_copy {
            wrongs.push(format!("{guest} has no copy"));
        }
    }
}

fn check_answers(event: &Event, now: &Sight, wrongs: &mut Wrongs) {
    let organizer = address_of(event.organizer);
    let (Some(record), Some(copy)) = (&now.record, now.live(organizer)) else {
        return;
    };
    for guest in guests_of_record(record, organizer) {
        let in_odoo = answer_in_record(record, &guest).expect("a guest's line");
        let in_outlook = if has_mailbox(&guest) {
            now.live(&guest)
                .map_or("declined", |theirs| answer_of(&theirs["responseStatus"]))
        } else {
            let list = copy["attendees"].as_array().expect("attendees");
            let line = list.iter().find(|a| a["emailAddress"]["address"] == *guest);
            line.map_or("needsAction", |a| answer_of(&a["status"]))
        };
        let may_stand =
            has_mailbox(&guest) && now.live(&guest).is_none() && stands_alone(event, &guest, &in_odoo);
        // Who has declined, or deleted the invitation after an answer, and is told of a change has a copy again, with no answer. Where
        // that mailbox was not read meanwhile, the organizer's list, which remembers, is what Odoo has heard.
        let list = copy["attendees"].as_array().expect("attendees");
        let remembered = list
            .iter()
            .any(|a| a["emailAddress"]["address"] == *guest && answer_of(&a["status"]) == in_odoo);
        let left = in_odoo == "declined" || event.before.live(&guest).is_none();
        // A restored service does not know that there was a copy, and what its owner said: the organizer's list is all there is.
        let is_restored = event.deeds.iter().any(|d| matches!(d, Deed::Restored));
        let may_stand = may_stand || is_restored && has_mailbox(&guest) && now.live(&guest).is_none();
        // Nor what had ended at its backup: it is made in Outlook as anything that Odoo had before, with the answers that Odoo has.
        let is_revived = event.forgotten && event.deeds.iter().any(|d| matches!(d, Deed::Unarchived));
        let may_stand = may_stand || is_revived && in_outlook == "needsAction";
        // Somebody by two contacts: the answer of either.
        let may_stand = may_stand || answers_in_record(record, &guest) > 1;
        let may_stand = may_stand || left && in_outlook == "needsAction" && remembered;
        if in_odoo != in_outlook && !may_stand {
            wrongs.push(format!(
                "{guest} has answered {in_odoo} in Odoo, {in_outlook} in Outlook"
            ));
        }
        if let Some(answer) = undisturbed_answer(event, &guest)
            && answer != in_odoo
        {
            wrongs.push(format!("{guest} answered {answer}, and Odoo says {in_odoo}"));
        }
    }
}

/// Whether a guest answered in Odoo, and was taken from Outlook's list in the same time.
fn has_crossed(event: &Event, guest: &str) -> bool {
    let deeds = &event.deeds;
    let has_answered = |d: &Deed| matches!(d, Deed::Answered(Side::Odoo, who, _) if *who == guest);
    let has_left = |d: &Deed| matches!(d, Deed::Left(Side::Outlook, who) if *who == guest);
    deeds.iter().any(has_answered) && deeds.iter().any(has_left)
}

/// Whether an answer in Odoo may differ from a copy's being gone: the guest gave it there after deleting the copy; or the
/// copy came and went before anybody looked.
fn stands_alone(event: &Event, guest: &str, in_odoo: &str) -> bool {
    let given = |deed: &Deed| matches!(deed, Deed::Answered(Side::Odoo, who, answer) if *who == guest && *answer == in_odoo);
    let earlier = event
        .before
        .record
        .as_ref()
        .and_then(|r| answer_in_record(r, guest));
    // One that was invited anew, and went before the mailbox was read, was never seen.
    let is_asked_anew = |deed: &Deed| match deed {
        Deed::Unarchived | Deed::HandedOver(..) => true,
        Deed::Joined(_, who) => *who == guest,
        _ => false,
    };
    let unseen = event.before.live(guest).is_none() || event.deeds.iter().any(is_asked_anew);
    let told = |deed: &Deed| match deed {
        // By the organizer's mailbox.
        Deed::Answered(_, who, answer) => *who == guest && *answer == in_odoo,
        Deed::Unarchived | Deed::Created | Deed::HandedOver(..) => in_odoo == "needsAction",
        Deed::Joined(_, who) => *who == guest && in_odoo == "needsAction",
        _ => false,
    };
    let known = earlier.as_deref().unwrap_or("needsAction") == in_odoo || event.deeds.iter().any(told);
    event.deeds.iter().any(given) || (unseen && known)
}

/// The one answer a guest gave, where nothing else touched it: a new time, for one, asks everybody anew.
fn undisturbed_answer<'a>(event: &'a Event, guest: &str) -> Option<&'a str> {
    let mut answers = event.deeds.iter().filter_map(|deed| match deed {
        Deed::Answered(_, who, answer) if *who == guest => Some(*answer),
        _ => None,
    });
    let (answer, None) = (answers.next()?, answers.next()) else {
        return None;
    };
    let disturbed = event.deeds.iter().any(|deed| match deed {
        Deed::Saved(_, values) => values.contains_key(&Field::Time) || answer == "declined",
        // Whatever the organizer changes brings the copy back to who has declined.
        Deed::Joined(_, who) | Deed::Left(_, who) => *who == guest || answer == "declined",
        Deed::Dropped(who) => *who == guest,
        Deed::Answered(..) | Deed::Categorized(..) | Deed::Clashed => false,
        _ => true,
    });
    (!disturbed).then_some(answer)
}

/// The field that both sides changed once, in one clash, and nothing else did.
fn clashed(event: &Event) -> Option<Field> {
    if was_ended_or_revived(event) || event.before.record.is_none() {
        return None;
    }
    let saves = |side| {
        event.deeds.iter().filter_map(move |d| match d {
            Deed::Saved(at, values) if *at == side => Some(values),
            _ => None,
        })
    };
    event.deeds.windows(3).find_map(|deeds| {
        let [
            Deed::Saved(Side::Outlook, there),
            Deed::Saved(Side::Odoo, here),
            Deed::Clashed,
        ] = deeds
        else {
            return None;
        };
        let field = *there.keys().next().filter(|f| here.contains_key(f))?;
        let alone = |side| saves(side).filter(|values| values.contains_key(&field)).count() == 1;
        let differ = field.in_odoo(&there[&field]) != here[&field];
        let before = facts::in_odoo(event.before.record.as_ref()?);
        let changed = field.in_odoo(&there[&field]) != before[&field];
        (there.len() == 1
            && here.len() == 1
            && differ
            && changed
            && alone(Side::Odoo)
            && alone(Side::Outlook))
        .then_some(field)
    })
}

/// Each copy still has the category that its owner gave it.
fn check_categories(event: &Event, now: &Sight, wrongs: &mut Wrongs) -> BTreeMap<String, String> {
    let mut categories = event.categories.clone();
    for deed in &event.deeds {
        if let Deed::Categorized(id, category) = deed {
            categories.insert(id.clone(), category.clone());
        }
    }
    let copies: Vec<&Value> = now.copies.values().flatten().collect();
    categories.retain(|id, category| {
        let Some(copy) = copies.iter().find(|c| c["id"] == **id) else {
            return false;
        };
        if copy["categories"][0] != **category {
            wrongs.push(format!("the category {category} is lost: {}", copy["categories"]));
        }
        true
    });
    categories
}

// ---- mails ---------------------------------------------------------------------------------------------------

/// How often something may and must have happened to one guest.
#[derive(Default)]
struct Bounds {
    joined: usize,
    left: usize,
}

/// How often each guest joined and left the event in Odoo, by whatever was done to it there.
fn moves_in_odoo(event: &Event) -> BTreeMap<String, Bounds> {
    let mut bounds: BTreeMap<String, Bounds> = BTreeMap::new();
    // Whoever may have been a guest when it was ended or revived.
    let mut everybody: BTreeSet<String> = event
        .before
        .record
        .as_ref()
        .map(|r| guests_of_record(r, address_of(event.organizer)))
        .unwrap_or_default();
    everybody.extend(event.deeds.iter().filter_map(|deed| match deed {
        Deed::Joined(_, guest) => Some((*guest).to_owned()),
        _ => None,
    }));
    for deed in &event.deeds {
        match deed {
            Deed::Joined(Side::Odoo, guest) => bounds.entry((*guest).to_owned()).or_default().joined += 1,
            Deed::Left(Side::Odoo, guest) => bounds.entry((*guest).to_owned()).or_default().left += 1,
            Deed::Unarchived => {
                for guest in &everybody {
                    bounds.entry(guest.clone()).or_default().joined += 1;
                }
            }
            // Cancelled in one mailbox, made anew in the other.
            Deed::HandedOver(from, to) => {
                for guest in everybody
                    .iter()
                    .map(String::as_str)
                    .chain([address_of(*from), address_of(*to)])
                {
                    let bounds = bounds.entry(guest.to_owned()).or_default();
                    bounds.joined += 1;
                    bounds.left += 1;
                }
            }
            Deed::Archived | Deed::Unlinked => {
                for guest in &everybody {
                    bounds.entry(guest.clone()).or_default().left += 1;
                }
            }
            _ => {}
        }
    }
    bounds
}

/// Whether somebody organized the event when this round began.
fn handed_over_by(event: &Event, address: &str) -> bool {
    event
        .deeds
        .iter()
        .any(|d| matches!(d, Deed::HandedOver(from, _) if address_of(*from) == address))
}

/// Returns who is invited now.
fn check_mails(
    event: &Event,
    now: &Sight,
    alive: bool,
    mails: &[&Mail],
    wrongs: &mut Wrongs,
) -> BTreeSet<String> {
    let organizer = address_of(event.organizer);
    let guests = match now.live(organizer) {
        Some(copy) if alive => guests_of_copy(copy, organizer),
        _ => BTreeSet::new(),
    };
    let mut invited = event.invited.clone();
    for mail in mails {
        let (kind, to) = (mail.kind.as_str(), &mail.to);
        let in_turn = match kind {
            "invitation" => invited.insert(to.clone()),
            "cancellation" => invited.remove(to),
            "update" => invited.contains(to),
            // An answer may cross the cancellation: whoever gave it in Odoo had not heard of that yet. Who answers without being
            // listed is listed by that.
            _ => {
                let may_answer = invited.contains(&mail.from) || event.invited.contains(&mail.from);
                if may_answer && has_crossed(event, &mail.from) {
                    invited.extend(guests.get(&mail.from).cloned());
                }
                (to == organizer || handed_over_by(event, to)) && may_answer
            }
        };
        if !in_turn {
            wrongs.push(format!("{kind} to {to} out of turn"));
        }
    }
    if invited != guests {
        wrongs.push(format!("invited are {invited:?}, guests {guests:?}"));
    }
    let sent = |kind: &str, guest: &str| {
        mails
            .iter()
            .filter(|m| m.by_service && m.kind == kind)
            .filter(|m| guest == if kind == "response" { &m.from } else { &m.to })
            .count()
    };
    let visible = |values: &facts::Values| values.keys().any(|f| f.is_visible());
    let saves = event
        .deeds
        .iter()
        .filter(|d| matches!(d, Deed::Saved(Side::Odoo, values) if visible(values)))
        .count();
    let moves = moves_in_odoo(event);
    let nothing = Bounds::default();
    let everybody: BTreeSet<&str> = mails
        .iter()
        .flat_map(|m| [m.to.as_str(), m.from.as_str()])
        .chain(guests.iter().map(String::as_str))
        .collect();
    let prevailed = alive && prevailed_in_odoo(event, now);
    for guest in everybody {
        let bounds = moves.get(guest).unwrap_or(&nothing);
        let mut at_most = |kind: &str, most: usize| {
            let count = sent(kind, guest);
            if count > most {
                wrongs.push(format!("{count} {kind} mails for {guest}, at most {most}"));
            }
        };
        at_most("invitation", bounds.joined);
        at_most("cancellation", bounds.left);
        at_most("update", saves);
        let answers = event
            .deeds
            .iter()
            .filter(|d| matches!(d, Deed::Answered(Side::Odoo, who, _) if *who == guest))
            .count();
        // An answer given in Odoo to an invitation that its guest had deleted is told when that comes back.
        let untold = event.before.live(guest).is_none()
            && event
                .before
                .record
                .as_ref()
                .and_then(|record| answer_in_record(record, guest))
                .is_some_and(|answer| match answer.as_str() {
                    "needsAction" => false,
                    "declined" => event.declined_untold.contains(guest),
                    _ => true,
                });
        // What had ended when the service was restored is new to it, with the answers that Odoo has.
        let untold = untold || event.forgotten && event.deeds.iter().any(|d| matches!(d, Deed::Unarchived));
        // A change by the organizer brings the copy of who has just declined back, asking anew: what is said in Odoo is told again.
        let declined = |d: &Deed| matches!(d, Deed::Answered(Side::Odoo, who, "declined") if *who == guest);
        let brings_back = |d: &Deed| matches!(d, Deed::Saved(_, values) if visible(values));
        let again = event.deeds.iter().any(declined) && event.deeds.iter().any(brings_back);
        at_most("response", answers + usize::from(untold) + usize::from(again));
        let stayed = event.invited.contains(guest)
            && guests.contains(guest)
            && !was_ended_or_revived(event)
            && !event
                .deeds
                .iter()
                .any(|d| matches!(d, Deed::Joined(_, who) | Deed::Left(_, who) if *who == guest));
        if stayed && prevailed && sent("update", guest) == 0 {
            wrongs.push(format!("no update for {guest}"));
        }
        // Where the guest has no copy there is nothing to answer.
        let said = undisturbed_answer(event, guest).is_some() && event.before.live(guest).is_some();
        if alive && said && answers == 1 && sent("response", guest) == 0 {
            wrongs.push(format!("no answer from {guest}"));
        }
    }
    invited
}

/// Whether something that guests can see has the value that Odoo, and only Odoo, gave it.
fn prevailed_in_odoo(event: &Event, now: &Sight) -> bool {
    let (Some(before), Some(record)) = (&event.before.record, &now.record) else {
        return false;
    };
    let (before, present) = (facts::in_odoo(before), facts::in_odoo(record));
    Field::ALL.into_iter().filter(|f| f.is_visible()).any(|field| {
        let here = last_value(event, Side::Odoo, field);
        let there = event
            .deeds
            .iter()
            .any(|d| matches!(d, Deed::Saved(Side::Outlook, values) if values.contains_key(&field)));
        !there && here.as_ref() == Some(&present[&field]) && before[&field] != present[&field]
    })
}
