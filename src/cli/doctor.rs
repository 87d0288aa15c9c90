//! `outlook-bridge doctor`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::output;
use crate::config::Config;
use crate::doctor::code::{Check, Code};
use crate::doctor::report::{Finding, Report};
use crate::doctor::{self, Known, Microsoft, Reader, machine, postgres};
use crate::engine::Engine;
use crate::engine::odoo_client::OdooClient;
use crate::outlook;
use crate::outlook::client::GraphClient;
use crate::outlook::login::LoginClient;
use crate::store::{Store, databases};
use crate::web::tls::Certificate;

/// A check has found a problem.
const PROBLEMS: u8 = 1;
/// The settings cannot be used, so nothing could be checked.
const COULD_NOT_RUN: u8 = 2;

/// How long it may take to read what is stored about the paired databases.
const LONGEST_READ: Duration = Duration::from_secs(8);

/// In which form the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Checks everything, prints the report, and returns the exit code: 0 without problems, 1 with
/// some, 2 if the settings cannot be used.
///
/// # Errors
/// When the report cannot be printed.
pub async fn doctor(config: anyhow::Result<&Config>, form: Form) -> anyhow::Result<ExitCode> {
    let (report, code) = match config {
        Ok(config) => {
            let report = Report::new(examine(config).await);
            let code = if report.problems > 0 { PROBLEMS } else { 0 };
            (report, code)
        }
        Err(error) => {
            let finding = Finding::new(Code::SettingsWrong, format!("{error:#}."));
            (Report::new(vec![finding]), COULD_NOT_RUN)
        }
    };
    let text = match form {
        Form::Text => report.to_string(),
        Form::Json => serde_json::to_string_pretty(&report).context("printing")?,
    };
    // Whoever reads may stop, as `head` does.
    output::line(text.trim_end())?;
    Ok(ExitCode::from(code))
}

async fn examine(config: &Config) -> Vec<Finding> {
    // Installed once per process. A second call finds it installed.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut found = vec![Finding::ok(
        Check::Settings,
        format!(
            "listening on {}, data in {}",
            config.listen,
            config.data_dir.display()
        ),
    )];
    if let Some(files) = config.tls_files() {
        let shown = files.cert.display().to_string();
        found.push(match Certificate::read(files) {
            Ok(_) => Finding::ok(Check::Certificate, shown),
            Err(error) => Finding::new(Code::CertificateWrong, format!("{error:#}.")),
        });
    }
    if config.database_url.is_none() || config.master_key.is_none() {
        found.extend(machine::check_disk(&config.data_dir));
    }
    let microsoft = microsoft(config);
    // Whatever hangs delays only itself.
    let called = async {
        match &microsoft {
            Ok(microsoft) => {
                let mut found = microsoft.check(Reader::Operator).await;
                found.push(Finding::ok(
                    Check::Trust,
                    "The machine's trusted authorities can be read.",
                ));
                found.push(machine::describe_proxy(&microsoft.graph));
                found
            }
            Err(error) => vec![Finding::new(Code::TrustStoreEmpty, format!("{error:#}."))],
        }
    };
    let (called, stored) = tokio::join!(called, stored(config));
    found.extend(called);
    found.extend(stored);
    found
}

fn microsoft(config: &Config) -> anyhow::Result<Microsoft> {
    Ok(Microsoft {
        http: outlook::http_client().context("building the HTTP client")?,
        graph: config.graph_url.parse().context("setting graph_url")?,
        login: config.login_url.parse().context("setting login_url")?,
    })
}

/// Checks Postgres, and all databases that it knows.
async fn stored(config: &Config) -> Vec<Finding> {
    let workers = i64::try_from(config.workers).unwrap_or(i64::MAX);
    let place = postgres::Place {
        url: config.database_url.as_ref().map(ExposeSecret::expose_secret),
        master_key: config.master_key.as_ref(),
        data_dir: &config.data_dir,
        // docs/scaling.md, *Several processes*.
        connections: workers.saturating_mul(4).saturating_add(23),
    };
    let (mut found, opened) = place.check().await;
    let Some(opened) = opened else {
        let words = "The paired databases could not be read.";
        found.push(Finding::skipped(Check::Service, words));
        return found;
    };
    found.extend(match paired(config, opened).await {
        Ok(found) => found,
        Err(error) => vec![Finding::of(
            Check::Service,
            Code::CheckFailed,
            format!("{error:#}."),
        )],
    });
    found
}

async fn paired(config: &Config, opened: postgres::Opened) -> anyhow::Result<Vec<Finding>> {
    let postgres::Opened {
        url,
        mut conn,
        sealer,
    } = opened;
    let Some(sealer) = sealer else {
        let words = "Without the master key, the paired databases could not be checked.";
        return Ok(vec![Finding::skipped(Check::Service, words)]);
    };
    let read = async {
        let mut known = Vec::new();
        for database in databases::all(&mut conn).await? {
            known.push(Known::read(&mut conn, database).await?);
        }
        anyhow::Ok(known)
    };
    let Ok(known) = timeout(LONGEST_READ, read).await else {
        let words = format!(
            "The paired databases could not be read within {} s.",
            LONGEST_READ.as_secs()
        );
        return Ok(vec![Finding::of(Check::Service, Code::CheckTimedOut, words)]);
    };
    let known = known?;
    drop(conn);
    let Microsoft { http, graph, login } = match microsoft(config) {
        Ok(microsoft) => microsoft,
        Err(_) => {
            let words = "Without trusted authorities, the paired databases could not be checked.";
            return Ok(vec![Finding::skipped(Check::Service, words)]);
        }
    };
    let engine = Engine::new(
        // No check uses it: everything was read above, on a connection that cannot write.
        Store::new(&url, 1)?,
        Arc::new(sealer),
        GraphClient::new(http.clone(), graph),
        LoginClient::new(http.clone(), login, &config.tenant),
        http,
        OdooClient::new(config.odoo_networks()?)?,
        config.sync_settings(),
    );
    let engine = Engine {
        notifications: config.notifications(),
        ..engine
    };
    Ok(doctor::check_databases(&engine, &known).await)
}
