//! `outlook-bridge doctor`.

use anyhow::{Context, bail};

use super::start::Opened;
use crate::config::Config;
use crate::odoo::api::Versions;
use crate::store::{accounts, databases, registrations};
use crate::web::tls::Certificate;

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
