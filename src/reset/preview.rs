//! What a reset would delete, and who would be mailed: shown before it is confirmed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CHUNK, never_connected, reach};
use crate::calendar::document::Document;
use crate::calendar::document::plan::{OutlookWrite, mails};
use crate::calendar::event::Address;
use crate::calendar::plan::Mail;
use crate::engine::{Engine, now};
use crate::odoo::OdooError;
use crate::planning::people::People;
use crate::store::accounts::{self, Account};
use crate::store::databases::Database;
use crate::store::meetings;

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
    /// Whether events can be deleted from Outlook, as the login at Microsoft is valid.
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
    /// The mails that Outlook sends: one per guest and event.
    pub cancellations: usize,
    /// The number of different people who get one.
    pub people: usize,
    /// How many of these people are outside ([`crate::calendar::invitations::InternalDomains`]).
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

/// Counts, from stored data, what a reset would delete.
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
    let people = People::load(&mut conn, database.id, now()).await?;
    let inside = people.internal_domains();
    let mut told = Preview {
        login: account.login.clone(),
        reachable: account.is_connected(),
        outlook: OutlookLoss::default(),
        odoo: Loss::default(),
    };
    let mut mailed = BTreeSet::new();
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
            if let Some((place, _)) = &reach.odoo {
                told.odoo.count(place.key.is_some());
            }
            if let (Some(copy), Some(stub)) = (reach.outlook, &reach.stub) {
                told.outlook.loss.count(!copy.document()?.is_single());
                // The people are no longer known.
                told.outlook.cancellations += stub.mails;
            } else if let Some(copy) = reach.outlook {
                let document = copy.document()?;
                told.outlook.loss.count(!document.is_single());
                let cancelled = cancelled(document, &people, &account);
                told.outlook.cancellations += cancelled.len();
                mailed.extend(cancelled);
            }
        }
    }
    told.outlook.people = mailed.len();
    told.outlook.outside = mailed.iter().filter(|person| inside.is_outside(person)).count();
    Ok(told)
}

/// Returns the people whom the deletion mails. A person who is invited to several single
/// occurrences is listed several times.
fn cancelled(document: Document, people: &People, account: &Account) -> Vec<Address> {
    let own = people.mailboxes.get(&account.odoo_user_id);
    let mails = mails(&[OutlookWrite::Delete], Some(&document))
        .into_iter()
        .flatten();
    mails
        .map(Mail::into_address)
        .filter(|address| Some(address) != own)
        .collect()
}
