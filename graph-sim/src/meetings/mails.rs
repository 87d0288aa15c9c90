//! The mails that Outlook would have sent.

use crate::event::Content;
use crate::state::{Cause, Mail, World};
use chrono::Utc;

impl World {
    #[allow(clippy::too_many_arguments, reason = "the columns of the mail log")]
    pub(super) fn mail(
        &mut self,
        kind: &str,
        from: &str,
        to: &str,
        content: &Content,
        comment: &str,
        ical_uid: &str,
        event_id: &str,
        cause: &Cause,
    ) {
        let subject = match kind {
            "cancellation" => format!("Canceled: {}", content.subject),
            _ => content.subject.clone(),
        };
        for to in self.messages_reach(to) {
            self.next_mail += 1;
            self.mails.push(Mail {
                id: self.next_mail,
                time: Utc::now(),
                kind: kind.to_owned(),
                from: from.to_owned(),
                sender: cause.by.as_deref().unwrap_or(from).to_owned(),
                to,
                subject: subject.clone(),
                comment: comment.to_owned(),
                ical_uid: ical_uid.to_owned(),
                event_id: event_id.to_owned(),
                cause: cause.clone(),
            });
        }
    }
}
