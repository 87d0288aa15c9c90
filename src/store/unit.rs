//! The meetings of one transaction: read together, changed in memory, and written together. A page
//! of two hundred events needs as many statements as one event.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::databases::PlanningLock;
use super::journal::{self, Line};
use super::keys::{CopyKeys, DebtKeys, MeetingKeys};
use super::meetings::{self, Copy, Identities, Meeting};
use super::outbox::{self, Creations, OdooDebt, OutlookWrite, WriteKind};
use super::schema::copies::dsl as c;
use super::schema::meetings::dsl as m;
use super::schema::odoo_outbox::dsl as o;
use super::schema::outlook_outbox::dsl as l;
use super::{Connection, from_json, stock};
use crate::calendar::field::{Group, Side};
use crate::traces;

/// Rows per statement: Postgres accepts 65,535 values, and a meeting has about forty.
const ROWS: usize = 1_500;

/// Everything that is stored about one meeting.
#[derive(Clone, Debug)]
pub struct Dossier {
    pub meeting: Meeting,
    /// Oldest first; the id of a new one is 0.
    pub copies: Vec<Copy>,
    /// Pending writes to mailboxes; the id of a new one is 0.
    pub writes: Vec<OutlookWrite>,
    /// The pending change to Odoo; the id of a new one is 0.
    pub debt: Option<OdooDebt>,
    /// Lines to write into the journal.
    pub lines: Vec<Line>,
}

impl Dossier {
    fn new(meeting: Meeting) -> Self {
        Self {
            meeting,
            copies: Vec::new(),
            writes: Vec::new(),
            debt: None,
            lines: Vec::new(),
        }
    }

    /// Returns whether only Outlook has it, and Odoo was sent nothing about it.
    pub fn is_only_shown(&self) -> bool {
        let meeting = &self.meeting;
        let is_told = self.debt.as_ref().is_some_and(|debt| debt.delivered_at.is_some());
        meeting.odoo_id.is_none()
            && meeting.odoo_state.is_none()
            && meeting.series_key.is_none()
            && meeting.base_odoo.is_none()
            && !meeting.ended
            && !is_told
    }

    /// Returns the meeting's copy that a mailbox knows by this id.
    pub fn copy_mut(&mut self, account_id: i64, graph_id: &str) -> Option<&mut Copy> {
        self.copies.iter_mut().find(|c| c.is(account_id, graph_id))
    }

    /// Forgets the edit times of groups that the base now contains. The time of the attendees is
    /// kept while a response that was given in Odoo is still to be sent to Outlook: it
    /// distinguishes that response from one that Outlook has sent.
    ///
    /// # Errors
    /// When the stored times cannot be read.
    pub fn forget_times(&mut self, groups: &BTreeSet<Group>) -> anyhow::Result<()> {
        let owes_answer = self.writes.iter().any(|write| write.kind == WriteKind::Respond);
        let mut times = self.meeting.edit_times()?;
        times.retain(|group, _| !groups.contains(group) || owes_answer && *group == Group::Attendees);
        self.meeting.set_edit_times(&times)
    }

    /// Returns whether an agreed state of Outlook is one that only a guest's copy shows.
    pub fn is_guests(&self, state: &serde_json::Value) -> bool {
        let shown = |by_organizer: bool| {
            let mut copies = self
                .copies
                .iter()
                .filter(|copy| copy.is_organizer == by_organizer);
            copies.any(|copy| copy.state == *state)
        };
        shown(false) && !shown(true)
    }

    /// Adds the journal lines of a write that is done on a side, and that sent so many mails.
    ///
    /// # Errors
    /// When its line cannot be read.
    pub fn tell(
        &mut self,
        user_id: i32,
        side: Side,
        mails: i32,
        done: Option<serde_json::Value>,
    ) -> anyhow::Result<()> {
        let Some(done) = done else { return Ok(()) };
        let done: journal::Done = from_json(done, "journal line")?;
        self.lines.extend(done.lines(&self.meeting, user_id, side, mails));
        Ok(())
    }
}

/// The meetings of one database that a transaction works on.
#[derive(Debug)]
pub struct UnitOfWork {
    database_id: Uuid,
    dossiers: BTreeMap<i64, Dossier>,
    /// The rows as they were read.
    meetings: BTreeMap<i64, Meeting>,
    copies: BTreeMap<i64, Copy>,
    writes: BTreeSet<i64>,
    debts: BTreeSet<i64>,
    /// Unchanged copies that a mailbox has shown.
    seen: BTreeSet<i64>,
    /// What planned the oldest pending write of each meeting.
    traces: BTreeMap<i64, traces::Traceparent>,
    /// Creations whose outcome is not known; none until they are read.
    creations: Creations,
}

impl UnitOfWork {
    /// Makes an empty unit, in the transaction that holds the lock.
    pub fn new(lock: &PlanningLock) -> Self {
        Self::empty(lock.database_id())
    }

    fn empty(database_id: Uuid) -> Self {
        Self {
            database_id,
            dossiers: BTreeMap::new(),
            meetings: BTreeMap::new(),
            copies: BTreeMap::new(),
            writes: BTreeSet::new(),
            debts: BTreeSet::new(),
            seen: BTreeSet::new(),
            traces: BTreeMap::new(),
            creations: Creations::default(),
        }
    }

    /// Makes a unit with these meetings.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn of(conn: &mut Connection, lock: &PlanningLock, ids: &[i64]) -> QueryResult<Self> {
        let mut unit = Self::new(lock);
        unit.read(conn, ids).await?;
        Ok(unit)
    }

    /// Reads the meetings that have one of these identities, only to look at them: nothing can be
    /// planned without the lock.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn look_at(
        conn: &mut Connection,
        database_id: Uuid,
        identities: &Identities<'_>,
    ) -> QueryResult<Vec<Dossier>> {
        let mut unit = Self::empty(database_id);
        unit.read_identities(conn, identities).await?;
        Ok(unit.dossiers.into_values().collect())
    }

    /// Reads meetings of a database, only to look at them.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn look_at_ids(
        conn: &mut Connection,
        database_id: Uuid,
        ids: &[i64],
    ) -> QueryResult<Vec<Dossier>> {
        let mut dossiers: BTreeMap<i64, Dossier> = meetings::read_all(conn, ids)
            .await?
            .into_iter()
            .filter(|meeting| meeting.database_id == database_id)
            .map(|meeting| (meeting.id, Dossier::new(meeting)))
            .collect();
        for copy in meetings::copies_of_all(conn, ids).await? {
            if let Some(dossier) = dossiers.get_mut(&copy.meeting_id) {
                dossier.copies.push(copy);
            }
        }
        Ok(dossiers.into_values().collect())
    }

    /// Reads those of the meetings that were not read yet.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read(&mut self, conn: &mut Connection, ids: &[i64]) -> QueryResult<()> {
        let unread: BTreeSet<i64> = ids
            .iter()
            .copied()
            .filter(|id| !self.dossiers.contains_key(id))
            .collect();
        if unread.is_empty() {
            return Ok(());
        }
        let unread: Vec<i64> = unread.into_iter().collect();
        let mut ids = Vec::with_capacity(unread.len());
        for meeting in meetings::lock_all(conn, self.database_id, &unread).await? {
            ids.push(meeting.id);
            self.meetings.insert(meeting.id, meeting.clone());
            self.dossiers.insert(meeting.id, Dossier::new(meeting));
        }
        for copy in meetings::copies_of_all(conn, &ids).await? {
            self.copies.insert(copy.id, copy.clone());
            if let Some(dossier) = self.dossiers.get_mut(&copy.meeting_id) {
                dossier.copies.push(copy);
            }
        }
        for write in outbox::outlook_of_all(conn, &ids).await? {
            self.writes.insert(write.id);
            if let Some(trace) = &write.trace {
                self.traces
                    .entry(write.meeting_id)
                    .or_insert_with(|| trace.clone());
            }
            if let Some(dossier) = self.dossiers.get_mut(&write.meeting_id) {
                dossier.writes.push(write);
            }
        }
        for debt in outbox::odoo_of_all(conn, &ids).await? {
            self.debts.insert(debt.id);
            if let Some(dossier) = self.dossiers.get_mut(&debt.meeting_id) {
                dossier.debt = Some(debt);
            }
        }
        Ok(())
    }

    /// Reads the meetings that have one of these copies in a mailbox, or are occurrences of one.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read_copies(
        &mut self,
        conn: &mut Connection,
        account_id: i64,
        graph_ids: Vec<&str>,
    ) -> QueryResult<()> {
        let ids = meetings::with_copies(conn, account_id, graph_ids).await?;
        self.read(conn, &ids).await
    }

    /// Reads the meetings that have one of these identities.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read_identities(
        &mut self,
        conn: &mut Connection,
        identities: &Identities<'_>,
    ) -> QueryResult<()> {
        let ids = meetings::with_identities(conn, self.database_id, identities).await?;
        self.read(conn, &ids).await
    }

    /// Reads the meetings that [`Self::by_stock_id`] will look for.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read_stock(&mut self, conn: &mut Connection, immutable_ids: Vec<&str>) -> QueryResult<()> {
        let ids = stock::with_immutable_ids(conn, self.database_id, immutable_ids).await?;
        self.read(conn, &ids).await
    }

    /// Reads the meetings that [`Self::unlinked_with_title`] will look for.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read_unlinked(
        &mut self,
        conn: &mut Connection,
        user_id: i32,
        titles: Vec<&str>,
    ) -> QueryResult<()> {
        let ids = meetings::unlinked_with_titles(conn, self.database_id, user_id, titles).await?;
        self.read(conn, &ids).await
    }

    /// Reads the creations whose outcome is not known, for [`Self::is_creating`], and the meetings
    /// with these titles among them, for [`Self::stuck_creations`].
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read_creating(
        &mut self,
        conn: &mut Connection,
        now: DateTime<Utc>,
        titles: Vec<&str>,
    ) -> QueryResult<()> {
        self.creations = outbox::creations_in_flight(conn, self.database_id, now).await?;
        let stuck: Vec<i64> = self.creations.stuck.values().flatten().copied().collect();
        if stuck.is_empty() {
            return Ok(());
        }
        let ids = meetings::with_titles(conn, &stuck, titles).await?;
        self.read(conn, &ids).await
    }

    /// Returns one of the meetings.
    ///
    /// # Errors
    /// When it was not read, or does not exist (any more).
    pub fn get(&mut self, id: i64) -> anyhow::Result<&mut Dossier> {
        self.dossiers
            .get_mut(&id)
            .with_context(|| format!("meeting {id} does not exist"))
    }

    /// Returns one of the meetings, to look at.
    pub fn look(&self, id: i64) -> Option<&Dossier> {
        self.dossiers.get(&id)
    }

    /// Returns the meeting with this pending change to Odoo.
    pub fn owing(&mut self, debt_id: i64) -> Option<&mut Dossier> {
        let owes = |d: &&mut Dossier| d.debt.as_ref().is_some_and(|debt| debt.id == debt_id);
        self.dossiers.values_mut().find(owes)
    }

    /// Returns the ids of all meetings, in the order in which they became known.
    pub fn ids(&self) -> Vec<i64> {
        let (new, known): (Vec<i64>, Vec<i64>) = self.dossiers.keys().partition(|id| **id < 0);
        known.into_iter().chain(new.into_iter().rev()).collect()
    }

    /// Returns the copy that a mailbox knows by this id.
    pub fn copy(&self, account_id: i64, graph_id: &str) -> Option<&Copy> {
        self.dossiers
            .values()
            .flat_map(|d| &d.copies)
            .find(|c| c.is(account_id, graph_id))
    }

    /// Returns the copies of a series' occurrences that a mailbox has as single events and has not
    /// lost yet.
    pub fn occurrences_of(&self, account_id: i64, series_id: &str) -> Vec<Copy> {
        let is_of =
            |copy: &&Copy| copy.account_id == account_id && !copy.gone && copy.series_id() == Some(series_id);
        self.dossiers
            .values()
            .flat_map(|d| &d.copies)
            .filter(is_of)
            .cloned()
            .collect()
    }

    /// Removes a copy from its ended meeting: the event that the mailbox shows with this id from
    /// now on is another meeting.
    ///
    /// # Errors
    /// When the meeting was not read.
    pub fn part_with(&mut self, copy: &Copy) -> anyhow::Result<()> {
        let dossier = self.get(copy.meeting_id)?;
        dossier.copies.retain(|c| c.id != copy.id);
        dossier.meeting.ical_uid = None;
        dossier.meeting.link = Uuid::new_v4();
        Ok(())
    }

    pub fn find_dossier(&self, is_it: impl Fn(&Dossier) -> bool) -> Option<i64> {
        self.dossiers.values().find(|d| is_it(d)).map(|d| d.meeting.id)
    }

    fn find(&self, is_it: impl Fn(&Meeting) -> bool) -> Option<i64> {
        let mut meetings = self.dossiers.values().map(|d| &d.meeting);
        meetings.find(|m| is_it(m)).map(|m| m.id)
    }

    pub fn by_odoo_id(&self, odoo_id: i32) -> Option<i64> {
        self.find(|m| m.odoo_id == Some(odoo_id))
    }

    pub fn by_series_key(&self, key: &str) -> Option<i64> {
        self.find(|m| m.series_key.as_deref() == Some(key))
    }

    pub fn by_link(&self, link: Uuid) -> Option<i64> {
        self.find(|m| m.link == link)
    }

    /// Returns the meeting that Odoo's built-in sync knew by the id of which this is the
    /// translation, if no mailbox has shown it yet.
    pub fn by_stock_id(&self, immutable_id: &str) -> Option<i64> {
        let known = |d: &&Dossier| d.copies.is_empty() && d.meeting.is_stocks(immutable_id);
        self.dossiers.values().find(known).map(|d| d.meeting.id)
    }

    pub fn by_ical_uid(&self, uid: &str) -> Option<i64> {
        self.find(|m| m.view_of.is_none() && m.ical_uid.as_deref() == Some(uid))
    }

    /// Returns what a user sees of an event in a further calendar.
    pub fn view_by_ical_uid(&self, user_id: i32, uid: &str) -> Option<i64> {
        self.find(|m| m.view_of == Some(user_id) && m.ical_uid.as_deref() == Some(uid))
    }

    /// Returns all that users see of an event in further calendars.
    pub fn views_by_ical_uid(&self, uid: &str) -> Vec<i64> {
        let meetings = self.dossiers.values().map(|d| &d.meeting);
        let views = meetings.filter(|m| m.view_of.is_some() && m.ical_uid.as_deref() == Some(uid));
        views.map(|m| m.id).collect()
    }

    /// Returns whether the mailbox has a creation that was sent a moment ago. An unknown meeting in
    /// another mailbox may be the one that is being created.
    pub fn is_creating(&self, account_id: i64) -> bool {
        self.creations.fresh.contains(&account_id)
    }

    /// Returns the meetings with a title of which nobody knows whether they were created in this
    /// mailbox, and nobody will know soon. A guest's mailbox may show one of them.
    pub fn stuck_creations(&self, account_id: i64, title: &str) -> Vec<&Meeting> {
        let ids = self.creations.stuck.get(&account_id).into_iter().flatten();
        ids.filter_map(|id| self.dossiers.get(id))
            .map(|dossier| &dossier.meeting)
            .filter(|m| m.odoo_state.is_some() && !m.odoo_gone && !m.ended && m.ical_uid.is_none())
            .filter(|m| m.name_in_odoo() == Some(title))
            .collect()
    }

    /// Returns the meetings that Odoo knows, that have not ended, that the user organizes, and that
    /// have no copy. They are matched with an event of the mailbox, so that no duplicate is made.
    pub fn unlinked_with_title(&self, user_id: i32, title: &str) -> Vec<&Meeting> {
        self.dossiers
            .values()
            .filter(|d| d.copies.is_empty() && d.writes.is_empty())
            .map(|d| &d.meeting)
            .filter(|m| m.odoo_id.is_some() && !m.odoo_gone && !m.ended && m.ical_uid.is_none())
            .filter(|m| m.organizer_in_odoo() == Some(user_id) && m.name_in_odoo() == Some(title))
            .collect()
    }

    /// Adds a new meeting, known from Odoo (`odoo_id`), from Outlook (`ical_uid`), or from both.
    pub fn create(&mut self, odoo_id: Option<i32>, ical_uid: Option<&str>) -> i64 {
        let id = self.dossiers.keys().next().copied().unwrap_or(0).min(0) - 1;
        let mut meeting = Meeting::new(id, self.database_id);
        meeting.odoo_id = odoo_id;
        meeting.ical_uid = ical_uid.map(str::to_owned);
        self.dossiers.insert(id, Dossier::new(meeting));
        id
    }

    /// Stores what a mailbox shows. A known copy keeps its id and the base of the attendee's
    /// responses, even if it belonged to another meeting.
    ///
    /// # Errors
    /// When the meeting was not read.
    pub fn see_copy(&mut self, mut seen: Copy) -> anyhow::Result<()> {
        let known = self.copy(seen.account_id, &seen.graph_id).cloned();
        if let Some(known) = known {
            seen.id = known.id;
            seen.answer_base = known.answer_base;
            seen.slot_answers_base = known.slot_answers_base;
            let before = self.get(known.meeting_id)?;
            if known.meeting_id == seen.meeting_id {
                if let Some(copy) = before.copy_mut(known.account_id, &known.graph_id) {
                    *copy = seen;
                }
                return Ok(());
            }
            before.copies.retain(|c| !c.is(known.account_id, &known.graph_id));
        }
        self.get(seen.meeting_id)?.copies.push(seen);
        Ok(())
    }

    /// Notes that a mailbox still shows a copy, unchanged.
    pub fn touch(&mut self, copy_id: i64) {
        self.seen.insert(copy_id);
    }

    /// Writes everything that has changed.
    ///
    /// # Errors
    /// When Postgres fails. Nothing is written then, as the transaction is rolled back.
    pub async fn save(mut self, conn: &mut Connection, now: DateTime<Utc>) -> anyhow::Result<()> {
        self.number(conn).await?;
        let present = traces::current();
        let mut lines = Vec::new();
        let (mut changed_meetings, mut changed_copies) = (Vec::new(), Vec::new());
        let (mut new_writes, mut new_debts) = (Vec::new(), Vec::new());
        for dossier in std::mem::take(&mut self.dossiers).into_values() {
            lines.extend(dossier.lines);
            for copy in dossier.copies {
                match self.copies.remove(&copy.id) {
                    Some(known) if known == copy => {}
                    _ => changed_copies.push(copy),
                }
            }
            for mut write in dossier.writes {
                if !self.writes.remove(&write.id) {
                    // A write that replaces another one is still due to what planned that one.
                    let before = self.traces.get(&write.meeting_id);
                    write.trace = before.or(present.as_ref()).cloned();
                    new_writes.push(write);
                }
            }
            if let Some(debt) = dossier.debt
                && !self.debts.remove(&debt.id)
            {
                new_debts.push((DebtKeys::of(&debt), debt));
            }
            if self.meetings.get(&dossier.meeting.id) != Some(&dossier.meeting) {
                changed_meetings.push(dossier.meeting);
            }
        }
        // An identity that one meeting gives up may go to another one. It is unique, so it is
        // cleared first, whatever the order of the rows.
        let given_up = changed_meetings
            .iter()
            .filter_map(|meeting| {
                self.meetings
                    .get(&meeting.id)
                    .filter(|known| gives_up(known, meeting))
            })
            .map(|known| known.id)
            .collect();
        meetings::give_up_names(conn, given_up).await?;
        upsert_meetings(conn, &changed_meetings).await?;
        // The copies that remain here belong to no meeting any more.
        meetings::drop_copies(conn, self.copies.into_keys().collect()).await?;
        upsert_copies(conn, &changed_copies).await?;
        meetings::touch_copies(conn, self.seen.into_iter().collect(), now).await?;
        outbox::settle_outlook(conn, self.writes.into_iter().collect()).await?;
        outbox::settle_odoo(conn, self.debts.into_iter().collect()).await?;
        for rows in new_writes.chunks(ROWS) {
            diesel::insert_into(l::outlook_outbox)
                .values(rows)
                .execute(conn)
                .await?;
        }
        for rows in new_debts.chunks(ROWS) {
            diesel::insert_into(o::odoo_outbox)
                .values(rows)
                .execute(conn)
                .await?;
        }
        journal::write_all(conn, lines).await?;
        Ok(())
    }

    /// Gives new rows their ids.
    async fn number(&mut self, conn: &mut Connection) -> anyhow::Result<()> {
        let new: Vec<i64> = self.ids().into_iter().filter(|id| *id < 0).collect();
        let ids = next_ids(conn, "meetings", new.len()).await?;
        for (temporary, id) in new.iter().zip(ids) {
            if let Some(mut dossier) = self.dossiers.remove(temporary) {
                dossier.meeting.id = id;
                self.dossiers.insert(id, dossier);
            }
        }
        let new_copies = self.dossiers.values().flat_map(|d| &d.copies);
        let count = new_copies.filter(|c| c.id == 0).count();
        let mut ids = next_ids(conn, "copies", count).await?.into_iter();
        for (id, dossier) in &mut self.dossiers {
            for copy in &mut dossier.copies {
                copy.meeting_id = *id;
                if copy.id == 0 {
                    copy.id = ids.next().context("too few ids")?;
                }
            }
            for write in &mut dossier.writes {
                write.meeting_id = *id;
            }
            if let Some(debt) = &mut dossier.debt {
                debt.meeting_id = *id;
            }
        }
        Ok(())
    }
}

/// Returns whether a meeting has given up an identity that must be unique.
fn gives_up(known: &Meeting, meeting: &Meeting) -> bool {
    known.odoo_id.is_some() && known.odoo_id != meeting.odoo_id
        || known.ical_uid.is_some()
            && (&known.ical_uid, known.view_of) != (&meeting.ical_uid, meeting.view_of)
        || known.series_key.is_some() && known.series_key != meeting.series_key
}

#[derive(QueryableByName)]
struct NextId {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

async fn next_ids(conn: &mut Connection, table: &str, count: usize) -> anyhow::Result<Vec<i64>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let ids: Vec<NextId> = diesel::sql_query(
        "SELECT nextval(pg_get_serial_sequence($1, 'id')) AS id FROM generate_series(1, $2)",
    )
    .bind::<Text, _>(table)
    .bind::<BigInt, _>(i64::try_from(count)?)
    .load(conn)
    .await?;
    Ok(ids.into_iter().map(|row| row.id).collect())
}

async fn upsert_meetings(conn: &mut Connection, rows: &[Meeting]) -> QueryResult<()> {
    for rows in rows.chunks(ROWS) {
        let rows: Vec<_> = rows.iter().map(|row| (row, MeetingKeys::of(row))).collect();
        diesel::insert_into(m::meetings)
            .values(rows)
            .on_conflict(m::id)
            .do_update()
            .set((
                m::link.eq(excluded(m::link)),
                m::odoo_id.eq(excluded(m::odoo_id)),
                m::ical_uid.eq(excluded(m::ical_uid)),
                m::generation.eq(excluded(m::generation)),
                m::ended.eq(excluded(m::ended)),
                m::revived.eq(excluded(m::revived)),
                m::odoo_state.eq(excluded(m::odoo_state)),
                m::odoo_gone.eq(excluded(m::odoo_gone)),
                m::odoo_times.eq(excluded(m::odoo_times)),
                m::base_odoo.eq(excluded(m::base_odoo)),
                m::base_outlook.eq(excluded(m::base_outlook)),
                m::set_aside.eq(excluded(m::set_aside)),
                m::differs.eq(excluded(m::differs)),
                m::kept.eq(excluded(m::kept)),
                m::unconfirmed.eq(excluded(m::unconfirmed)),
                m::series_key.eq(excluded(m::series_key)),
                m::stock.eq(excluded(m::stock)),
                m::guests.eq(excluded(m::guests)),
                m::collected.eq(excluded(m::collected)),
                m::unsent.eq(excluded(m::unsent)),
                m::archived_for_outlook.eq(excluded(m::archived_for_outlook)),
                m::base_by_guest.eq(excluded(m::base_by_guest)),
                m::told.eq(excluded(m::told)),
                m::hour_began.eq(excluded(m::hour_began)),
                m::hour_writes.eq(excluded(m::hour_writes)),
                m::hour_noted.eq(excluded(m::hour_noted)),
                m::stub.eq(excluded(m::stub)),
                m::unread.eq(excluded(m::unread)),
                m::saved_by.eq(excluded(m::saved_by)),
                m::saved_at.eq(excluded(m::saved_at)),
                m::put_back.eq(excluded(m::put_back)),
                m::view_of.eq(excluded(m::view_of)),
                m::organizer_id.eq(excluded(m::organizer_id)),
                m::odoo_name.eq(excluded(m::odoo_name)),
                m::odoo_active.eq(excluded(m::odoo_active)),
                m::odoo_start.eq(excluded(m::odoo_start)),
                m::attendee_user_ids.eq(excluded(m::attendee_user_ids)),
                m::stock_state.eq(excluded(m::stock_state)),
                m::stock_microsoft_id.eq(excluded(m::stock_microsoft_id)),
                m::stock_immutable_id.eq(excluded(m::stock_immutable_id)),
                m::stock_translated.eq(excluded(m::stock_translated)),
            ))
            .execute(conn)
            .await?;
    }
    Ok(())
}

async fn upsert_copies(conn: &mut Connection, rows: &[Copy]) -> QueryResult<()> {
    for rows in rows.chunks(ROWS) {
        let rows: Vec<_> = rows.iter().map(|row| (row, CopyKeys::of(row))).collect();
        diesel::insert_into(c::copies)
            .values(rows)
            .on_conflict(c::id)
            .do_update()
            .set((
                c::meeting_id.eq(excluded(c::meeting_id)),
                c::change_key.eq(excluded(c::change_key)),
                c::is_organizer.eq(excluded(c::is_organizer)),
                c::state.eq(excluded(c::state)),
                c::wire.eq(excluded(c::wire)),
                c::modified_at.eq(excluded(c::modified_at)),
                c::seen_at.eq(excluded(c::seen_at)),
                c::gone.eq(excluded(c::gone)),
                c::cancelled.eq(excluded(c::cancelled)),
                c::answer.eq(excluded(c::answer)),
                c::answer_base.eq(excluded(c::answer_base)),
                c::slot_answers.eq(excluded(c::slot_answers)),
                c::slot_answers_base.eq(excluded(c::slot_answers_base)),
                c::stub.eq(excluded(c::stub)),
                c::unread.eq(excluded(c::unread)),
                c::calendar.eq(excluded(c::calendar)),
                c::series_id.eq(excluded(c::series_id)),
                c::is_series.eq(excluded(c::is_series)),
                c::ical_uid.eq(excluded(c::ical_uid)),
                c::title.eq(excluded(c::title)),
            ))
            .execute(conn)
            .await?;
    }
    Ok(())
}
