//! The metrics that `/metrics` shows: their names, what they mean, and where each is counted.
//!
//! All of them are there, at zero, before the first event, so that a rule about their growth works
//! from the start. Durations are in seconds.

use metrics::{Label, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// How long something in the service or in Postgres takes: from a millisecond to half a minute.
const SHORT: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];
/// How long people and mailboxes wait: from a tenth of a second to an hour.
const LONG: &[f64] = &[
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Events since the process started.
    Counter,
    /// Durations in seconds, in buckets up to these.
    Histogram(&'static [f64]),
    /// What the service's database says when the metrics are asked for, the same in each process.
    Gauge,
}

/// A metric with at most one label.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// The label's name, and the values that are shown from the start. Without a label, the name is
    /// empty.
    pub label: (&'static str, &'static [&'static str]),
}

const NO_LABEL: (&str, &[&str]) = ("", &[]);

pub const BUSY: Measure = Measure {
    name: "outlook_bridge_busy_total",
    kind: Kind::Counter,
    help: "Calls that were refused as too many calls of their database were in progress",
    label: NO_LABEL,
};
pub const CALLS: Measure = Measure {
    name: "outlook_bridge_calls_total",
    kind: Kind::Counter,
    help: "Calls of Odoo, by the name of the exception that they were answered with",
    label: (
        "outcome",
        &[
            "ok",
            "odoo.exceptions.UserError",
            "odoo.exceptions.AccessDenied",
            "odoo.exceptions.AccessError",
            "odoo.exceptions.MissingError",
            "werkzeug.exceptions.NotFound",
            "builtins.Exception",
        ],
    ),
};
pub const LOCK_HELD: Measure = Measure {
    name: "outlook_bridge_planning_lock_held_seconds",
    kind: Kind::Histogram(SHORT),
    help: "How long the planning lock of a database was held, by what for, without the commit",
    label: ("what", Purpose::ALL),
};
pub const LOCK_WAITED: Measure = Measure {
    name: "outlook_bridge_planning_lock_waited_seconds",
    kind: Kind::Histogram(SHORT),
    help: "How long the planning lock of a database was waited for, by what for",
    label: ("what", Purpose::ALL),
};
pub const DATABASE_UP: Measure = Measure {
    name: "outlook_bridge_postgres_up",
    kind: Kind::Gauge,
    help: "Whether Postgres has just answered (1); otherwise the other gauges are old",
    label: NO_LABEL,
};
pub const DATABASES: Measure = Measure {
    name: "outlook_bridge_databases",
    kind: Kind::Gauge,
    help: "Paired databases, and how many of them are paused, must be paired or confirmed again \
           (quarantined), have not called for ten minutes (silent), or whose exchange fails",
    label: ("state", &["paired", "paused", "quarantined", "silent", "failing"]),
};
pub const DUE: Measure = Measure {
    name: "outlook_bridge_mailboxes_due",
    kind: Kind::Gauge,
    help: "Mailboxes that are due and that no run works yet",
    label: NO_LABEL,
};
pub const DUE_LONGEST: Measure = Measure {
    name: "outlook_bridge_mailboxes_due_longest_seconds",
    kind: Kind::Gauge,
    help: "How long the mailbox has been due that waits longest for its run",
    label: NO_LABEL,
};
pub const HELD: Measure = Measure {
    name: "outlook_bridge_held",
    kind: Kind::Gauge,
    help: "What waits for a person: removals above the limit, mails above the limit, events with guests \
           from before the connection (events)",
    label: ("what", &["removals", "mails", "events"]),
};
pub const MAILBOXES: Measure = Measure {
    name: "outlook_bridge_mailboxes",
    kind: Kind::Gauge,
    help: "Mailboxes of paired databases, by whether they are synced, make no progress (in_trouble), \
           were stopped by their users, or must log in again (need_auth)",
    label: ("state", &["synced", "in_trouble", "stopped", "need_auth"]),
};
pub const MICROSOFT: Measure = Measure {
    name: "outlook_bridge_microsoft_answers_total",
    kind: Kind::Counter,
    help: "Answers of Microsoft Graph to requests and to parts of batches, by what became of them",
    label: (
        "outcome",
        &["ok", "throttled", "refused", "failed", "unreachable"],
    ),
};
pub const NOTIFICATIONS: Measure = Measure {
    name: "outlook_bridge_notifications_total",
    kind: Kind::Counter,
    help: "Notifications of Microsoft that were taken, could not be read, or were of no known \
           subscription; and changes that none had announced (missed)",
    label: ("result", &["taken", "unknown", "malformed", "missed"]),
};
pub const EDIT_TO_ODOO: Measure = Measure {
    name: "outlook_bridge_edit_to_odoo_seconds",
    kind: Kind::Histogram(LONG),
    help: "Time from when Microsoft says that an event was last changed until Odoo said that this was applied, without what was \
           changed before its mailbox was connected",
    label: NO_LABEL,
};
pub const OUTLOOK_TO_ODOO: Measure = Measure {
    name: "outlook_bridge_outlook_to_odoo_seconds",
    kind: Kind::Histogram(LONG),
    help: "Time from when a change was read in Outlook, or planned again, until Odoo said that it was applied",
    label: NO_LABEL,
};
pub const OWED: Measure = Measure {
    name: "outlook_bridge_owed",
    kind: Kind::Gauge,
    help: "Changes that are stored for a side and that it has not confirmed, without those that wait for a person",
    label: ("side", &["odoo", "outlook"]),
};
pub const OWED_LONGEST: Measure = Measure {
    name: "outlook_bridge_owed_longest_seconds",
    kind: Kind::Gauge,
    help: "How long the oldest of these changes has waited: for Outlook since the save, for Odoo since it was read",
    label: ("side", &["odoo", "outlook"]),
};
pub const POLL_LATE: Measure = Measure {
    name: "outlook_bridge_poll_late_seconds",
    kind: Kind::Histogram(LONG),
    help: "How long a due mailbox waited for its run, by what it was due for",
    label: ("why", &["person", "saved", "news", "rest", "poll"]),
};
pub const PUT_ASIDE: Measure = Measure {
    name: "outlook_bridge_put_aside",
    kind: Kind::Gauge,
    help: "Events that could not be processed and are tried again at growing intervals",
    label: NO_LABEL,
};
pub const REGISTRATIONS_REFUSED: Measure = Measure {
    name: "outlook_bridge_registrations_refused",
    kind: Kind::Gauge,
    help: "App registrations whose client id, secret or tenant Microsoft refuses",
    label: NO_LABEL,
};
pub const RESTING: Measure = Measure {
    name: "outlook_bridge_mailboxes_resting",
    kind: Kind::Gauge,
    help: "Mailboxes that rest, as Microsoft asked for a pause",
    label: NO_LABEL,
};
pub const RUNS: Measure = Measure {
    name: "outlook_bridge_runs_total",
    kind: Kind::Counter,
    help: "Runs of mailboxes that have ended, by whether they succeeded",
    label: ("ok", &["true", "false"]),
};
pub const RUN_FAILURES: Measure = Measure {
    name: "outlook_bridge_run_failures_total",
    kind: Kind::Counter,
    help: "Runs of mailboxes that have failed, by the kind of Microsoft's refusal, or by what else prevented them",
    label: (
        "reason",
        &[
            "app_refused",
            "challenged",
            "conflict",
            "duplicate",
            "forbidden",
            "gave_up",
            "internal",
            "invalid",
            "lease_lost",
            "limited",
            "login_later",
            "login_needed",
            "login_refused",
            "mailbox_closed",
            "mailbox_missing",
            "not_found",
            "resync_required",
            "throttled",
            "transient",
            "unauthorized",
            "unreachable",
        ],
    ),
};
pub const RUN: Measure = Measure {
    name: "outlook_bridge_run_seconds",
    kind: Kind::Histogram(LONG),
    help: "How long a run of a mailbox took: one that found nothing to do (idle), or any other (whole)",
    label: ("kind", &["idle", "whole"]),
};
pub const SAVE_TO_MICROSOFT: Measure = Measure {
    name: "outlook_bridge_save_to_microsoft_seconds",
    kind: Kind::Histogram(LONG),
    help: "Time from the receipt of what was saved in Odoo to Microsoft's last answer to the writes \
           that it needed, without what waited for approval",
    label: NO_LABEL,
};
pub const SECRET_ENDS: Measure = Measure {
    name: "outlook_bridge_secret_ends_seconds",
    kind: Kind::Gauge,
    help: "Time until the first client secret ends; not a number (NaN) if no date was entered",
    label: NO_LABEL,
};
pub const STATEMENTS: Measure = Measure {
    name: "outlook_bridge_statements_total",
    kind: Kind::Counter,
    help: "Statements that were sent to Postgres",
    label: NO_LABEL,
};
pub const SUBSCRIPTIONS: Measure = Measure {
    name: "outlook_bridge_subscriptions",
    kind: Kind::Gauge,
    help: "Subscriptions to Microsoft's notifications: valid ones, valid ones that have missed a change \
           (silent), and those that could not be made (failing)",
    label: ("state", &["valid", "silent", "failing"]),
};
pub const TOKEN_RENEWALS: Measure = Measure {
    name: "outlook_bridge_token_renewals_total",
    kind: Kind::Counter,
    help: "Attempts to renew a user's access token at Microsoft, by what came of them",
    label: (
        "outcome",
        &["ok", "login_needed", "app_refused", "refused", "later"],
    ),
};
pub const TRACE_SPANS: Measure = Measure {
    name: "outlook_bridge_trace_spans_total",
    kind: Kind::Counter,
    help: "Spans of traces that have ended, were sent to the collector, or were lost as it did not accept them",
    label: ("what", &["ended", "sent", "lost"]),
};
pub const TURNED_AWAY: Measure = Measure {
    name: "outlook_bridge_turned_away_total",
    kind: Kind::Counter,
    help: "Requests that were refused at the door, by the status of the answer",
    label: (
        "status",
        &["400", "401", "404", "408", "413", "415", "422", "429", "500"],
    ),
};

/// All metrics.
pub const ALL: &[Measure] = &[
    BUSY,
    CALLS,
    DATABASE_UP,
    DATABASES,
    DUE,
    DUE_LONGEST,
    EDIT_TO_ODOO,
    HELD,
    LOCK_HELD,
    LOCK_WAITED,
    MAILBOXES,
    MICROSOFT,
    NOTIFICATIONS,
    OUTLOOK_TO_ODOO,
    OWED,
    OWED_LONGEST,
    POLL_LATE,
    PUT_ASIDE,
    REGISTRATIONS_REFUSED,
    RESTING,
    RUNS,
    RUN_FAILURES,
    RUN,
    SAVE_TO_MICROSOFT,
    SECRET_ENDS,
    STATEMENTS,
    SUBSCRIPTIONS,
    TOKEN_RENEWALS,
    TRACE_SPANS,
    TURNED_AWAY,
];

/// What the planning lock of a database is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A call of Odoo that exchanges.
    Exchange,
    /// What a mailbox shows.
    Pull,
    /// What is sent to a mailbox, and its answers.
    Push,
    /// A person's button or login.
    Button,
    /// The move from or to Odoo's built-in sync.
    Move,
    /// Forgetting what is long past.
    Prune,
}

impl Purpose {
    const ALL: &[&str] = &["exchange", "pull", "push", "button", "move", "prune"];

    /// Returns the label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Button => "button",
            Self::Move => "move",
            Self::Prune => "prune",
        }
    }
}

impl Measure {
    fn labels(&self, value: &'static str) -> Vec<Label> {
        let (name, _) = self.label;
        let label = (!name.is_empty()).then(|| Label::from_static_parts(name, value));
        label.into_iter().collect()
    }

    /// Counts one event without a label.
    pub fn count(&self) {
        self.add("", 1);
    }

    /// Counts events with this value of the label.
    pub fn add(&self, value: &'static str, events: u64) {
        debug_assert!(
            value.is_empty() || self.label.1.contains(&value),
            "{} is not shown from the start: {value}",
            self.name
        );
        metrics::counter!(self.name, self.labels(value)).increment(events);
    }

    /// Counts one event with a value of the label that is made when it is needed.
    pub fn count_as(&self, value: String) {
        metrics::counter!(self.name, self.label.0 => value).increment(1);
    }

    /// Sets the present value.
    pub fn set(&self, value: &'static str, to: f64) {
        metrics::gauge!(self.name, self.labels(value)).set(to);
    }

    /// Notes a duration in seconds.
    pub fn record(&self, value: &'static str, seconds: f64) {
        metrics::histogram!(self.name, self.labels(value)).record(seconds);
    }
}

/// Sets the buckets of all histograms.
///
/// # Errors
/// When a histogram has no bucket.
pub fn with_buckets(mut builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    for measure in ALL {
        if let Kind::Histogram(buckets) = measure.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(measure.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

/// Describes all metrics, and shows them at zero. The recorder must be installed.
pub fn announce() {
    for measure in ALL {
        let values: &[&str] = match measure.label {
            ("", _) => &[""],
            (_, values) => values,
        };
        match measure.kind {
            Kind::Counter => metrics::describe_counter!(measure.name, measure.help),
            Kind::Histogram(_) => metrics::describe_histogram!(measure.name, Unit::Seconds, measure.help),
            Kind::Gauge => metrics::describe_gauge!(measure.name, measure.help),
        }
        for value in values {
            let labels = measure.labels(value);
            match measure.kind {
                Kind::Counter => metrics::counter!(measure.name, labels).increment(0),
                Kind::Histogram(_) => drop(metrics::histogram!(measure.name, labels)),
                Kind::Gauge => metrics::gauge!(measure.name, labels).set(0.0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_is_shown_from_the_start() {
        let all = [
            Purpose::Exchange,
            Purpose::Pull,
            Purpose::Push,
            Purpose::Button,
            Purpose::Move,
            Purpose::Prune,
        ];
        assert_eq!(all.map(Purpose::name), Purpose::ALL);
    }
}
