//! What a user sees of further calendars. Each of their events is a meeting of its own for each user
//! ([`Meeting::view_of`](crate::store::meetings::Meeting)). An event that Odoo has already, as the
//! user's own calendar or a colleague's shows it, is not shown twice.

use std::collections::BTreeSet;

use super::{FoundMeeting, Page, ResolvedRow, link_of};
use crate::calendar::document::Document;
use crate::calendar::event::Address;
use crate::calendar::invitations::everybody;
use crate::mailbox::error::PullError;
use crate::outlook::wire::WireEvent;
use crate::planning::people::People;
use crate::store::Connection;
use crate::store::accounts::Account;
use crate::store::meetings::{Copy, Identities};
use crate::store::people::Person;
use crate::store::reason::Reason;
use crate::store::unit::UnitOfWork;

/// Ends the id of a copy that Outlook has not: what a view has left behind.
const LEFT: &str = "#left";

/// Reads the meetings with the `iCalUId`s of a page's events that are, or may be, in several
/// calendars.
pub(super) async fn load(
    conn: &mut Connection,
    people: &People,
    account: &Account,
    unit: &mut UnitOfWork,
    resolved_rows: &[ResolvedRow],
) -> Result<(), PullError> {
    let viewers: Vec<&Person> = people
        .persons()
        .filter(|person| !person.choices.to_choices().calendars.is_empty())
        .collect();
    let mut uids = BTreeSet::new();
    let mut users = BTreeSet::from([account.odoo_user_id]);
    let mut listed = |document: &Document| {
        let is_listed = |viewer: &&&Person| lists(document, &viewer.mailbox_addresses());
        let found = viewers.iter().filter(is_listed);
        users.extend(found.map(|viewer| viewer.odoo_user_id));
    };
    for resolved in resolved_rows {
        for event in resolved.events() {
            let known = unit.copy(account.id, &event.id);
            let is_known = known.is_some_and(|copy| !copy.gone && !copy.cancelled && !copy.unread);
            let was_elsewhere = known.is_some_and(|copy| copy.calendar != event.calendar);
            if is_known && !was_elsewhere || viewers.is_empty() && event.calendar.is_none() && !was_elsewhere
            {
                continue;
            }
            uids.extend(event.ical_uid.clone());
            if event.calendar.is_none()
                && let Ok(shown) = crate::outlook::wire::to_event(event)
            {
                listed(&Document::single(shown));
            }
        }
        if let ResolvedRow::Gone { id, .. } = resolved
            && !viewers.is_empty()
            && let Some(copy) = unit.copy(account.id, id)
        {
            let document = copy.document()?;
            let meeting_id = copy.meeting_id;
            uids.extend(
                unit.look(meeting_id)
                    .and_then(|dossier| dossier.meeting.ical_uid.clone()),
            );
            listed(&document);
        }
    }
    if uids.is_empty() {
        return Ok(());
    }
    let identities = Identities {
        uids: uids.iter().map(String::as_str).collect(),
        viewers: users.into_iter().collect(),
        ..Identities::default()
    };
    unit.read_identities(conn, &identities).await?;
    Ok(())
}

/// Returns whether somebody with one of these addresses takes part.
fn lists(document: &Document, addresses: &BTreeSet<Address>) -> bool {
    let organizer = document
        .master
        .organizer
        .as_ref()
        .map(|organizer| &organizer.address);
    organizer.is_some_and(|organizer| addresses.contains(organizer))
        || everybody(document).any(|address| addresses.contains(address))
}

impl Page<'_> {
    /// Returns the further calendar of an event, or `None` in it for the user's own; `None` if the
    /// event is in a calendar that nobody has chosen. What was in the user's own calendar and was
    /// moved to such a one stays as it was.
    pub(super) fn place_of(&self, event: &WireEvent, known: Option<&Copy>) -> Option<Option<String>> {
        let Some(calendar) = &event.calendar else {
            return Some(None);
        };
        if self.followed.contains(calendar) {
            return Some(event.calendar.clone());
        }
        let known = known?;
        Some(known.calendar.as_ref().map(|_| calendar.clone()))
    }

    /// Finds the meeting of an unknown event.
    pub(super) fn find_meeting_or_view(
        &mut self,
        event: &WireEvent,
        state: &Document,
    ) -> Result<FoundMeeting, PullError> {
        if event.calendar.is_none() {
            return self.find_meeting(event, state);
        }
        let Some(uid) = event.ical_uid.as_deref().filter(|uid| !uid.is_empty()) else {
            let title = super::title_of(event);
            self.put_aside(event, Some(Reason::WithoutUid { title }));
            return Ok(FoundMeeting::Nothing);
        };
        let user = self.account.odoo_user_id;
        if let Some(id) = self.unit.view_by_ical_uid(user, uid) {
            return Ok(FoundMeeting::Meeting(id));
        }
        if event.is_cancelled == Some(true) {
            return Ok(FoundMeeting::Nothing);
        }
        if let Some(id) = self.left_own_calendar(event, uid)? {
            return Ok(FoundMeeting::Meeting(id));
        }
        let before = self.account.ignore_before;
        if before.is_some_and(|before| event.created_date_time.is_some_and(|created| created < before)) {
            return Ok(FoundMeeting::Nothing);
        }
        let id = self.unit.create(None, Some(uid));
        self.unit.get(id)?.meeting.view_of = Some(user);
        Ok(FoundMeeting::Meeting(id))
    }

    /// Returns the meeting that has left the user's own calendar, if a client gave its event another
    /// id when it was moved to a further calendar, or if it was moved before a reset, after which no
    /// copy is known.
    fn left_own_calendar(&mut self, event: &WireEvent, uid: &str) -> Result<Option<i64>, PullError> {
        let Some(id) = self.unit.by_ical_uid(uid) else {
            return Ok(None);
        };
        let (account, user) = (self.account.id, self.account.odoo_user_id);
        let dossier = self.unit.get(id)?;
        let mut own = dossier.copies.iter().filter(|copy| copy.account_id == account);
        let has_left = if dossier.copies.is_empty() {
            dossier.meeting.organizer_in_odoo() == Some(user)
        } else {
            own.clone().next().is_some() && own.all(|copy| copy.gone)
        };
        let is_same = link_of(event).is_none_or(|link| link == dossier.meeting.link);
        let is_wanted = !dossier.meeting.ended || dossier.meeting.archived_for_outlook;
        Ok((has_left && is_same && is_wanted).then_some(id))
    }

    /// Returns whether Odoo has an event of a further calendar already: it is in the user's own
    /// calendar as well, or in a colleague's who lists the user.
    pub(super) fn is_shown_elsewhere(&mut self, event: &WireEvent) -> Result<bool, PullError> {
        let Some(id) = event
            .ical_uid
            .as_deref()
            .and_then(|uid| self.unit.by_ical_uid(uid))
        else {
            return Ok(false);
        };
        let (account, addresses) = (self.account.id, self.account.mailbox_addresses());
        let dossier = self.unit.get(id)?;
        for copy in dossier.copies.iter().filter(|copy| !copy.gone && !copy.cancelled) {
            if copy.account_id == account || lists(&copy.document()?, &addresses) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether a view that has ended stays so, as Odoo still has its event from elsewhere.
    pub(super) fn stays_hidden(&mut self, copy: &Copy, event: &WireEvent) -> Result<bool, PullError> {
        let is_view = self.unit.get(copy.meeting_id)?.meeting.view_of.is_some();
        if !copy.gone || !is_view || event.calendar.is_none() || !self.is_shown_elsewhere(event)? {
            return Ok(false);
        }
        if let Some(copy) = self
            .unit
            .get(copy.meeting_id)?
            .copy_mut(self.account.id, &copy.graph_id)
        {
            copy.unread = false;
        }
        Ok(true)
    }

    /// Ends the views of an event that has just come into somebody's own calendar.
    pub(super) fn hide_views(&mut self, meeting_id: i64, event: &WireEvent) -> Result<(), PullError> {
        let dossier = self.unit.get(meeting_id)?;
        if dossier.meeting.view_of.is_some() {
            return Ok(());
        }
        let Some(uid) = event.ical_uid.as_deref() else {
            return Ok(());
        };
        let Some(copy) = dossier.copy_mut(self.account.id, &event.id) else {
            return Ok(());
        };
        if copy.gone || copy.cancelled {
            return Ok(());
        }
        let document = copy.document()?;
        for view in self.unit.views_by_ical_uid(uid) {
            let (account, people) = (self.account.id, self.people);
            let dossier = self.unit.get(view)?;
            for copy in dossier.copies.iter_mut().filter(|copy| !copy.gone) {
                let is_listed = || {
                    people
                        .account(copy.account_id)
                        .is_some_and(|viewer| lists(&document, &viewer.mailbox_addresses()))
                };
                if copy.account_id == account || is_listed() {
                    copy.gone = true;
                    copy.unread = false;
                    self.touched.insert(view);
                }
            }
        }
        Ok(())
    }

    /// Lets the views of a meeting be read again after its event has left somebody's own calendar.
    pub(super) fn show_views_again(&mut self, meeting_id: i64) -> Result<(), PullError> {
        let meeting = &self.unit.get(meeting_id)?.meeting;
        let uid = meeting.ical_uid.clone().filter(|_| meeting.view_of.is_none());
        let Some(uid) = uid else { return Ok(()) };
        for view in self.unit.views_by_ical_uid(&uid) {
            let gone = self.unit.get(view)?.copies.iter_mut().filter(|copy| copy.gone);
            for copy in gone.filter(|copy| !copy.graph_id.ends_with(LEFT)) {
                copy.unread = true;
                self.wake.insert(copy.account_id);
            }
        }
        Ok(())
    }

    /// Makes a meeting of a view whose event was moved to the user's own calendar. If there is a
    /// meeting with its identity already, the view ends, and this returns `true`.
    pub(super) fn leaves_view(&mut self, copy: &Copy, event: &WireEvent) -> Result<bool, PullError> {
        let meeting = &self.unit.get(copy.meeting_id)?.meeting;
        if meeting.view_of.is_none() {
            return Ok(false);
        }
        let other = event
            .ical_uid
            .as_deref()
            .and_then(|uid| self.unit.by_ical_uid(uid));
        let view = self.unit.get(copy.meeting_id)?;
        if other.is_none() {
            view.meeting.view_of = None;
            view.meeting.ical_uid.clone_from(&event.ical_uid);
            return Ok(false);
        }
        // What it leaves behind, by which Odoo's record ends.
        view.copies.push(Copy {
            id: 0,
            graph_id: format!("{}{LEFT}", copy.graph_id),
            gone: true,
            unread: false,
            ..copy.clone()
        });
        self.touched.insert(copy.meeting_id);
        Ok(true)
    }
}
