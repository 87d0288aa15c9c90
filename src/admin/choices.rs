//! What a person, or an administrator for everybody, chooses to sync: what it is now, what another
//! choice would change, and the choice itself.

use std::collections::BTreeSet;

use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::calendar::choices::{Choices, Direction, Passage};
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::time::OdooTime;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, Account};
use crate::store::choices::{StoredChoices, note_news, set_of_account, set_of_database, unsent};
use crate::store::databases::{self, Database};
use crate::store::journal::{Level, note};
use crate::store::leases::{self, Urgency};
use crate::store::reason::choice;
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, meetings};
use crate::words::{Sentence, say};

/// How many events a preview looks at, the latest made first: more take seconds.
const LOOKED_AT: usize = 5_000;
/// One more, to tell whether there are more.
const MOST_IDS: i64 = LOOKED_AT as i64 + 1;
/// How many events are read at once.
const AT_ONCE: usize = 500;
/// How many events are planned in one transaction, which holds the planning lock.
const PLANNED_AT_ONCE: usize = 100;
/// How many events of each kind a preview names.
const NAMED: usize = 20;

/// The keyword arguments of `outlook.bridge.choices.get`.
#[derive(Debug, Deserialize)]
pub struct GetRequest {
    /// `None` for what holds for everybody.
    #[serde(default)]
    pub user_id: Option<i32>,
}

/// The keyword arguments of `outlook.bridge.choices.preview` and `outlook.bridge.choices.set`.
#[derive(Debug, Deserialize)]
pub struct ChoicesRequest {
    /// `None` for what holds for everybody.
    #[serde(default)]
    pub user_id: Option<i32>,
    pub choices: Choices,
}

/// The answer of `outlook.bridge.choices.get`.
#[derive(Debug, Serialize)]
pub struct Present {
    pub own: Choices,
    /// The least that the administrator keeps out.
    pub bound: Choices,
    /// What follows from both.
    pub effective: Choices,
}

/// The answer of `outlook.bridge.choices.preview`.
#[derive(Debug, Default, Serialize)]
pub struct Preview {
    /// Both sides keep what they have, and no longer learn of changes.
    pub stays: Named,
    /// Crosses from then on.
    pub crosses: Named,
    /// Only its time crosses from then on.
    pub masked: Named,
    /// How many events were looked at.
    pub looked_at: usize,
    /// Whether there are more events than that.
    pub more: bool,
    /// Nothing crosses at all, as the person's direction is the one that the administrator excludes.
    pub nothing_crosses: bool,
}

/// Some of the events of a kind.
#[derive(Debug, Default, Serialize)]
pub struct Named {
    pub count: usize,
    pub events: Vec<Changed>,
}

/// An event for which a choice changes something.
#[derive(Debug, Serialize)]
pub struct Changed {
    pub title: String,
    pub start: OdooTime,
    /// Why it is kept out, or was.
    pub why: Option<Sentence>,
}

/// Returns the choices of a person, or those for everybody.
///
/// # Errors
/// `MissingError` if the person has no account.
pub async fn get(
    conn: &mut Connection,
    database: &Database,
    user: Option<i32>,
) -> Result<Present, OdooError> {
    let bound = database.choices.to_choices();
    let Some(user) = user else {
        let own = bound.clone();
        return Ok(Present {
            effective: own.clone(),
            own,
            bound: Choices::default(),
        });
    };
    let own = account(conn, database.id, user).await?.choices.to_choices();
    Ok(Present {
        effective: own.within(&bound),
        own,
        bound,
    })
}

/// Returns what other choices would change, for this user of Odoo to read. The events that Outlook or Odoo has not shown yet are
/// not among them.
///
/// # Errors
/// `UserError` for choices that are not valid, `MissingError` if the person has no account.
pub async fn preview(
    conn: &mut Connection,
    database: &Database,
    reader: i32,
    request: &ChoicesRequest,
) -> Result<Preview, OdooError> {
    request.choices.check().map_err(OdooError::user)?;
    let before = People::load(conn, database.id, now()).await?;
    let new = StoredChoices::of(request.choices.clone());
    let (after, ids) = match request.user_id {
        Some(user) => {
            let account = account(conn, database.id, user).await?;
            let ids = meetings::of_account(conn, database.id, account.id, user).await?;
            (before.with_choices(Some(account.id), new), ids)
        }
        None => {
            let ids = meetings::latest(conn, database.id, MOST_IDS).await?;
            (before.with_choices(None, new), ids)
        }
    };
    let mut preview = Preview {
        more: ids.len() > LOOKED_AT,
        nothing_crosses: request.user_id.is_some_and(|user| {
            let choices = after
                .account_of_user(user)
                .and_then(|person| after.choices(person));
            choices.is_some_and(|choices| choices.direction == Direction::Neither)
        }),
        ..Preview::default()
    };
    let latest: BTreeSet<i64> = ids.into_iter().rev().take(LOOKED_AT).collect();
    let latest: Vec<i64> = latest.into_iter().collect();
    for some in latest.chunks(AT_ONCE) {
        let dossiers = UnitOfWork::look_at_ids(conn, database.id, some).await?;
        for mut dossier in dossiers {
            preview.looked_at += 1;
            let Some(seen) = planner::choices::seen(&mut dossier, &before, &after)? else {
                continue;
            };
            let [old, new] = &seen.passages;
            let hides_title = seen.is_secret && request.user_id != Some(reader);
            let title = if hides_title {
                &request.choices.busy_title
            } else {
                &seen.title
            };
            let changed = |passage: Option<&Passage>| Changed {
                title: title.clone(),
                start: OdooTime(seen.start),
                why: passage.and_then(Passage::why_less).map(choice),
            };
            let (was, is) = (Ways::of(old.as_ref()), Ways::of(new.as_ref()));
            if is.is_masked && !was.is_masked {
                preview.masked.add(|| changed(None));
            } else if was.to_odoo && !is.to_odoo || was.to_outlook && !is.to_outlook {
                preview.stays.add(|| changed(new.as_ref()));
            } else if is != was {
                preview.crosses.add(|| changed(old.as_ref()));
            }
        }
    }
    Ok(preview)
}

/// What crosses of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ways {
    to_odoo: bool,
    to_outlook: bool,
    is_masked: bool,
}

impl Ways {
    fn of(passage: Option<&Passage>) -> Self {
        Self {
            to_odoo: passage.is_none_or(|passage| passage.to_odoo.is_ok()),
            to_outlook: passage.is_none_or(|passage| passage.to_outlook.is_ok()),
            is_masked: passage.is_some_and(|passage| passage.is_masked),
        }
    }
}

impl Named {
    fn add(&mut self, changed: impl FnOnce() -> Changed) {
        self.count += 1;
        if self.events.len() < NAMED {
            self.events.push(changed());
        }
    }
}

/// Stores choices, and lets the mailboxes be compared again. Nothing is deleted because of it.
///
/// # Errors
/// `UserError` for choices that are not valid, `MissingError` if the person has no account.
pub async fn set(engine: &Engine, database: &Database, request: &ChoicesRequest) -> Result<(), OdooError> {
    request.choices.check().map_err(OdooError::user)?;
    let mut conn = engine.store.get().await?;
    let stored = StoredChoices::of(request.choices.clone());
    let ids = match request.user_id {
        Some(user) => {
            let account = account(&mut conn, database.id, user).await?;
            if account.choices == stored {
                return Ok(());
            }
            set_of_account(&mut conn, account.id, &stored).await?;
            note_news(&mut conn, database.id, Some((account.id, user))).await?;
            vec![account.id]
        }
        None if database.choices == stored => return Ok(()),
        None => {
            set_of_database(&mut conn, database.id, &stored).await?;
            note_news(&mut conn, database.id, None).await?;
            let all = accounts::of_database(&mut conn, database.id).await?;
            all.iter().map(|account| account.id).collect()
        }
    };
    let whose = match request.user_id {
        Some(_) => say::chosen_anew(),
        None => say::chosen_anew_for_everybody(),
    };
    note(&mut conn, database, request.user_id, Level::Info, whose).await?;
    plan_unsent(&mut conn, database, &ids).await?;
    leases::wake(&mut conn, ids, Urgency::News).await?;
    engine.wake_workers();
    Ok(())
}

/// Plans again what was planned by the former choices and is not sent yet.
async fn plan_unsent(conn: &mut Connection, database: &Database, accounts: &[i64]) -> Result<(), OdooError> {
    for some in unsent(conn, accounts).await?.chunks(PLANNED_AT_ONCE) {
        conn.transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            let people = People::load(conn, database.id, now()).await?;
            planner::plan_meetings(conn, &lock, &people, some, |_| Ok(())).await
        })
        .await?;
    }
    Ok(())
}

async fn account(conn: &mut Connection, database_id: Uuid, user: i32) -> Result<Account, OdooError> {
    accounts::of_user(conn, database_id, user)
        .await?
        .ok_or_else(|| OdooError::missing(say::refusal_never_connected()))
}
