//! What a reset would delete, and whom that mails: told before anybody confirms it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CHUNK, never_connected, reach};
use crate::calendar::event::{Address, Event};
use crate::odoo::OdooError;
use crate::store::accounts::{self, Account};
use crate::store::databases::Database;
use crate::store::meetings;
use crate::sync::Engine;

/// The keyword arguments of `microsoft.calendar.account.reset.preview`.
#[derive(Debug, Deserialize)]
pub struct PreviewRequest {
    pub user_id: i32,
}

/// What the two sides would lose.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// The mailbox's address.
    pub login: String,
    /// Whether anything can be deleted from Outlook: the login at Microsoft holds.
    pub reachable: bool,
    pub outlook: OutlookLoss,
    pub odoo: Loss,
}

/// Events that would be deleted; a series counts once.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub events: usize,
    pub series: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct OutlookLoss {
    #[serde(flatten)]
    pub loss: Loss,
    /// Mails that Outlook sends: one for each guest of each event.
    pub cancellations: usize,
    /// Different people who get one ...
    pub people: usize,
    /// ... and how many of them are not at one of the domains of this database's mailboxes.
    pub outside: usize,
}

impl Loss {
    fn count(&mut self, is_series: bool) {
        if is_series {
            self.series += 1;
        } else {
            self.events += 1;
        }
    }
}

/// Counts, from what is stored.
///
/// # Errors
/// `MissingError` for a user who never connected.
pub async fn preview(
    engine: &Engine,
    database: &Database,
    request: &PreviewRequest,
) -> Result<Preview, OdooError> {
    let mut conn = engine.store.get().await?;
    let Some(account) = accounts::of_user(&mut conn, database.id, request.user_id).await? else {
        return Err(never_connected());
    };
    let inside: BTreeSet<String> = accounts::of_database(&mut conn, database.id)
        .await?
        .iter()
        .filter_map(|account| domain(&account.login))
        .collect();
    let mut told = Preview {
        login: account.login.clone(),
        reachable: account.is_connected(),
        outlook: OutlookLoss::default(),
        odoo: Loss::default(),
    };
    let mut people = BTreeSet::new();
    let ids = meetings::of_account(&mut conn, database.id, account.id, account.odoo_user_id).await?;
    for some in ids.chunks(CHUNK) {
        let mut copies = meetings::copies_of_all(&mut conn, some).await?;
        for meeting in meetings::read_all(&mut conn, some).await? {
            let of_meeting: Vec<_> = copies
                .extract_if(.., |copy| copy.meeting_id == meeting.id)
                .collect();
            let Some(reach) = reach(&meeting, &of_meeting, &account)? else {
                continue;
            };
            if let Some(record) = reach.odoo {
                told.odoo.count(record.series().is_some());
            }
            if let Some(copy) = reach.outlook {
                let document = copy.document()?;
                told.outlook.loss.count(!document.is_single());
                let guests = guests(document.template(), &account);
                told.outlook.cancellations += guests.len();
                people.extend(guests);
            }
        }
    }
    told.outlook.people = people.len();
    told.outlook.outside = people
        .iter()
        .filter(|person| domain(&person.to_string()).is_none_or(|domain| !inside.contains(&domain)))
        .count();
    Ok(told)
}

fn guests(event: &Event, account: &Account) -> BTreeSet<Address> {
    let own = Address::parse(&account.login);
    event
        .guests()
        .filter(|address| Some(*address) != own.as_ref())
        .cloned()
        .collect()
}

/// What stands behind the `@`.
fn domain(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    Some(domain.to_lowercase())
}
