//! The mails of the simulator's log, as the oracles read them.

/// A mail of the simulator's log.
pub struct Mail {
    pub kind: String,
    pub from: String,
    pub to: String,
    pub(super) subject: String,
    /// The graph id, which is longer for an occurrence than for a whole event.
    pub event_id: String,
    /// Whether a request of the service caused it, and not a person in Outlook.
    pub by_service: bool,
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
