//! The commands about pairing, and `doctor`.

use anyhow::{Context, bail};

use super::databases::called;
use super::output;
use super::start::Opened;
use crate::admin::pairing;
use crate::config::Config;
use crate::odoo::api::Versions;
use crate::store::embedded::Embedded;
use crate::store::{accounts, databases, registrations};
use crate::web::tls::Certificate;

/// Makes a code. Standard output gets only the code.
///
/// # Errors
/// When the database cannot be reached, or not exactly one has the given name.
pub async fn enroll(config: &Config, opened: &Opened, again: Option<&str>) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let known = match again {
        Some(name) => Some(called(&mut conn, name).await?),
        None => None,
    };
    output::line(&pairing::enroll(&mut conn, known.as_ref()).await?)?;
    match known {
        Some(database) => {
            let mailboxes = accounts::of_database(&mut conn, database.id).await?.len();
            eprintln!(
                "This re-pairs {} ({}, {}), {mailboxes} mailbox(es): whoever enters the code gets their calendars. Enter it in that \
                 Odoo, in Settings, Calendar, Outlook Calendar. It is good for an hour, and for this database alone.",
                database.name, database.base_url, database.uuid
            );
        }
        None => eprintln!(
            "Enter this code and the service's address ({}) in Odoo: Settings, Calendar, Outlook Calendar. It is \
             good for an hour and for one new database; one that is known needs its key as well, or 'enroll --again'.",
            config.url()
        ),
    }
    if opened.embedded.as_ref().is_some_and(Embedded::was_stopped) {
        eprintln!(
            "The service is not running: start it before the code is entered (systemctl start outlook-bridge)."
        );
    }
    Ok(())
}

/// Confirms that a database which was paired again with other values is the same one.
///
/// # Errors
/// When the database cannot be reached, or not exactly one has the given name.
pub async fn confirm(opened: &Opened, name: &str) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let database = called(&mut conn, name).await?;
    match pairing::confirm(&mut conn, &database).await? {
        Some(moved) => output::line(&format!(
            "{}: confirmed that {moved}. It is synced again",
            database.name
        )),
        None => output::line(&format!("{}: there is nothing to confirm", database.name)),
    }
}

/// Checks one thing after the other and prints what is wrong.
///
/// # Errors
/// When anything is wrong.
pub async fn doctor(config: &Config) -> anyhow::Result<()> {
    let mut failed = 0;
    let mut report = |what: &str, result: anyhow::Result<String>| match result {
        Ok(detail) => println!("ok      {what}: {detail}"),
        Err(error) => {
            failed += 1;
            println!("PROBLEM {what}: {error:#}");
        }
    };
    report(
        "settings",
        Ok(format!(
            "listening on {}, data in {}",
            config.listen,
            config.data_dir.display()
        )),
    );
    if let Some(files) = config.tls_files() {
        let shown = files.cert.display().to_string();
        report("certificate", Certificate::read(files).map(|_| shown));
    }
    match Opened::open(config).await {
        Ok(opened) => {
            let checked = check(config, &opened, &mut report).await;
            opened.close().await;
            checked?;
        }
        Err(error) => report("database", Err(error)),
    }
    if failed > 0 {
        bail!("{failed} problem(s) found");
    }
    Ok(())
}

async fn check(
    config: &Config,
    opened: &Opened,
    report: &mut impl FnMut(&str, anyhow::Result<String>),
) -> anyhow::Result<()> {
    let kind = if opened.embedded.is_some() {
        "embedded Postgres"
    } else {
        "Postgres"
    };
    report(
        "database",
        Ok(format!("{kind}, schema up to date, master key fits")),
    );
    let engine = opened.engine(config)?;
    for (what, url) in [
        ("Microsoft Graph", &config.graph_url),
        ("Microsoft login", &config.login_url),
    ] {
        let answer = engine.http.get(url).send().await;
        report(
            what,
            answer
                .map(|r| format!("{url} answers (HTTP {})", r.status()))
                .context(format!("{url} cannot be reached")),
        );
    }
    let mut conn = opened.store.get().await?;
    for database in databases::all(&mut conn).await? {
        let what = format!("Odoo “{}”", database.name);
        let url = format!("{}/web/health", database.base_url);
        let answer = engine
            .odoo
            .look(&url)
            .await
            .context(format!("{} cannot be reached", database.base_url));
        report(
            &what,
            answer.map(|r| format!("{} answers (HTTP {})", database.base_url, r.status())),
        );
        let registrations = registrations::of_database(&mut conn, database.id).await?;
        let problems = registrations
            .into_iter()
            .filter(|row| !row.retired)
            .filter_map(|row| row.problem);
        let misunderstood = database.versions().and_then(Versions::problem);
        for problem in database
            .shut_out()
            .into_iter()
            .chain(misunderstood)
            .chain(problems)
        {
            report(&what, Err(anyhow::anyhow!(problem)));
        }
        for account in accounts::of_database(&mut conn, database.id).await? {
            if let Some(reason) = account
                .reason
                .filter(|_| account.state == accounts::SyncState::Active)
            {
                let what = format!("{what}, mailbox {}", account.login);
                report(&what, Err(anyhow::anyhow!(reason)));
            }
        }
    }
    Ok(())
}
