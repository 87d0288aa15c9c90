//! The commands about pairing.

use super::databases::called;
use super::output;
use super::start::Opened;
use crate::admin::pairing;
use crate::config::Config;
use crate::store::accounts;
use crate::store::embedded::Embedded;

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
