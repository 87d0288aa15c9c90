//! Odoo: whether it calls, whether it can be called, its jobs, its version and its clock.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde::Deserialize;
use serde_json::Value;

use super::code::{Check, Code};
use super::microsoft::{clock_finding, clock_offset};
use super::report::Finding;
use super::{Known, LONGEST_CHECK, ONE_REQUEST, Reader, all, limited};
use crate::engine::odoo_client::is_refusal;
use crate::engine::{Engine, health, now};
use crate::odoo::api::Versions;
use crate::odoo::time::OdooTime;
use crate::store::databases::Database;
use crate::store::leases::HEARD_FOR;

/// How late a job may start: Odoo looks for due jobs once a minute.
const JOB_LATE: TimeDelta = TimeDelta::minutes(3);
/// From here on no job is expected to start by itself.
const JOBS_STOPPED: TimeDelta = TimeDelta::minutes(15);
/// How much of an answer is read. The add-on's has some hundred bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How Odoo is set up, as its add-on sees it (`docs/EXCHANGE.md`, *The poke*).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OdooFacts {
    #[serde(default)]
    pub uuid: Option<String>,
    #[serde(default)]
    pub database: Option<String>,
    /// `web.base.url`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// `web.base.url.freeze`.
    #[serde(default)]
    pub frozen: Option<bool>,
    /// The version of the add-on's files.
    #[serde(default)]
    pub addon: Option<String>,
    /// The version that is installed in the database.
    #[serde(default)]
    pub installed: Option<String>,
    #[serde(default)]
    pub job: Option<OdooJob>,
}

/// The add-on's scheduled job.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OdooJob {
    #[serde(default)]
    pub exists: bool,
    #[serde(default)]
    pub active: bool,
    /// When it is due.
    #[serde(default)]
    pub next: Option<OdooTime>,
    /// Since when a trigger waits for it.
    #[serde(default)]
    pub waiting_since: Option<OdooTime>,
    /// How often in a row it has failed.
    #[serde(default)]
    pub failures: i64,
    /// Whether the add-on has seen it start late.
    #[serde(default)]
    pub late: bool,
    /// Odoo's clock.
    #[serde(default)]
    pub now: Option<OdooTime>,
}

/// What came of asking Odoo.
#[derive(Default)]
struct Asked {
    facts: Option<OdooFacts>,
    findings: Vec<Finding>,
}

/// Checks everything between Odoo and the service.
pub(super) async fn check(
    engine: &Engine,
    known: &Known,
    told: Option<OdooFacts>,
    reader: Reader,
) -> Vec<Finding> {
    let database = &known.database;
    let mut asked = Asked::default();
    let reached = limited(Check::ToOdoo, LONGEST_CHECK, async {
        asked = ask(engine, database, reader).await?;
        Ok(std::mem::take(&mut asked.findings))
    })
    .await;
    let facts = asked.facts.or(told);
    let mut found = all(vec![
        Box::pin(async { reached }),
        Box::pin(async { calls(database) }),
        Box::pin(async { versions(database, facts.as_ref()) }),
        Box::pin(async { address(database, facts.as_ref()) }),
        Box::pin(async { jobs(facts.as_ref()) }),
    ])
    .await;
    found.shrink_to_fit();
    found
}

/// Sends a signed request to the add-on, and reads its answer. Anything but the add-on's own answer
/// is no delivery.
async fn ask(engine: &Engine, database: &Database, reader: Reader) -> anyhow::Result<Asked> {
    let request = match engine.ask_set_up(database) {
        Ok(request) => request.timeout(ONE_REQUEST),
        Err(error) if is_refusal(error.as_ref()) => {
            return Ok(failed(Code::OdooForbidden, format!("{error:#}.")));
        }
        Err(error) => return Err(error),
    };
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(unreached(database, error, reader)),
    };
    let offset = clock_offset(answer.headers());
    let status = answer.status();
    let header = |name| {
        let value = answer.headers().get(name)?;
        Some(value.to_str().unwrap_or_default().to_owned())
    };
    let (location, kind) = (header(LOCATION), header(CONTENT_TYPE));
    let mut body = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        body.extend_from_slice(&part);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    let is_ours = said
        .as_ref()
        .is_some_and(|said| said.get("ok") == Some(&Value::Bool(true)));
    let mut asked = match status {
        StatusCode::OK if is_ours => take_facts(database, said),
        status if status.is_redirection() => {
            let to = location.unwrap_or_default();
            failed(
                Code::OdooRedirects,
                format!(
                    "{} answers HTTP {} and leads to {to}",
                    database.base_url,
                    status.as_u16()
                ),
            )
        }
        StatusCode::NOT_FOUND => failed(Code::OdooPageMissing, answered(database, status)),
        StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            failed(Code::OdooRefuses, answered(database, status))
        }
        status if status.is_success() || status == StatusCode::UNAUTHORIZED => {
            let kind = kind.unwrap_or_else(|| "nothing".to_owned());
            let found = format!(
                "{} It is {kind}, and not the add-on's.",
                answered(database, status)
            );
            failed(Code::OdooShowsPage, found)
        }
        status => failed(Code::OdooFails, answered(database, status)),
    };
    if let Some(offset) = offset {
        asked.findings.push(clock_finding(offset, "Odoo's"));
    }
    Ok(asked)
}

fn answered(database: &Database, status: StatusCode) -> String {
    format!("{} answers HTTP {}.", database.base_url, status.as_u16())
}

fn failed(code: Code, found: String) -> Asked {
    Asked {
        facts: None,
        findings: vec![Finding::new(code, found)],
    }
}

fn unreached(database: &Database, error: reqwest::Error, reader: Reader) -> Asked {
    if is_refusal(&error) {
        let words = format!("{:#}", anyhow::Error::from(error.without_url()));
        return failed(Code::OdooForbidden, format!("{words}."));
    }
    let is_slow = error.is_timeout() && !error.is_connect();
    let words = format!("{:#}", anyhow::Error::from(error.without_url()));
    if !is_slow {
        let found = format!("{} cannot be reached: {words}.", database.base_url);
        return failed(Code::OdooUnreachable, found);
    }
    let mut found = format!(
        "{} has not answered within {} s.",
        database.base_url,
        ONE_REQUEST.as_secs()
    );
    if reader == Reader::Administrator {
        found.push_str(
            " This check itself takes one of Odoo's workers meanwhile, so a second one has to be free.",
        );
    }
    failed(Code::OdooSlow, found)
}

fn take_facts(database: &Database, said: Option<Value>) -> Asked {
    let facts = said.and_then(|mut said| said.get_mut("facts").map(Value::take));
    let Some(facts) = facts.and_then(|facts| serde_json::from_value::<OdooFacts>(facts).ok()) else {
        let found = format!("The add-on answers at {}.", database.base_url);
        return Asked {
            facts: None,
            findings: vec![
                Finding::ok(Check::ToOdoo, found),
                Finding::new(Code::AddonOld, "The add-on did not say how Odoo is set up."),
            ],
        };
    };
    let is_another = facts.uuid.as_ref().is_some_and(|uuid| *uuid != database.uuid)
        || facts.database.as_ref().is_some_and(|name| *name != database.name);
    let finding = if is_another {
        let name = facts.database.clone().unwrap_or_default();
        Finding::new(
            Code::OdooIsAnother,
            format!("At {} the database “{name}” answers.", database.base_url),
        )
    } else {
        Finding::ok(
            Check::ToOdoo,
            format!("The add-on answers at {}.", database.base_url),
        )
    };
    Asked {
        facts: (!is_another).then_some(facts),
        findings: vec![finding],
    }
}

fn calls(database: &Database) -> Vec<Finding> {
    let mut found = Vec::new();
    let at = database.heard_at.format("%F %T");
    let silent = now() - database.heard_at;
    if database.last_call == 0 && silent > HEARD_FOR {
        found.push(Finding::new(
            Code::OdooNeverCalled,
            format!(
                "Odoo has not exchanged since it was paired ({} UTC).",
                database.paired_at.format("%F %T")
            ),
        ));
    } else if silent > HEARD_FOR {
        found.push(Finding::new(
            Code::OdooSilent,
            format!("Odoo last exchanged at {at} UTC."),
        ));
    } else {
        found.push(Finding::ok(
            Check::FromOdoo,
            format!("Odoo last exchanged at {at} UTC."),
        ));
    }
    if let Some(problem) = health::problem(database).map(|problem| problem.to_string()) {
        found.push(Finding::new(Code::ExchangeFails, problem));
    }
    found
}

fn versions(database: &Database, facts: Option<&OdooFacts>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(problem) = database.versions().and_then(Versions::problem) {
        found.push(Finding::new(Code::VersionsDoNotFit, problem));
    }
    let said = facts.map(|facts| (facts.addon.as_deref(), facts.installed.as_deref()));
    match said {
        Some((Some(addon), Some(installed))) if addon != installed => found.push(Finding::new(
            Code::AddonNotUpdated,
            format!("The files of the add-on have version {addon}, and version {installed} is installed."),
        )),
        Some((Some(addon), _)) if found.is_empty() => found.push(Finding::ok(
            Check::Versions,
            format!(
                "The add-on has version {addon}, and the service {}.",
                env!("CARGO_PKG_VERSION")
            ),
        )),
        _ if found.is_empty() => found.push(Finding::skipped(
            Check::Versions,
            "Odoo did not say which version of the add-on it has. The versions of the exchange fit.",
        )),
        _ => {}
    }
    found
}

fn address(database: &Database, facts: Option<&OdooFacts>) -> Vec<Finding> {
    let Some(facts) = facts else {
        let words = "Odoo did not say whether web.base.url stays as it is.";
        return vec![Finding::skipped(Check::Redirect, words)];
    };
    let mut found = Vec::new();
    let plain = |url: &str| url.trim_end_matches('/').to_owned();
    if let Some(base_url) = &facts.base_url
        && plain(base_url) != plain(&database.base_url)
    {
        found.push(Finding::new(
            Code::AddressDiffers,
            format!(
                "web.base.url is {base_url}, and the service knows {}.",
                database.base_url
            ),
        ));
    }
    if facts.frozen == Some(false) {
        found.push(Finding::new(
            Code::AddressNotFrozen,
            "web.base.url.freeze is not set.",
        ));
    }
    found
}

fn jobs(facts: Option<&OdooFacts>) -> Vec<Finding> {
    let Some(job) = facts.and_then(|facts| facts.job.as_ref()) else {
        return vec![Finding::skipped(
            Check::Jobs,
            "Odoo did not say how its job runs.",
        )];
    };
    if !job.exists {
        return vec![Finding::new(Code::JobMissing, "The add-on's job does not exist.")];
    }
    if !job.active {
        return vec![Finding::new(Code::JobOff, "The add-on's job is not active.")];
    }
    let present = job.now.map_or_else(Utc::now, |time| time.0);
    let late = |since: Option<OdooTime>| since.map_or(TimeDelta::zero(), |since| present - since.0);
    let overdue = late(job.next).max(late(job.waiting_since));
    let since: Option<DateTime<Utc>> = [job.next, job.waiting_since]
        .into_iter()
        .flatten()
        .map(|at| at.0)
        .min();
    let at = since.map(|at| at.format("%F %T").to_string()).unwrap_or_default();
    let mut found = Vec::new();
    if overdue > JOBS_STOPPED {
        let words = format!("The add-on's job has been due since {at} UTC, and has not started.");
        found.push(Finding::new(Code::JobsStopped, words));
    } else if overdue > JOB_LATE {
        let words = format!("The add-on's job has been due since {at} UTC, and has not started.");
        found.push(Finding::new(Code::JobsLate, words));
    } else if job.late {
        found.push(Finding::new(
            Code::JobsLate,
            "The add-on's job has started late within the last hour.",
        ));
    }
    if job.failures > 0 {
        let words = format!("The add-on's job has failed {} time(s) in a row.", job.failures);
        found.push(Finding::new(Code::JobFails, words));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            Check::Jobs,
            "The add-on's job is active and runs in time.",
        ));
    }
    found
}
