//! Meetings, and their copies in mailboxes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use super::reason::Reason;
use super::schema::copies::{self, dsl as c};
use super::schema::meetings::{self, dsl as m};
use super::schema::{odoo_outbox, outlook_outbox};
use super::text_enum::Stored;
use super::{Connection, from_json};
use crate::calendar::document::Document;
use crate::calendar::event::{Answer, Event};
use crate::calendar::field::Group;
use crate::calendar::invitations::{Guests, Mailer};
use crate::calendar::merge::Base;
use crate::odoo::exchange::Actor;
use crate::odoo::record::Record;
use crate::odoo::snapshot::Snapshot;

/// How many writes of one meeting are remembered.
const MOST_TOLD: usize = 2000;
/// How many people are remembered who saved a meeting.
const MOST_SAVERS: usize = 20;

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = meetings, treat_none_as_default_value = false)]
pub struct Meeting {
    pub id: i64,
    pub database_id: Uuid,
    pub link: Uuid,
    pub odoo_id: Option<i32>,
    pub ical_uid: Option<String>,
    pub generation: i32,
    pub ended: bool,
    pub revived: bool,
    pub odoo_state: Option<Value>,
    pub odoo_gone: bool,
    pub odoo_times: Value,
    pub base_odoo: Option<Value>,
    pub base_outlook: Option<Value>,
    pub set_aside: Option<Reason>,
    pub differs: bool,
    pub kept: bool,
    pub unconfirmed: bool,
    /// The key by which Odoo knows it while it is a series.
    pub series_key: Option<String>,
    /// See [`Guests`].
    pub guests: Stored<Guests>,
    /// Its last change was made while the organizer's mailbox was not synced, or found by comparing
    /// both sides.
    pub collected: bool,
    /// A person decided not to send its collected change.
    pub unsent: bool,
    /// The ids by which Odoo's built-in sync knew it: a [`super::stock::StockLink`].
    pub stock: Option<Value>,
    /// Odoo's record is archived because Outlook had ended the meeting, and nobody has saved it
    /// since. If Outlook's event comes back, so does the record.
    pub archived_for_outlook: bool,
    /// The base was taken from a guest's copy, whose availability and reminder are that guest's
    /// own.
    pub base_by_guest: bool,
    /// How often each write was carried out since the last news, by the write's digest.
    pub told: Value,
    /// When the hour began in which its writes are counted.
    pub hour_began: Option<DateTime<Utc>>,
    pub hour_writes: i32,
    /// Whether the journal says that there were too many writes.
    pub hour_noted: bool,
    /// The meeting is long past, and this is all that is known of it: a [`super::stubs::Stub`].
    pub stub: Option<Value>,
    /// Odoo is to be asked for the record of a stub.
    pub unread: bool,
    /// Users who saved changes in Odoo that Outlook does not have yet.
    pub saved_by: Value,
    /// When the service received the earliest save whose writes Microsoft has not answered yet,
    /// unless they wait for approval.
    pub saved_at: Option<DateTime<Utc>>,
    /// A person has asked for the ended meeting: Odoo's record is made again or reactivated, and then
    /// Outlook's event is made anew.
    pub put_back: bool,
    /// The user of Odoo whose view of a further calendar it is. What that calendar shows is a
    /// meeting of its own for each such user, comes to Odoo without its guests, and is never written
    /// in Outlook.
    pub view_of: Option<i32>,
}

impl Meeting {
    /// Makes a meeting of which nothing is known.
    pub fn new(id: i64, database_id: Uuid) -> Self {
        Self {
            id,
            database_id,
            link: Uuid::new_v4(),
            odoo_id: None,
            ical_uid: None,
            generation: 1,
            ended: false,
            revived: false,
            odoo_state: None,
            odoo_gone: false,
            odoo_times: Value::Object(serde_json::Map::new()),
            base_odoo: None,
            base_outlook: None,
            set_aside: None,
            differs: false,
            kept: false,
            unconfirmed: false,
            series_key: None,
            guests: Stored(Guests::AsSaved),
            collected: false,
            unsent: false,
            stock: None,
            archived_for_outlook: false,
            base_by_guest: false,
            told: Value::Object(serde_json::Map::new()),
            hour_began: None,
            hour_writes: 0,
            hour_noted: false,
            stub: None,
            unread: false,
            saved_by: Value::Array(Vec::new()),
            saved_at: None,
            put_back: false,
            view_of: None,
        }
    }

    /// Returns the users who saved changes in Odoo that Outlook does not have yet.
    ///
    /// # Errors
    /// When another version of the service has stored them.
    pub fn savers(&self) -> anyhow::Result<Vec<Actor>> {
        from_json(self.saved_by.clone(), "savers")
    }

    /// Adds users who saved the meeting.
    ///
    /// # Errors
    /// When another version of the service has stored the earlier ones.
    pub fn add_savers(&mut self, actors: &[Actor]) -> anyhow::Result<()> {
        let mut savers = self.savers()?;
        for actor in actors {
            if savers.len() < MOST_SAVERS && !savers.iter().any(|saver| saver.uid == actor.uid) {
                savers.push(actor.clone());
            }
        }
        self.saved_by = serde_json::to_value(savers)?;
        Ok(())
    }

    /// Forgets who saved, as their changes were sent or decided about.
    pub fn forget_savers(&mut self) {
        self.saved_by = Value::Array(Vec::new());
    }

    /// Returns whether Odoo names another organizer than this user, whose mailbox has the meeting.
    /// The meeting must then move to the other organizer's mailbox.
    pub fn goes_to_another_than(&self, user: i32) -> bool {
        !self.odoo_gone
            && self
                .organizer_in_odoo()
                .is_some_and(|organizer| organizer != user)
    }

    /// Returns how often a write was carried out since the last news.
    pub fn times_told(&self, digest: &str) -> u64 {
        self.told.get(digest).and_then(Value::as_u64).unwrap_or_default()
    }

    /// Notes that a write was carried out.
    pub fn note_told(&mut self, digest: &str) {
        let times = self.times_told(digest) + 1;
        if let Some(told) = self.told.as_object_mut() {
            // No meeting needs so many. Forgetting is safe: it only permits more repetitions.
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            told.insert(digest.to_owned(), times.into());
        }
    }

    /// Counts a write to one side.
    pub fn count_write(&mut self, now: DateTime<Utc>) {
        if self.writes_this_hour(now).is_none() {
            self.hour_began = Some(now);
            self.hour_writes = 0;
            self.hour_noted = false;
        }
        self.hour_writes = self.hour_writes.saturating_add(1);
    }

    /// Returns when the current hour began and its number of writes; `None` if that hour is over.
    pub fn writes_this_hour(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, usize)> {
        let began = self.hour_began?;
        let is_over = !(began..began + TimeDelta::hours(1)).contains(&now);
        (!is_over).then(|| (began, usize::try_from(self.hour_writes).unwrap_or_default()))
    }

    /// Notes that somebody has changed something.
    pub fn has_news(&mut self) {
        self.told = Value::Object(serde_json::Map::new());
    }

    /// Returns the policy for its guests in Outlook.
    pub fn guests(&self) -> Guests {
        self.guests.0
    }

    pub fn set_guests(&mut self, guests: Guests) {
        self.guests = Stored(guests);
    }

    /// Returns the content of Odoo's event, or the shared content of a series.
    pub(super) fn template_in_odoo(&self) -> Option<&Value> {
        let state = self.odoo_state.as_ref()?;
        Some(state.get("template").unwrap_or(state))
    }

    /// Returns the user who organizes it in Odoo.
    pub fn organizer_in_odoo(&self) -> Option<i32> {
        let organizer = match (&self.odoo_state, &self.stub) {
            (None, Some(stub)) => stub.get("organizer"),
            _ => self.template_in_odoo()?.get("organizer")?.get("user_id"),
        };
        let id = organizer?;
        i32::try_from(id.as_i64()?).ok()
    }

    /// Returns which side mails its guests, as Odoo has recorded it.
    pub fn mailer_in_odoo(&self) -> Option<Mailer> {
        serde_json::from_value(self.odoo_state.as_ref()?.get("mailer")?.clone()).ok()
    }

    /// Returns its title in Odoo.
    pub fn name_in_odoo(&self) -> Option<&str> {
        self.template_in_odoo()?.get("name")?.as_str()
    }

    /// Returns Odoo's last snapshot, if there was one.
    ///
    /// # Errors
    /// When the stored snapshot cannot be read.
    pub fn record(&self) -> anyhow::Result<Option<Record>> {
        self.odoo_state
            .clone()
            .map(|value| from_json(value, "snapshot"))
            .transpose()
    }

    /// Returns Odoo's last snapshot; for a series, what its events share.
    ///
    /// # Errors
    /// When the stored snapshot cannot be read.
    pub fn snapshot(&self) -> anyhow::Result<Option<Snapshot>> {
        let template = self.record()?.map(|record| record.template());
        Ok(template.transpose()?)
    }

    /// Returns the states that both sides last agreed on.
    ///
    /// # Errors
    /// When a stored state cannot be read.
    pub fn base(&self) -> anyhow::Result<Option<Base>> {
        let (Some(odoo), Some(outlook)) = (self.base_odoo.clone(), self.base_outlook.clone()) else {
            return Ok(None);
        };
        let (odoo, outlook): (Document, Document) = (from_json(odoo, "base")?, from_json(outlook, "base")?);
        // Odoo has no master, so it counts as having Outlook's.
        let odoo = odoo.with_outlooks_master(&outlook);
        Ok(Some(Base { odoo, outlook }))
    }

    pub fn set_base(&mut self, base: Option<&Base>) -> anyhow::Result<()> {
        self.base_odoo = base.map(|b| serde_json::to_value(&b.odoo)).transpose()?;
        self.base_outlook = base.map(|b| serde_json::to_value(&b.outlook)).transpose()?;
        Ok(())
    }

    /// Returns when each property group was last edited in Odoo.
    ///
    /// # Errors
    /// When the stored times cannot be read.
    pub fn edit_times(&self) -> anyhow::Result<BTreeMap<Group, DateTime<Utc>>> {
        from_json(self.odoo_times.clone(), "edit times")
    }

    pub fn set_edit_times(&mut self, times: &BTreeMap<Group, DateTime<Utc>>) -> anyhow::Result<()> {
        self.odoo_times = serde_json::to_value(times)?;
        Ok(())
    }

    /// Returns the name by which a person recognizes it.
    pub fn title(&self) -> String {
        let agreed = self.base_outlook.as_ref();
        let agreed = agreed.and_then(|base| base.get("master")?.get("title"));
        self.name_in_odoo()
            .or_else(|| agreed.and_then(Value::as_str))
            .unwrap_or_default()
            .to_owned()
    }
}

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = copies, treat_none_as_default_value = false)]
pub struct Copy {
    pub id: i64,
    pub meeting_id: i64,
    pub account_id: i64,
    pub graph_id: String,
    pub change_key: Option<String>,
    pub is_organizer: bool,
    pub state: Value,
    pub wire: Value,
    pub modified_at: Option<DateTime<Utc>>,
    pub seen_at: DateTime<Utc>,
    pub gone: bool,
    pub cancelled: bool,
    pub answer: Option<String>,
    pub answer_base: Option<String>,
    /// See [`Copy::answers_to_one`].
    pub slot_answers: Value,
    pub slot_answers_base: Value,
    /// The digest of the event if only its times are still known.
    pub stub: Option<String>,
    /// The mailbox is to be asked for it.
    pub unread: bool,
    /// The further calendar of the mailbox that contains it; `None` for the user's own.
    pub calendar: Option<String>,
}

/// Responses to single occurrences, by slot.
pub type SlotAnswers = BTreeMap<NaiveDate, Answer>;

impl Copy {
    /// Returns whether a mailbox knows it by this id.
    pub fn is(&self, account_id: i64, graph_id: &str) -> bool {
        self.account_id == account_id && self.graph_id == graph_id
    }

    /// Returns the responses of a guest's mailbox to single occurrences of a series, if they differ
    /// from the response to the whole. A declined occurrence is no longer in the mailbox.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn answers_to_one(&self) -> anyhow::Result<SlotAnswers> {
        from_json(self.slot_answers.clone(), "answers")
    }

    /// Returns the responses to single occurrences that both sides last agreed on, if they differ
    /// from the response to the whole.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn agreed_answers_to_one(&self) -> anyhow::Result<SlotAnswers> {
        from_json(self.slot_answers_base.clone(), "answers")
    }

    /// Notes that both sides agree on a response to a single occurrence.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn agree_to_one(&mut self, slot: NaiveDate, answer: Answer) -> anyhow::Result<()> {
        let mut agreed = self.agreed_answers_to_one()?;
        agreed.insert(slot, answer);
        self.slot_answers_base = serde_json::to_value(agreed)?;
        Ok(())
    }

    /// Returns the series of which a single event is an occurrence in Outlook.
    pub fn series_id(&self) -> Option<&str> {
        self.wire.get("seriesMasterId")?.as_str()
    }

    /// Returns the event as Graph last sent it.
    ///
    /// # Errors
    /// When the stored event cannot be read.
    pub fn wire_event<T: serde::de::DeserializeOwned>(&self) -> anyhow::Result<T> {
        from_json(self.wire.clone(), "Graph event")
    }

    /// Returns Outlook's state of the meeting in this mailbox.
    ///
    /// # Errors
    /// When the stored state cannot be read.
    pub fn document(&self) -> anyhow::Result<Document> {
        from_json(self.state.clone(), "Outlook state")
    }

    /// Returns Outlook's state of the meeting in this mailbox; for a series, what its occurrences
    /// share.
    ///
    /// # Errors
    /// When the stored state cannot be read.
    pub fn event(&self) -> anyhow::Result<Event> {
        Ok(self.document()?.master)
    }
}

/// Reads meetings of a database and locks their rows until the transaction ends, so that each is
/// merged by one transaction at a time.
pub async fn lock_all(conn: &mut Connection, database_id: Uuid, ids: &[i64]) -> QueryResult<Vec<Meeting>> {
    m::meetings
        .filter(m::database_id.eq(database_id).and(m::id.eq_any(ids)))
        .select(Meeting::as_select())
        .order(m::id)
        .for_update()
        .load(conn)
        .await
}

/// Reads meetings without locking them: to look at, not to change.
pub async fn read_all(conn: &mut Connection, ids: &[i64]) -> QueryResult<Vec<Meeting>> {
    m::meetings
        .filter(m::id.eq_any(ids))
        .select(Meeting::as_select())
        .order(m::id)
        .load(conn)
        .await
}

pub async fn copies_of_all(conn: &mut Connection, ids: &[i64]) -> QueryResult<Vec<Copy>> {
    c::copies
        .filter(c::meeting_id.eq_any(ids))
        .select(Copy::as_select())
        .order(c::id)
        .load(conn)
        .await
}

/// Returns the meetings that a mailbox knows by these ids, and those that are occurrences of series
/// with such an id.
pub async fn with_copies(
    conn: &mut Connection,
    account_id: i64,
    graph_ids: Vec<&str>,
) -> QueryResult<Vec<i64>> {
    let of_series = c::series_id.eq_any(graph_ids.clone()).assume_not_null();
    c::copies
        .filter(c::account_id.eq(account_id))
        .filter(c::graph_id.eq_any(graph_ids).or(of_series))
        .select(c::meeting_id)
        .load(conn)
        .await
}

/// The identities by which meetings may be known.
#[derive(Debug, Default)]
pub struct Identities<'a> {
    /// Ids of records in Odoo.
    pub odoo_ids: Vec<i32>,
    /// Keys of series in Odoo.
    pub keys: Vec<&'a str>,
    /// Our links.
    pub links: Vec<Uuid>,
    /// `iCalUId`s in Outlook.
    pub uids: Vec<&'a str>,
    /// The users whose views of further calendars count as well; see [`Meeting::view_of`].
    pub viewers: Vec<i32>,
}

/// Returns the meetings that have one of these identities.
pub async fn with_identities(
    conn: &mut Connection,
    database_id: Uuid,
    identities: &Identities<'_>,
) -> QueryResult<Vec<i64>> {
    let is_seen = m::view_of
        .is_null()
        .or(m::view_of.eq_any(&identities.viewers).assume_not_null());
    let is_one = m::odoo_id
        .eq_any(&identities.odoo_ids)
        .or(m::ical_uid.eq_any(&identities.uids).and(is_seen))
        .or(m::series_key.eq_any(&identities.keys))
        .assume_not_null()
        .or(m::link.eq_any(&identities.links));
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(is_one)
        .select(m::id)
        .load(conn)
        .await
}

/// Returns which of these ids have ended in this mailbox, or were in another calendar of it.
pub async fn ended_or_elsewhere(
    conn: &mut Connection,
    account_id: i64,
    calendar: Option<&str>,
    graph_ids: Vec<&str>,
) -> QueryResult<Vec<String>> {
    c::copies
        .filter(c::account_id.eq(account_id).and(c::graph_id.eq_any(graph_ids)))
        .filter(c::gone.or(c::calendar.is_distinct_from(calendar)))
        .select(c::graph_id)
        .load(conn)
        .await
}

/// Returns the last known `iCalUId`s of these events of a mailbox, by event id.
pub async fn uids_of(
    conn: &mut Connection,
    account_id: i64,
    graph_ids: Vec<&str>,
) -> QueryResult<BTreeMap<String, String>> {
    let known = c::copies
        .inner_join(m::meetings.on(m::id.eq(c::meeting_id)))
        .filter(c::account_id.eq(account_id).and(c::graph_id.eq_any(graph_ids)))
        .select((c::graph_id, c::ical_uid, m::ical_uid))
        .load::<(String, Option<String>, Option<String>)>(conn)
        .await?;
    let known = known.into_iter().filter_map(|(id, shown, common)| {
        let shown = shown.filter(|uid| !uid.is_empty());
        Some((id, shown.or(common)?))
    });
    Ok(known.collect())
}

/// Returns whether a mailbox has a live event with this id, or occurrences of a series with it.
pub async fn has_live_copy(conn: &mut Connection, account_id: i64, graph_id: &str) -> QueryResult<bool> {
    let of_series = c::series_id.eq(graph_id).assume_not_null();
    let known = c::copies
        .filter(c::account_id.eq(account_id))
        .filter(c::graph_id.eq(graph_id).or(of_series));
    diesel::select(exists(known.filter(c::gone.eq(false))))
        .get_result(conn)
        .await
}

/// Returns which of these ids a mailbox has ever shown: ids of events, and of series of which it
/// shows occurrences.
pub async fn known_ids(
    conn: &mut Connection,
    account_id: i64,
    graph_ids: Vec<&str>,
) -> QueryResult<BTreeSet<String>> {
    let of_series = c::series_id.eq_any(graph_ids.clone()).assume_not_null();
    let known = c::copies
        .filter(c::account_id.eq(account_id))
        .filter(c::graph_id.eq_any(graph_ids).or(of_series))
        .select((c::graph_id, c::series_id))
        .load::<(String, Option<String>)>(conn)
        .await?;
    Ok(known
        .into_iter()
        .flat_map(|(id, series)| std::iter::once(id).chain(series))
        .collect())
}

/// Returns the ids of the series that a calendar of a mailbox shows, including those that are synced occurrence
/// by occurrence. Leaves out series that are over and of which only the times are kept.
pub async fn series_ids(
    conn: &mut Connection,
    account_id: i64,
    calendar: Option<&str>,
) -> QueryResult<BTreeSet<String>> {
    let known: Vec<(bool, String, Option<String>)> = c::copies
        .filter(c::account_id.eq(account_id).and(c::gone.eq(false)))
        .filter(c::calendar.is_not_distinct_from(calendar))
        .filter(c::stub.is_null())
        .filter(c::is_series.eq(true).or(c::series_id.is_not_null()))
        .select((c::is_series, c::graph_id, c::series_id))
        .load(conn)
        .await?;
    let id = |(is_series, id, series_id): (bool, String, Option<String>)| {
        if is_series { Some(id) } else { series_id }
    };
    Ok(known.into_iter().filter_map(id).collect())
}

/// Returns what a mailbox has last shown for an id.
pub async fn wire_of(conn: &mut Connection, account_id: i64, graph_id: &str) -> QueryResult<Option<Value>> {
    c::copies
        .filter(c::account_id.eq(account_id))
        .filter(c::graph_id.eq(graph_id))
        .select(c::wire)
        .first(conn)
        .await
        .optional()
}

/// Clears the unique identities of meetings that are about to be written with other ones.
pub async fn give_up_names(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::update(m::meetings.filter(m::id.eq_any(ids)))
        .set((
            m::odoo_id.eq(None::<i32>),
            m::ical_uid.eq(None::<String>),
            m::series_key.eq(None::<String>),
        ))
        .execute(conn)
        .await
}

/// Returns the meetings whose removal from Odoo waits for the end of a mailbox's sync, or for an
/// administrator.
pub async fn held_for(conn: &mut Connection, account_id: i64) -> QueryResult<Vec<Meeting>> {
    let held = odoo_outbox::table
        .filter(odoo_outbox::held_for.eq(Some(account_id)))
        .select(odoo_outbox::meeting_id);
    m::meetings
        .filter(m::id.eq_any(held))
        .select(Meeting::as_select())
        .order(m::id)
        .load(conn)
        .await
}

/// Stores why a meeting is not synced.
pub async fn set_aside(conn: &mut Connection, id: i64, reason: &Reason) -> QueryResult<usize> {
    diesel::update(m::meetings.find(id))
        .set(m::set_aside.eq(Some(reason)))
        .execute(conn)
        .await
}

/// Returns which of the meetings are set aside for such a reason.
pub async fn set_aside_for(
    conn: &mut Connection,
    ids: &[i64],
    is_such: impl Fn(&Reason) -> bool,
) -> QueryResult<Vec<i64>> {
    let set_aside: Vec<(i64, Reason)> = m::meetings
        .filter(m::id.eq_any(ids.to_vec()))
        .filter(m::set_aside.is_not_null())
        .select((m::id, m::set_aside.assume_not_null()))
        .load(conn)
        .await?;
    let such = set_aside.into_iter().filter(|(_, reason)| is_such(reason));
    Ok(such.map(|(id, _)| id).collect())
}

/// Returns the meetings that ended on both sides and that Odoo once had and has no more, with the
/// time of that, the latest first; those that a user organized, if one is named. A reset can end
/// what Odoo keeps, which is not lost.
pub async fn ended(
    conn: &mut Connection,
    database_id: Uuid,
    organizer: Option<i32>,
    most: i64,
) -> QueryResult<Vec<(Meeting, Option<DateTime<Utc>>)>> {
    let mut query = m::meetings
        .filter(m::database_id.eq(database_id).and(m::ended))
        .filter(m::odoo_state.is_not_null())
        .filter(m::odoo_gone.or(m::odoo_active.eq(false)))
        .select((Meeting::as_select(), m::ended_at))
        .order((m::ended_at.desc(), m::id.desc()))
        .limit(most)
        .into_boxed();
    if let Some(organizer) = organizer {
        query = query.filter(m::organizer_id.eq(organizer));
    }
    query.load(conn).await
}

/// Marks meetings that were deleted in Outlook and that Odoo keeps.
pub async fn keep(conn: &mut Connection, ids: &[i64]) -> QueryResult<usize> {
    diesel::update(m::meetings.filter(m::id.eq_any(ids.to_vec())))
        .set(m::kept.eq(true))
        .execute(conn)
        .await
}

/// Counts a mailbox's events that are linked with one in Odoo; a series counts once.
pub async fn linked(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    let in_mailbox = c::copies
        .filter(c::account_id.eq(account_id))
        .select(c::meeting_id);
    m::meetings
        .filter(m::id.eq_any(in_mailbox))
        .filter(m::odoo_id.is_not_null().and(m::odoo_gone.eq(false)))
        .filter(m::ended.eq(false))
        .filter(m::base_odoo.is_not_null().or(m::stub.is_not_null()))
        .count()
        .get_result(conn)
        .await
}

/// Notes that a mailbox still shows copies, unchanged.
pub async fn touch_copies(conn: &mut Connection, ids: Vec<i64>, now: DateTime<Utc>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::update(c::copies.filter(c::id.eq_any(ids)))
        .set(c::seen_at.eq(now))
        .execute(conn)
        .await
}

pub async fn drop_copies(conn: &mut Connection, ids: Vec<i64>) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    diesel::delete(c::copies.filter(c::id.eq_any(ids)))
        .execute(conn)
        .await
}

/// Returns the next `limit` live copies after the copy `after` that a calendar of a mailbox has not
/// shown since a time.
pub async fn unseen_since(
    conn: &mut Connection,
    account_id: i64,
    calendar: Option<&str>,
    since: DateTime<Utc>,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Copy>> {
    c::copies
        .filter(
            c::account_id
                .eq(account_id)
                .and(c::gone.eq(false))
                .and(c::seen_at.lt(since))
                .and(c::id.gt(after)),
        )
        .filter(c::calendar.is_not_distinct_from(calendar))
        .select(Copy::as_select())
        .order(c::id)
        .limit(limit)
        .load(conn)
        .await
}

/// Returns the meetings that a user organizes and that Odoo has not shown again since the database
/// was paired again.
pub async fn unconfirmed_of(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    let ids = of_account(conn, database_id, account_id, user_id).await?;
    m::meetings
        .filter(m::id.eq_any(ids).and(m::unconfirmed.eq(true)))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// Returns the first of these meetings after one, at most `limit`.
pub async fn unconfirmed_after(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let with_copy = c::copies
        .filter(c::account_id.eq(account_id))
        .select(c::meeting_id);
    let organized = m::organizer_id.eq(user_id).assume_not_null();
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::id.eq_any(with_copy).or(organized))
        .filter(m::unconfirmed.eq(true).and(m::id.gt(after)))
        .select(m::id)
        .order(m::id)
        .limit(limit)
        .load(conn)
        .await
}

/// Counts the events and series that a mailbox shows.
pub async fn count_shown(conn: &mut Connection, account_id: i64) -> QueryResult<i64> {
    c::copies
        .filter(c::account_id.eq(account_id).and(c::gone.eq(false)))
        .count()
        .get_result(conn)
        .await
}

/// Returns the meetings that a user's connection may affect: those that the user organizes in Odoo,
/// and those with a copy in the mailbox.
pub async fn of_account(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    let with_copy = c::copies
        .filter(c::account_id.eq(account_id))
        .select(c::meeting_id);
    let organized = m::organizer_id.eq(user_id).assume_not_null();
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::id.eq_any(with_copy).or(organized))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// Returns the meetings of a database that became known last, at most so many.
pub async fn latest(conn: &mut Connection, database_id: Uuid, most: i64) -> QueryResult<Vec<i64>> {
    let mut ids: Vec<i64> = m::meetings
        .filter(m::database_id.eq(database_id))
        .select(m::id)
        .order(m::id.desc())
        .limit(most)
        .load(conn)
        .await?;
    ids.reverse();
    Ok(ids)
}

/// Returns the meetings that the user organizes, that are active in Odoo, that the mailbox does
/// not show, and that have no pending write.
pub async fn only_in_odoo(
    conn: &mut Connection,
    database_id: Uuid,
    account_id: i64,
    user_id: i32,
) -> QueryResult<Vec<i64>> {
    let copies = c::copies
        .filter(c::meeting_id.eq(m::id).and(c::account_id.eq(account_id)))
        .filter(not(c::gone));
    let writes = outlook_outbox::table.filter(outlook_outbox::meeting_id.eq(m::id));
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::organizer_id.eq(user_id).and(m::odoo_active))
        .filter(not(exists(copies)))
        .filter(not(exists(writes)))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// Returns the meetings that Odoo knows, that the user organizes, that have no copy, and that have
/// one of these titles. They are matched with events of the mailbox, so that no duplicates are
/// made.
pub async fn unlinked_with_titles(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
    titles: Vec<&str>,
) -> QueryResult<Vec<i64>> {
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::odoo_id.is_not_null())
        .filter(m::odoo_gone.eq(false))
        .filter(m::ended.eq(false))
        .filter(m::ical_uid.is_null())
        .filter(m::odoo_name.eq_any(titles))
        .filter(m::organizer_id.eq(user_id))
        .filter(not(exists(c::copies.filter(c::meeting_id.eq(m::id)))))
        .filter(not(exists(
            outlook_outbox::table.filter(outlook_outbox::meeting_id.eq(m::id)),
        )))
        .select(m::id)
        .load(conn)
        .await
}

/// Returns those of some meetings that have one of these titles in Odoo.
pub async fn with_titles(conn: &mut Connection, ids: &[i64], titles: Vec<&str>) -> QueryResult<Vec<i64>> {
    m::meetings
        .filter(m::id.eq_any(ids).and(m::odoo_name.eq_any(titles)))
        .select(m::id)
        .load(conn)
        .await
}

/// Returns the meetings with one of these titles that only Outlook has shown, in their organizer's
/// mailbox: the opposite direction. Includes meetings whose record Odoo has not confirmed since the
/// database was paired again.
pub async fn only_shown_with_titles(
    conn: &mut Connection,
    database_id: Uuid,
    titles: Vec<&str>,
) -> QueryResult<Vec<i64>> {
    let shown = c::copies
        .filter(c::meeting_id.eq(m::id))
        .filter(c::is_organizer.eq(true).and(c::gone.eq(false)))
        .filter(c::title.eq_any(titles));
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(
            m::odoo_id
                .is_null()
                .and(m::series_key.is_null())
                .or(m::unconfirmed.eq(true)),
        )
        .filter(m::ended.eq(false))
        .filter(m::view_of.is_null().or(m::unconfirmed.eq(true)))
        .filter(exists(shown))
        .select(m::id)
        .order(m::id)
        .load(conn)
        .await
}

/// Matches meetings with a record that Odoo has sent and not deleted.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_in_odoo() -> _ {
    m::odoo_state
        .is_not_null()
        .and(m::odoo_gone.eq(false))
        .and(m::ended.eq(false))
        .and(m::kept.eq(false))
}

/// Returns the user who organizes an event in Odoo: one with this id, or the series with this key.
pub async fn organizer_of(
    conn: &mut Connection,
    database_id: Uuid,
    odoo_id: Option<i32>,
    key: Option<&str>,
) -> QueryResult<Option<i32>> {
    let mut query = m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(is_in_odoo())
        .select(m::organizer_id)
        .into_boxed();
    if let Some(id) = odoo_id {
        query = query.filter(m::odoo_id.eq(id));
    }
    if let Some(key) = key {
        query = query.filter(m::series_key.eq(key.to_owned()));
    }
    let organizer: Option<Option<i32>> = query.first(conn).await.optional()?;
    Ok(organizer.flatten())
}

/// Returns the meetings that a user organizes in Odoo and that Outlook does not have, or has
/// without their guests.
pub async fn with_guests_apart(
    conn: &mut Connection,
    database_id: Uuid,
    user_id: i32,
) -> QueryResult<Vec<Meeting>> {
    m::meetings
        .filter(m::database_id.eq(database_id))
        .filter(m::guests.eq_any([Guests::Waiting, Guests::LeftOut, Guests::Withheld].map(Stored)))
        .filter(is_in_odoo())
        .filter(m::organizer_id.eq(user_id))
        .select(Meeting::as_select())
        .order(m::id)
        .load(conn)
        .await
}
