//! Release: Odoo's built-in sync gets its links back in the form that it uses, mutable ids and
//! iCalUIds, also for events made since.
//!
//! If Microsoft cannot be asked (the user has to log in again), the answer has only the iCalUId, by
//! which the built-in sync finds an event again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::auth::accounts::{fresh_token, has_fresh_token};
use crate::calendar::document::Recurrence;
use crate::engine::Engine;
use crate::engine::lease::{self, Ended};
use crate::odoo::OdooError;
use crate::odoo::exchange::Place;
use crate::odoo::identity::SERIES_MODEL;
use crate::odoo::series::Slot;
use crate::outlook::client::Instance;
use crate::outlook::wire;
use crate::store::accounts;
use crate::store::databases::Database;
use crate::store::meetings::{self, Copy, Meeting};
use crate::store::stubs::Stub;
use crate::store::{leases, stock};

/// The model of a single event, and of an occurrence.
const EVENT_MODEL: &str = "calendar.event";
/// The most meetings in one answer.
const LARGEST_PAGE: i64 = 2000;
/// How long to wait for a mailbox that is being worked.
const PATIENCE: Duration = Duration::from_secs(5);
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How far an occurrence may have been moved from its slot.
const MOVED_DAYS: i64 = 32;

/// The keyword arguments of `outlook.bridge.stock_links`.
#[derive(Debug, Deserialize)]
pub struct LinksRequest {
    /// Where the last answer ended; 0 for the first request.
    #[serde(default)]
    pub after: i64,
    #[serde(default = "default_limit")]
    pub limit: i64,
    /// Whether Microsoft may be asked for mutable ids. Otherwise the answer has only iCalUIds, and
    /// comes at once.
    #[serde(default = "default_ask")]
    pub ask: bool,
}

fn default_limit() -> i64 {
    200
}

fn default_ask() -> bool {
    true
}

#[derive(Debug, Serialize)]
pub struct LinksAnswer {
    pub links: Vec<Link>,
    /// `after` of the next request; `None` if there is no more.
    pub next: Option<i64>,
}

/// What the built-in sync is to know about one of its records.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    pub model: &'static str,
    pub res_id: i32,
    /// The key of a series, whose record in Odoo may be another one by now.
    pub key: Option<String>,
    /// A mutable id; `None` if Microsoft could not be asked.
    pub microsoft_id: Option<String>,
    pub uid: Option<String>,
    /// The mutable id of the series, for an occurrence.
    pub master_id: Option<String>,
    /// Outlook does not have the event any more, so the record gets no link.
    pub gone: bool,
}

impl Link {
    fn to(model: &'static str, res_id: i32) -> Self {
        Self {
            model,
            res_id,
            key: None,
            microsoft_id: None,
            uid: None,
            master_id: None,
            gone: false,
        }
    }
}

/// Returns one page of the links.
///
/// # Errors
/// `Internal` when Postgres fails. A failure of Microsoft is not an error: the affected links are
/// returned without mutable ids.
pub async fn links(
    engine: &Engine,
    database: &Database,
    request: &LinksRequest,
) -> Result<LinksAnswer, OdooError> {
    let limit = request.limit.clamp(1, LARGEST_PAGE);
    let (page, copies) = {
        let mut conn = engine.store.get().await?;
        let page = stock::page_of_records(&mut conn, database.id, request.after, limit).await?;
        let ids: Vec<i64> = page.iter().map(|m| m.id).collect();
        let copies = meetings::copies_of_all(&mut conn, &ids).await?;
        (page, copies)
    };
    let is_full = i64::try_from(page.len()).is_ok_and(|n| n == limit);
    let next = page.last().map(|m| m.id).filter(|_| is_full);
    let chosen: Vec<(&Meeting, Option<&Copy>)> = page
        .iter()
        .map(|meeting| (meeting, choose(&copies, meeting.id)))
        .collect();
    let mut asked = Asked::default();
    if request.ask {
        let mut mailboxes: BTreeMap<i64, Vec<(&Meeting, &Copy)>> = BTreeMap::new();
        for (meeting, copy) in &chosen {
            if let Some(copy) = copy {
                mailboxes
                    .entry(copy.account_id)
                    .or_default()
                    .push((meeting, copy));
            }
        }
        for (account_id, copies) in mailboxes {
            if let Err(error) = asked.ask(engine, database, account_id, copies).await {
                let error = format!("{error:#}");
                tracing::warn!(account.id = account_id, error, "no ids for Odoo's own engine");
            }
        }
    }
    let mut links = Vec::new();
    for (meeting, copy) in chosen {
        links.extend(links_of(meeting, copy, &asked)?);
    }
    Ok(LinksAnswer { links, next })
}

/// Returns the copy whose id is answered. The built-in sync uses the organizer's.
fn choose(copies: &[Copy], meeting_id: i64) -> Option<&Copy> {
    let is_present = |c: &&Copy| c.meeting_id == meeting_id && !c.gone && !c.cancelled;
    let mut present = copies.iter().filter(is_present);
    let organizers = present.clone().find(|c| c.is_organizer);
    organizers.or_else(|| present.next())
}

/// Microsoft's answers.
#[derive(Default)]
struct Asked {
    /// The mutable id of each copy.
    ids: BTreeMap<i64, String>,
    /// The occurrences of each copy of a series.
    instances: BTreeMap<i64, Vec<Instance>>,
}

impl Asked {
    async fn ask(
        &mut self,
        engine: &Engine,
        database: &Database,
        account_id: i64,
        copies: Vec<(&Meeting, &Copy)>,
    ) -> anyhow::Result<()> {
        let Some(token) = token_of(engine, database, account_id).await? else {
            return Ok(());
        };
        let ids: Vec<&str> = copies.iter().map(|(_, copy)| copy.graph_id.as_str()).collect();
        let translated = engine.graph.mutable_ids(&token, &ids).await?;
        for (_, copy) in &copies {
            if let Some(id) = translated.get(&copy.graph_id) {
                self.ids.insert(copy.id, id.clone());
            }
        }
        for (meeting, copy) in copies {
            let Some(Named { records, place }) = Named::of(meeting)? else {
                continue;
            };
            if let Some(span) = span_of(&records).filter(|_| place.key.is_some()) {
                let graph = &engine.graph;
                let found = graph.mutable_instances(&token, &copy.graph_id, span).await?;
                self.instances.insert(copy.id, found);
            }
        }
        Ok(())
    }
}

/// Returns a token of a mailbox, renewed if necessary under the mailbox's lease. Returns `None` if
/// its user has to log in again, or if a run holds the mailbox all the time.
async fn token_of(
    engine: &Engine,
    database: &Database,
    account_id: i64,
) -> anyhow::Result<Option<SecretString>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let taken = tokio::time::Instant::now();
        let (account, claimed) = {
            let mut conn = engine.store.get().await?;
            let account = accounts::by_id(&mut conn, account_id).await?;
            if account.refresh_token.is_none() {
                return Ok(None);
            }
            if has_fresh_token(&account) {
                (account, None)
            } else {
                (
                    account,
                    leases::claim(&mut conn, engine.process, account_id).await?,
                )
            }
        };
        if has_fresh_token(&account) {
            return Ok(fresh_token(engine, &account, database).await.ok());
        }
        if let Some(lease) = claimed {
            let renewal = fresh_token(engine, &account, database);
            let renewed = lease::under(engine, lease, taken, renewal).await;
            let mut conn = engine.store.get().await?;
            leases::let_go(&mut conn, lease).await?;
            return Ok(match renewed {
                Ended::Done(token) => token.ok(),
                Ended::Lost | Ended::Panicked => None,
            });
        }
        if Instant::now() > until {
            return Ok(None);
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

/// Returns the time from the first to the last occurrence that Odoo has.
fn span_of(records: &[(Slot, i32)]) -> Option<Range<DateTime<Utc>>> {
    let day = |text: &str| text.get(..10)?.parse::<NaiveDate>().ok();
    let days: Vec<NaiveDate> = records.iter().filter_map(|(slot, _)| day(&slot.0)).collect();
    let at = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let moved = TimeDelta::days(MOVED_DAYS);
    Some(at(*days.iter().min()?) - moved..at(*days.iter().max()?) + moved)
}

fn links_of(meeting: &Meeting, copy: Option<&Copy>, asked: &Asked) -> anyhow::Result<Vec<Link>> {
    let Some(record) = Named::of(meeting)? else {
        return Ok(Vec::new());
    };
    if meeting.ended || meeting.kept {
        return Ok(record.all_gone());
    }
    // A record without a copy keeps the ids that the built-in sync knew.
    let Some(copy) = copy else {
        return Ok(Vec::new());
    };
    let known = || copy.wire.get("iCalUId")?.as_str().map(str::to_owned);
    let uid = meeting.ical_uid.clone().or_else(known);
    let microsoft_id = asked.ids.get(&copy.id).cloned();
    let whole = |model, res_id| Link {
        microsoft_id: microsoft_id.clone(),
        uid: uid.clone(),
        ..Link::to(model, res_id)
    };
    let Named { place, records } = record;
    if place.key.is_none() {
        return Ok(vec![whole(EVENT_MODEL, place.res_id)]);
    }
    let mut links = vec![Link {
        key: place.key,
        ..whole(SERIES_MODEL, place.res_id)
    }];
    let outlook = copy.document()?;
    let (Some(instances), Recurrence::Rule(_)) = (asked.instances.get(&copy.id), &outlook.recurrence) else {
        return Ok(links);
    };
    let by_slot: BTreeMap<NaiveDate, &Instance> = instances
        .iter()
        .filter_map(|one| Some((wire::series::slot_of(one, &outlook)?, one)))
        .collect();
    let tz = outlook.tz();
    for (slot, id) in &records {
        if let Some(one) = slot.date(tz).and_then(|day| by_slot.get(&day)) {
            links.push(Link {
                microsoft_id: Some(one.id.clone()),
                uid: one.ical_uid.clone(),
                master_id: one.series_master_id.clone(),
                ..Link::to(EVENT_MODEL, *id)
            });
        }
    }
    Ok(links)
}

/// How Odoo identifies a record.
struct Named {
    place: Place,
    /// The events of a series.
    records: Vec<(Slot, i32)>,
}

impl Named {
    /// Returns `None` if Odoo has sent no record.
    fn of(meeting: &Meeting) -> anyhow::Result<Option<Self>> {
        Ok(match (meeting.record()?, meeting.stub()?) {
            (Some(record), _) => Some(Self {
                place: Place::of(&record),
                records: record.series().map(|s| s.records.clone()).unwrap_or_default(),
            }),
            (None, Some(Stub { place, records, .. })) => Some(Self { place, records }),
            (None, None) => None,
        })
    }

    fn all_gone(self) -> Vec<Link> {
        let model = match self.place.key {
            Some(_) => SERIES_MODEL,
            None => EVENT_MODEL,
        };
        let gone = |model, res_id| Link {
            gone: true,
            ..Link::to(model, res_id)
        };
        let own = Link {
            key: self.place.key.clone(),
            ..gone(model, self.place.res_id)
        };
        let events = self.records.iter().map(|(_, id)| gone(EVENT_MODEL, *id));
        std::iter::once(own).chain(events).collect()
    }
}
