//! What was found, as JSON and as text. `docs/doctor.md` describes both.

use std::fmt::{self, Display, Formatter, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::code::{Check, Code, Status};
use crate::engine::now;
use crate::store::databases::Database;

/// The database that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Whose {
    pub name: String,
    pub uuid: String,
}

impl From<&Database> for Whose {
    fn from(database: &Database) -> Self {
        Self {
            name: database.name.clone(),
            uuid: database.uuid.clone(),
        }
    }
}

/// The result of a check. A check may have several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    /// The check's name for a person.
    pub title: &'static str,
    pub code: &'static str,
    pub status: Status,
    /// `None` if it is about the service itself.
    pub database: Option<Whose>,
    /// What was found.
    pub found: String,
    /// What that means; empty if all is well.
    pub meaning: &'static str,
    /// What to do next; empty if there is nothing to do.
    pub remedy: &'static str,
}

impl Finding {
    /// Something that is not as it should be.
    pub fn new(code: Code, found: impl Into<String>) -> Self {
        Self::of(code.check(), code, found)
    }

    /// The same, for a code that any check may have.
    pub fn of(check: Check, code: Code, found: impl Into<String>) -> Self {
        Self {
            check,
            title: check.title(),
            code: code.name(),
            status: code.status(),
            database: None,
            found: found.into(),
            meaning: code.meaning(),
            remedy: code.remedy(),
        }
    }

    /// All is well.
    pub fn ok(check: Check, found: impl Into<String>) -> Self {
        Self::plain(check, Status::Ok, found)
    }

    /// Nothing was checked; `found` says why.
    pub fn skipped(check: Check, found: impl Into<String>) -> Self {
        Self::plain(check, Status::Skipped, found)
    }

    fn plain(check: Check, status: Status, found: impl Into<String>) -> Self {
        Self {
            check,
            title: check.title(),
            code: status.name(),
            status,
            database: None,
            found: found.into(),
            meaning: "",
            remedy: "",
        }
    }
}

/// All results, in the order in which they should be looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of the service.
    pub version: &'static str,
    #[serde(serialize_with = "to_the_second")]
    pub checked_at: DateTime<Utc>,
    /// The worst status.
    pub status: Status,
    pub problems: usize,
    pub warnings: usize,
    pub checks: Vec<Finding>,
}

fn to_the_second<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Report {
    pub fn new(mut checks: Vec<Finding>) -> Self {
        checks.sort_by(|one, other| {
            (one.check, &one.database)
                .cmp(&(other.check, &other.database))
                .then(other.status.cmp(&one.status))
        });
        let count = |status| checks.iter().filter(|finding| finding.status == status).count();
        let (problems, warnings) = (count(Status::Problem), count(Status::Warning));
        let status = match (problems, warnings) {
            (0, 0) => Status::Ok,
            (0, _) => Status::Warning,
            _ => Status::Problem,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            checked_at: now(),
            status,
            problems,
            warnings,
            checks,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for finding in &self.checks {
            let mark = match finding.status {
                Status::Ok => "ok     ",
                Status::Skipped => "skipped",
                Status::Warning => "WARNING",
                Status::Problem => "PROBLEM",
            };
            let mut what = finding.title.to_owned();
            if let Some(database) = &finding.database {
                write!(what, " (Odoo “{}”)", database.name)?;
            }
            writeln!(f, "{mark} {what}: {}", one_line(&finding.found))?;
            for (label, words) in [("means", finding.meaning), ("to do", finding.remedy)] {
                if !words.is_empty() {
                    writeln!(f, "        {label}: {words}")?;
                }
            }
            if !finding.remedy.is_empty() {
                writeln!(f, "        code:  {}", finding.code)?;
            }
        }
        match (self.problems, self.warnings) {
            (0, 0) => writeln!(f, "All is well."),
            (problems, warnings) => writeln!(f, "{problems} problem(s), {warnings} warning(s)."),
        }
    }
}

/// Escapes what a terminal would interpret: names and messages come from elsewhere.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}
