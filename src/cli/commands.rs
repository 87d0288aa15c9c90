//! The commands, except `serve`.

use anyhow::{Context, bail};

use super::start::Opened;
use crate::admin::{self, pairing};
use crate::config::Config;
use crate::engine::{Settings, now};
use crate::mailbox::trouble::describe_lasting_limit;
use crate::odoo::api::Versions;
use crate::store::databases::Database;
use crate::store::leases::{self, Urgency};
use crate::store::{Connection, accounts, databases, outbox, put_aside, registrations, troubles};
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
    println!("{}", pairing::enroll(&mut conn, known.as_ref()).await?);
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
        Some(moved) => println!("{}: confirmed that {moved}. It is synced again", database.name),
        None => println!("{}: there is nothing to confirm", database.name),
    }
    Ok(())
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

/// Prints databases, users and pending changes.
///
/// # Errors
/// When the database cannot be reached.
pub async fn status(opened: &Opened, configured: &Settings) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let databases = databases::all(&mut conn).await?;
    if databases.is_empty() {
        println!("no Odoo database is paired: 'outlook-bridge enroll' prints a code for one");
    }
    for database in databases {
        let paired = if database.key_hash.is_some() {
            "paired"
        } else {
            "unpaired"
        };
        println!(
            "{} ({}) · {paired} · {}",
            database.name, database.base_url, database.uuid
        );
        let state = admin::state::state(&mut conn, configured, database.id, None)
            .await
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        if now() - database.heard_at > leases::HEARD_FOR && database.key_hash.is_some() {
            let at = database.heard_at.format("%F %T UTC");
            println!("  NOT HEARD FROM since {at}: its mailboxes rest until Odoo calls again");
        }
        if let Some(reason) = &state.quarantined {
            println!("  NOTHING IS EXCHANGED: {reason}");
        }
        if let Some(reason) = database.versions().and_then(Versions::problem) {
            println!("  NOTHING IS EXCHANGED: {reason}");
        }
        if let (Some(since), Some(reason)) = (database.failing_since, &database.exchange_problem) {
            println!(
                "  NO EXCHANGE SUCCEEDS since {} ({} failed): {reason}",
                since.format("%F %T UTC"),
                database.exchange_failures
            );
        }
        if let Some(problem) = &state.notify_problem {
            println!("  POLLED, as Microsoft cannot notify of changes: {problem}");
        }
        println!(
            "  {} · {} · {} change(s) owed to Odoo",
            if state.configured {
                "configured"
            } else {
                "client id or secret missing"
            },
            if state.paused { "paused" } else { "running" },
            outbox::odoo_owed(&mut conn, database.id).await?
        );
        for account in accounts::of_database(&mut conn, database.id).await? {
            let owed = outbox::outlook_owed(&mut conn, account.id).await?;
            let last = account
                .last_sync_at
                .map_or_else(|| "never".to_owned(), |at| at.format("%F %T UTC").to_string());
            let known = troubles::of(&mut conn, account.id).await?;
            let standing = describe_lasting_limit(&known, &account);
            let reason = account
                .reason
                .clone()
                .or(standing)
                .map(|r| format!(" · {r}"))
                .unwrap_or_default();
            let aside = match put_aside::count(&mut conn, account.id).await? {
                0 => String::new(),
                count => format!(" · {count} event(s) put aside, see the journal"),
            };
            let failing = match account.failures {
                0 => String::new(),
                runs => format!(" · FAILING, {runs} run(s) in a row"),
            };
            println!(
                "  user {} · {} · {} · last synced {last} · {owed} write(s) owed to Outlook{aside}{failing}{reason}",
                account.odoo_user_id, account.login, account.state
            );
        }
    }
    Ok(())
}

/// Returns the only database with this name or UUID.
///
/// # Errors
/// When there is none, or more than one.
pub(super) async fn called(conn: &mut Connection, name: &str) -> anyhow::Result<Database> {
    let mut found = databases::all(conn).await?;
    found.retain(|database| database.uuid == name || database.name == name);
    match found.len() {
        0 => bail!("no paired database is called '{name}': 'outlook-bridge status' lists them"),
        1 => found.pop().context("one database"),
        _ => bail!("several databases are called '{name}': name the uuid that 'outlook-bridge status' shows"),
    }
}

/// Makes mailboxes due; a running service notices within a second.
///
/// # Errors
/// When the database cannot be reached, or none has the given name.
pub async fn sync(opened: &Opened, database: Option<&str>) -> anyhow::Result<()> {
    let mut conn = opened.store.get().await?;
    let mut woken = 0;
    let mut known = false;
    for candidate in databases::all(&mut conn).await? {
        if database.is_none_or(|name| candidate.name == name || candidate.uuid == name) {
            known = true;
            let ids: Vec<i64> = accounts::of_database(&mut conn, candidate.id)
                .await?
                .iter()
                .filter(|a| a.is_active())
                .map(|a| a.id)
                .collect();
            woken += ids.len();
            leases::wake(&mut conn, ids, Urgency::News).await?;
        }
    }
    match database {
        Some(name) if !known => {
            bail!("no paired database is called '{name}': 'outlook-bridge status' lists them")
        }
        _ => println!("{woken} mailbox(es) will be synced"),
    }
    Ok(())
}
