//! What a person, or an administrator for everybody, chooses to sync: what it is now, what another
//! choice would change, and the choice itself.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel_async::AsyncConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::accounts::{TokenError, fresh_token};
use crate::calendar::choices::{Choices, Direction, Passage};
use crate::engine::{Engine, now};
use crate::mailbox::error::PullError;
use crate::mailbox::pull::further::list;
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::time::OdooTime;
use crate::planning::people::People;
use crate::planning::planner;
use crate::store::accounts::{self, Account};
use crate::store::calendars as further;
use crate::store::choices::{StoredChoices, note_news, set_of_account, set_of_database, unsent};
use crate::store::databases::{self, Database};
use crate::store::journal::{Level, note};
use crate::store::leases::{self, Urgency};
use crate::store::reason::choice;
use crate::store::unit::UnitOfWork;
use crate::store::{Connection, meetings};
use crate::words::{Said, Sentence, say};

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
/// How long a person waits for the list of calendars. Odoo waits ten seconds.
const LONGEST_LIST: Duration = Duration::from_secs(7);

/// The keyword arguments of `outlook.bridge.choices.get`.
#[derive(Debug, Deserialize)]
pub struct GetRequest {
    /// `None` for what holds for everybody.
    #[serde(default)]
    pub user_id: Option<i32>,
}

/// The keyword arguments of `outlook.bridge.choices.calendars`.
#[derive(Debug, Deserialize)]
pub struct CalendarsRequest {
    pub user_id: i32,
}

/// The answer of `outlook.bridge.choices.calendars`.
#[derive(Debug, Serialize)]
pub struct Calendars {
    /// The further calendars of the mailbox, by name.
    pub calendars: Vec<FurtherCalendar>,
    /// Whether the administrator permits to choose some.
    pub offered: bool,
    /// Why these are the ones that were read last.
    pub problem: Option<Sentence>,
}

/// A further calendar that can be chosen.
#[derive(Debug, Serialize)]
pub struct FurtherCalendar {
    pub id: String,
    pub name: String,
    pub chosen: bool,
    /// Why it is not read now.
    pub problem: Option<Said>,
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

/// Returns the further calendars of a person's mailbox. Microsoft is asked, for some seconds; if it does
/// not answer, these are the ones that were read last.
///
/// # Errors
/// `MissingError` if the person has no account.
pub async fn calendars(
    engine: &Engine,
    database: &Database,
    request: &CalendarsRequest,
) -> Result<Calendars, OdooError> {
    let (account, offered) = {
        let mut conn = engine.store.get().await?;
        let bound = database.choices.to_choices();
        let account = account(&mut conn, database.id, request.user_id).await?;
        (account, !bound.without_calendars)
    };
    let problem = if offered {
        list_now(engine, database, &account).await.err()
    } else {
        None
    };
    let chosen = account.choices.to_choices().calendars;
    let mut conn = engine.store.get().await?;
    let known = further::of_account(&mut conn, account.id).await?;
    let calendars = known.into_iter().filter(|_| offered).map(|one| FurtherCalendar {
        chosen: chosen.contains(&one.graph_id),
        problem: one.why_unread(),
        name: one.name,
        id: one.graph_id,
    });
    Ok(Calendars {
        calendars: calendars.collect(),
        offered,
        problem,
    })
}

/// Asks Microsoft for the calendars.
async fn list_now(engine: &Engine, database: &Database, account: &Account) -> Result<(), Sentence> {
    let ask = async {
        let token = fresh_token(engine, account, database)
            .await
            .map_err(why_no_token)?;
        list(engine, account, &token).await.map_err(|error| match error {
            PullError::Graph(error) => error.words(),
            PullError::Internal(error) => not_listed(&error),
        })
    };
    match tokio::time::timeout(LONGEST_LIST, ask).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(why)) => Err(say::calendars_not_told(why)),
        Err(_) => Err(say::calendars_not_told(say::microsoft_does_not_answer())),
    }
}

/// Returns why Microsoft cannot be asked now.
fn why_no_token(error: TokenError) -> Said {
    match error {
        TokenError::NeedsLogin => say::log_in_again().into(),
        TokenError::Admin => say::app_not_accepted().into(),
        TokenError::Later { words, .. } | TokenError::Refused { words } => words,
        TokenError::Internal(error) => not_listed(&error),
    }
}

fn not_listed(error: &anyhow::Error) -> Said {
    tracing::error!(error = format!("{error:#}"), "the calendars are not listed");
    say::microsoft_does_not_answer().into()
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
    let changed = conn
        .transaction::<_, OdooError, _>(async |conn| {
            // In the order of all others, who store meetings and then what their mailbox has shown.
            let _lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            store_choices(conn, database, request, &stored).await
        })
        .await?;
    let Some(ids) = changed else { return Ok(()) };
    plan_unsent(&mut conn, database, &ids).await?;
    leases::wake(&mut conn, ids, Urgency::News).await?;
    engine.wake_workers();
    Ok(())
}

/// Returns the mailboxes for which something changes; `None` if these are the choices already.
async fn store_choices(
    conn: &mut Connection,
    database: &Database,
    request: &ChoicesRequest,
    stored: &StoredChoices,
) -> Result<Option<Vec<i64>>, OdooError> {
    let (ids, said) = match request.user_id {
        Some(user) => {
            let account = account(conn, database.id, user).await?;
            if account.choices == *stored {
                return Ok(None);
            }
            check_calendars(conn, database, &account, &request.choices).await?;
            tell_of_calendars(conn, database, &account, &request.choices).await?;
            set_of_account(conn, account.id, stored).await?;
            note_news(conn, database.id, Some((account.id, user))).await?;
            (vec![account.id], say::chosen_anew())
        }
        None if database.choices == *stored => return Ok(None),
        None => {
            check_for_everybody(&request.choices)?;
            set_of_database(conn, database.id, stored).await?;
            note_news(conn, database.id, None).await?;
            let all = accounts::of_database(conn, database.id).await?;
            let ids = all.iter().map(|account| account.id).collect();
            (ids, say::chosen_anew_for_everybody())
        }
    };
    note(conn, database, request.user_id, Level::Info, said).await?;
    Ok(Some(ids))
}

/// Checks that a person chooses calendars of their own mailbox, of which they have seen the list.
async fn check_calendars(
    conn: &mut Connection,
    database: &Database,
    account: &Account,
    choices: &Choices,
) -> Result<(), OdooError> {
    let before = account.choices.to_choices().calendars;
    let new: BTreeSet<&String> = choices.calendars.difference(&before).collect();
    if new.is_empty() {
        return Ok(());
    }
    if database.choices.to_choices().without_calendars {
        return Err(OdooError::user(say::refusal_choices_calendars_offered()));
    }
    let known = further::of_account(conn, account.id).await?;
    if new
        .into_iter()
        .all(|id| known.iter().any(|one| one.graph_id == *id))
    {
        return Ok(());
    }
    Err(OdooError::user(say::refusal_choices_calendar_gone()))
}

/// Lets each calendar that is chosen now be listed from its beginning, and says of those that are no
/// longer chosen what becomes of their events.
async fn tell_of_calendars(
    conn: &mut Connection,
    database: &Database,
    account: &Account,
    choices: &Choices,
) -> Result<(), OdooError> {
    let before = account.choices.to_choices().calendars;
    let others = before.symmetric_difference(&choices.calendars);
    further::forget_progress(conn, account.id, others).await?;
    let known = further::of_account(conn, account.id).await?;
    for left in before.difference(&choices.calendars) {
        let name = known.iter().find(|one| one.graph_id == *left);
        let events = further::count_in_odoo(conn, account.id, left).await?;
        let words = say::calendar_is_left(name.map_or("", |one| &one.name), events);
        note(conn, database, Some(account.odoo_user_id), Level::Info, words).await?;
    }
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

/// Checks what is chosen for everybody, in whose name no calendar can be chosen.
fn check_for_everybody(choices: &Choices) -> Result<(), OdooError> {
    if choices.calendars.is_empty() {
        return Ok(());
    }
    Err(OdooError::user(say::refusal_choices_calendars_everybody()))
}

async fn account(conn: &mut Connection, database_id: Uuid, user: i32) -> Result<Account, OdooError> {
    accounts::of_user(conn, database_id, user)
        .await?
        .ok_or_else(|| OdooError::missing(say::refusal_never_connected()))
}
