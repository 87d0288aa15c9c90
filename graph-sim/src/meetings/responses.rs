//! Answering a meeting. Rules: "event: accept", "event: tentativelyAccept", "event: decline".

use super::series::exception;
use crate::error::GraphError;
use crate::event::{Attendee, Content};
use crate::event_view;
use crate::state::{Cause, Target, World};
use chrono::NaiveDate;
use serde_json::Value;

/// What an attendee answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Tentative,
    Decline,
}

impl Answer {
    /// Reads an action's name or a `responseStatus`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "accept" | "accepted" => Some(Self::Accept),
            "tentative" | "tentativelyaccept" | "tentativelyaccepted" => Some(Self::Tentative),
            "decline" | "declined" => Some(Self::Decline),
            _ => None,
        }
    }

    fn response(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Tentative => "tentativelyAccepted",
            Self::Decline => "declined",
        }
    }
}

impl World {
    #[allow(clippy::too_many_arguments, reason = "the parameters of the Graph action")]
    pub fn respond(
        &mut self,
        address: &str,
        target: Target,
        answer: Answer,
        comment: Option<&str>,
        send: bool,
        proposed: Option<&Value>,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let person = self.actor(address)?;
        let mut event = self.writable(address, target)?;
        let mut content = target
            .day
            .map_or_else(|| event.content.clone(), |d| event.occurrence(d));
        if event.is_organizer {
            return Err(GraphError::request(
                "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.",
            ));
        }
        if content.cancelled && !self.switches.cancelled_takes_answers {
            return Err(GraphError::request(
                "Your request can't be completed. You can't respond to this meeting because it's been cancelled.",
            ));
        }
        if !send && comment.is_some_and(|c| !c.is_empty()) {
            return Err(GraphError::bad(
                "ErrorInvalidParameter",
                "'SendResponse' must be true when 'Comment' is not null",
            ));
        }
        if proposed.is_some() && (!send || !content.allow_proposals || answer == Answer::Accept) {
            return Err(GraphError::request(
                "Your request can't be completed. A new time can only be proposed with a response, to an organizer who allows it.",
            ));
        }
        let now = self.mailbox(address)?.now();
        let kept = self.switches.declined_kept;
        let response = answer.response();
        content.response = response.into();
        content.response_time = Some(now);
        content.show_as = match answer {
            Answer::Tentative => "tentative",
            Answer::Accept => "busy",
            Answer::Decline => "free",
        }
        .into();
        let subject = content.clone();
        let organizer = event.organizer.1.clone();
        let (uid, rest_id) = (
            event.ical_uid.clone(),
            self.mailbox(address)?.id_of(&event, target.day, false),
        );
        let mailbox = self.mailbox_mut(address)?;
        match (answer, target.day) {
            // A declined meeting goes to Deleted Items.
            (Answer::Decline, None) if !kept => {
                mailbox.remove(target.key);
            }
            (Answer::Decline, Some(day)) if !kept => {
                event.exceptions.remove(&day);
                event.deleted.insert(day);
                mailbox.replace(event);
            }
            (_, None) => {
                event.content = content;
                for x in event.exceptions.values_mut() {
                    x.content.response = response.into();
                    x.content.response_time = Some(now);
                }
                mailbox.replace(event);
            }
            (_, Some(day)) => {
                let stamp = mailbox.stamp();
                let x = exception(&mut event, day, stamp);
                x.content = content;
                x.own.insert("responseStatus".into());
                mailbox.replace(event);
            }
        }
        if send {
            self.mail(
                "response",
                &person.address,
                &organizer,
                &subject,
                comment.unwrap_or(""),
                &uid,
                &rest_id,
                cause,
            );
            if self.colleague(&person.tenant, &organizer).is_some() {
                self.track(&organizer, &uid, target.day, &person.address, response, proposed)?;
            }
        }
        Ok(())
    }

    /// The organizer's copy takes note of an answer.
    pub fn track(
        &mut self,
        organizer: &str,
        ical_uid: &str,
        day: Option<NaiveDate>,
        guest: &str,
        response: &str,
        proposed: Option<&Value>,
    ) -> Result<(), GraphError> {
        let person = self.person(guest);
        let name = person.map_or_else(|| guest.to_owned(), |p| p.name.clone());
        let aliases = person.map(|p| p.aliases.clone()).unwrap_or_default();
        let known_as: Vec<String> = std::iter::once(guest.to_owned()).chain(aliases).collect();
        let mailbox = self.mailbox_mut(organizer)?;
        // The copy of somebody invited to one occurrence bears its date.
        let (series, of_instance) = event_view::series_uid(ical_uid);
        let day = day.or(of_instance);
        let Some(mut event) = mailbox
            .by_ical(&series)
            .and_then(|key| mailbox.events.get(&key).cloned())
        else {
            return Ok(());
        };
        if !event.is_organizer {
            return Ok(());
        }
        let now = mailbox.now();
        let note = |content: &mut Content| {
            let is_known = |a: &Attendee| {
                known_as
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&a.address))
            };
            // Whoever answers and is not listed (a group's member, say) is from then on.
            if !content.attendees.iter().any(is_known) {
                content.attendees.push(Attendee {
                    kind: "optional".into(),
                    name: name.clone(),
                    address: guest.to_owned(),
                    response: "none".into(),
                    time: None,
                    proposed: None,
                });
            }
            for a in content.attendees.iter_mut().filter(|a| is_known(a)) {
                a.response = response.to_owned();
                a.time = Some(now);
                a.proposed = proposed.cloned();
            }
        };
        match day {
            Some(day) if event.recurrence.is_some() && event.has_occurrence(day) => {
                let stamp = mailbox.stamp();
                note(&mut exception(&mut event, day, stamp).content);
            }
            Some(_) => return Ok(()),
            None => {
                note(&mut event.content);
                event.exceptions.values_mut().for_each(|x| note(&mut x.content));
            }
        }
        mailbox.replace(event);
        Ok(())
    }

    /// The organizer's copy lists a guest a second time, by an X.500 path and with the answer, where the first row keeps the old one;
    /// or by the path instead. Of a series it is in all that is not an exception's own, of an occurrence there alone.
    pub(crate) fn list_by_path(
        &mut self,
        organizer: &str,
        target: Target,
        (guest, path): (&str, &str),
        response: &str,
        instead: bool,
    ) -> Result<(), GraphError> {
        let mailbox = self.mailbox_mut(organizer)?;
        let now = mailbox.now();
        let mut event = mailbox
            .events
            .get(&target.key)
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        let list = match target.day {
            Some(day) => {
                let stamp = mailbox.stamp();
                let x = exception(&mut event, day, stamp);
                x.own.insert("attendees".into());
                &mut x.content.attendees
            }
            None => &mut event.content.attendees,
        };
        let mut row = list
            .iter()
            .find(|a| a.address.eq_ignore_ascii_case(guest))
            .cloned()
            .ok_or_else(GraphError::not_found)?;
        path.clone_into(&mut row.address);
        response.clone_into(&mut row.response);
        row.time = Some(now);
        list.retain(|a| a.address != path && !(instead && a.address.eq_ignore_ascii_case(guest)));
        list.push(row);
        mailbox.replace(event);
        Ok(())
    }
}
