//! Puts back meetings that were deleted: what can be put back, what that would mail, and the wish.
//!
//! A meeting that is lost on both sides keeps its last content until it is forgotten. The wish makes
//! Odoo's record again, or reactivates it; Outlook's event is then made anew, with a series'
//! exceptions, and Outlook invites the guests.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::calendar::document::plan::{created, mails};
use crate::calendar::event::Address;
use crate::calendar::invitations::{Facts, Guests, before_creation};
use crate::calendar::plan::Mail;
use crate::calendar::words;
use crate::engine::{Engine, now};
use crate::measures::Purpose;
use crate::odoo::OdooError;
use crate::odoo::snapshot::is_over;
use crate::planning::people::People;
use crate::planning::planner;
use crate::planning::planner::endings::lost_document;
use crate::store::Connection;
use crate::store::databases::{self, Database};
use crate::store::journal::{Level, Line};
use crate::store::meetings::{self, Meeting};
use crate::store::people::Person;
use crate::store::unit::UnitOfWork;
use crate::words::{Said, Sentence, say};

/// A meeting that was deleted.
#[derive(Debug, Serialize)]
pub struct Lost {
    /// The service's number of the meeting.
    pub id: i64,
    /// The Odoo user who organized it.
    pub user_id: Option<i32>,
    pub title: String,
    /// When it took place, in words and in the zone it was written in.
    pub time: Option<String>,
    /// `time` as an argument of a sentence.
    pub time_words: Option<Value>,
    /// Why it cannot be put back.
    pub obstacle: Option<String>,
    /// `obstacle` as a sentence, if it is one.
    pub obstacle_words: Option<Value>,
}

/// A line of the list.
#[derive(Debug, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    pub lost: Lost,
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What putting a meeting back does.
#[derive(Debug, Serialize)]
pub struct Preview {
    #[serde(flatten)]
    pub lost: Lost,
    /// Whether Odoo's record is made again; otherwise it is reactivated.
    pub record_is_new: bool,
    /// The mailbox in which the event is made anew.
    pub mailbox: String,
    /// Whom Outlook mails, each as often as it does.
    pub invited: Vec<Address>,
}

/// Lists what was deleted last.
///
/// # Errors
/// When Postgres fails, or what is stored cannot be read.
pub async fn list(
    conn: &mut Connection,
    database_id: Uuid,
    user: Option<i32>,
    most: i64,
) -> anyhow::Result<Vec<Listed>> {
    let people = People::load(conn, database_id, now()).await?;
    let ended = meetings::ended(conn, database_id, user, most).await?;
    let listed = |(meeting, deleted_at): (Meeting, _)| Listed {
        lost: shown(&meeting, &people),
        deleted_at,
    };
    Ok(ended.into_iter().map(listed).collect())
}

/// Returns what putting a meeting back would do.
///
/// # Errors
/// When it cannot be put back; the error says why.
pub async fn preview(conn: &mut Connection, database: &Database, id: i64) -> anyhow::Result<Preview> {
    let people = People::load(conn, database.id, now()).await?;
    let found = meetings::read_all(conn, &[id]).await?;
    let meeting = found
        .first()
        .filter(|meeting| meeting.database_id == database.id)
        .ok_or_else(unknown)?;
    of(meeting, &people)
}

/// Puts a meeting back, if that invites exactly whom a preview has announced.
///
/// Returns the users for whom Odoo has to be asked to call.
///
/// # Errors
/// When it cannot be put back, or others would be invited than was shown. Nothing is changed then.
pub async fn put_back(
    engine: &Engine,
    database: &Database,
    id: i64,
    announced: &[Address],
) -> anyhow::Result<BTreeSet<i32>> {
    let mut conn = engine.store.get().await?;
    let effects = conn
        .transaction::<_, anyhow::Error, _>(async |conn| {
            let lock = databases::serialize(conn, database.id, Purpose::Button).await?;
            let people = People::load(conn, database.id, now()).await?;
            let mut unit = UnitOfWork::of(conn, &lock, &[id]).await?;
            let dossier = unit.get(id).map_err(|_| unknown())?;
            let present = of(&dossier.meeting, &people)?;
            if present.invited != announced {
                return Err(OdooError::user(say::refusal_others_invited()).into());
            }
            let meeting = &mut dossier.meeting;
            meeting.put_back = true;
            meeting.collected = false;
            meeting.set_aside = None;
            meeting.forget_savers();
            meeting.has_news();
            let line = Line::of(
                meeting,
                meeting.organizer_in_odoo(),
                Level::Info,
                say::is_to_be_put_back(),
                None,
            );
            dossier.lines.push(line);
            let effects = planner::replan(dossier, &people)?;
            if dossier.debt.is_none() {
                return Err(OdooError::user(say::refusal_no_form()).into());
            }
            unit.save(conn, people.now).await?;
            Ok(effects)
        })
        .await?;
    Ok(effects.poke_users)
}

fn unknown() -> OdooError {
    OdooError::missing(say::refusal_not_deleted())
}

fn of(meeting: &Meeting, people: &People) -> anyhow::Result<Preview> {
    let owner = match owner(meeting, people)? {
        Ok(owner) => owner,
        Err(obstacle) => {
            return Err(OdooError::user(say::refusal_put_back(meeting.title(), obstacle)).into());
        }
    };
    Ok(Preview {
        lost: shown(meeting, people),
        record_is_new: meeting.odoo_gone,
        mailbox: owner
            .mailbox
            .address
            .as_ref()
            .map_or_else(|| owner.login.clone(), ToString::to_string),
        invited: invited(meeting, people)?,
    })
}

fn shown(meeting: &Meeting, people: &People) -> Lost {
    let lost = lost_document(meeting, people).ok().flatten();
    let (time, time_words) = lost
        .map(|lost| {
            let first = words::time(&lost.master.time);
            let english = first.in_english(words::DAY);
            if lost.is_single() {
                return (english, first.to_json());
            }
            let rule = words::rule(lost.rule());
            let both = format!("{english}, {rule}");
            (both, Some(say::listed(first, rule).to_json()))
        })
        .unzip();
    let obstacle = match owner(meeting, people) {
        Ok(owner) => owner.err().map(Said::from),
        Err(error) => Some(format!("{error:#}").into()),
    };
    Lost {
        id: meeting.id,
        user_id: meeting.organizer_in_odoo(),
        title: meeting.title(),
        time,
        time_words: time_words.flatten(),
        obstacle_words: obstacle.as_ref().and_then(Said::to_json),
        obstacle: obstacle.map(|said| said.message),
    }
}

/// Returns the person in whose calendars a meeting comes back, or why it cannot.
fn owner<'a>(meeting: &Meeting, people: &'a People) -> anyhow::Result<Result<&'a Person, Sentence>> {
    if meeting.put_back {
        return Ok(Err(say::obstacle_asked_already()));
    }
    if !meeting.ended {
        return Ok(Err(say::obstacle_not_deleted()));
    }
    if lost_document(meeting, people)?.is_none() {
        return Ok(Err(say::obstacle_forgotten()));
    }
    let Some(record) = meeting.record()? else {
        return Ok(Err(say::obstacle_never_in_odoo()));
    };
    if record.active() && !meeting.odoo_gone {
        return Ok(Err(say::obstacle_still_in_odoo()));
    }
    if meeting.base_by_guest {
        return Ok(Err(say::obstacle_of_somebody_else()));
    }
    let master = record.template().ok();
    let Some(owner) = master.and_then(|master| people.organizer(&master)) else {
        return Ok(Err(say::obstacle_never_connected()));
    };
    if !owner.is_connected() {
        return Ok(Err(say::obstacle_not_logged_in()));
    }
    Ok(Ok(owner))
}

/// Returns whom Outlook mails when it makes the event anew.
fn invited(meeting: &Meeting, people: &People) -> anyhow::Result<Vec<Address>> {
    let Some(lost) = lost_document(meeting, people)? else {
        return Ok(Vec::new());
    };
    let facts = Facts {
        has_guests: true,
        existed: false,
        over: is_over(&planner::in_one(&lost, people.now.date_naive()), people.now),
        mailer: meeting.record()?.and_then(|record| record.mailer()),
    };
    if !matches!(
        before_creation(meeting.guests(), facts),
        Guests::AsSaved | Guests::Announced
    ) {
        return Ok(Vec::new());
    }
    let all = mails(&created(&lost).writes, None).into_iter();
    Ok(all.flatten().map(Mail::into_address).collect())
}
