//! Calendars that their owners share or delegate (pages *outlook-get-shared-events-calendars* and
//! *outlook-create-event-in-shared-delegated-calendar*): in the owner's mailbox by `/users/{id}`, or among the calendars of the one it is
//! shared with.

use super::calendars::keep_selected;
use super::caller::Caller;
use super::mailbox;
use super::shared_calendars::entry;
use crate::call::{Answered, Call, Reply};
use crate::error::GraphError;
use crate::event::Content;
use crate::event_view::Prefer;
use crate::state::{Deed, Mailbox, Person, Role, World};

/// Answers what is asked of somebody else's calendar; `path` is what follows the owner.
pub(super) fn serve(
    world: &mut World,
    call: &Call,
    who: &Caller,
    prefer: &Prefer,
    owner: &Person,
    path: &[String],
) -> Answered {
    world.mailbox(&owner.address)?;
    let by = &who.person;
    let is_listed = call
        .segments
        .get(1)
        .is_none_or(|asked| !asked.eq_ignore_ascii_case(&owner.address) && *asked != owner.id);
    let lower: Vec<String> = path.iter().map(|s| s.to_ascii_lowercase()).collect();
    let inside: Vec<&str> = lower
        .iter()
        .map(|s| s.strip_prefix("microsoft.graph.").unwrap_or(s))
        .collect();
    let inside = match inside.as_slice() {
        ["calendar", rest @ ..] => rest,
        rest @ ["events" | "calendarview", ..] => rest,
        _ => return Err(GraphError::access_denied()),
    };
    let deed = match (call.method.as_str(), inside) {
        ("GET", _) => Deed::Read,
        (_, ["events", _, "accept" | "tentativelyaccept" | "decline"]) => Deed::Respond,
        _ => Deed::Write,
    };
    let role = world.let_in(by, &owner.address, deed, None)?;
    let id = match inside {
        ["events", _, ..] => path.get(path.len() - inside.len() + 1),
        _ => None,
    };
    let target = id.and_then(|id| world.mailbox(&owner.address).ok()?.find(id).ok());
    world.let_in(by, &owner.address, deed, target)?;
    let scope = |name: &str| who.scopes.iter().any(|scope| scope == name);
    let scopes = match (
        scope("Calendars.ReadWrite.Shared"),
        scope("Calendars.Read.Shared"),
    ) {
        (true, _) => vec!["Calendars.ReadWrite".to_owned()],
        (false, true) => vec!["Calendars.Read".to_owned()],
        (false, false) => Vec::new(),
    };
    let as_owner = Caller {
        person: owner.clone(),
        scopes,
        client: who.client.clone(),
        until: who.until,
    };
    let segments = ["users".to_owned(), owner.address.clone()];
    let call = Call {
        segments: segments.into_iter().chain(path.iter().cloned()).collect(),
        by: Some(by.address.clone()),
        ..call.clone()
    };
    // Reading changes nothing, so what is private is hidden for the time of it.
    let hides = deed == Deed::Read && !role.sees_private();
    let owners = world.mailbox_mut(&owner.address)?;
    let whole = hides.then(|| owners.clone());
    if hides {
        veil(owners);
    }
    let served = mailbox::serve(world, &call, &as_owner, prefer, 2);
    if let Some(whole) = whole {
        *world.mailbox_mut(&owner.address)? = whole;
    }
    let mut reply = served?;
    if inside.is_empty() {
        seen_by(world, &call, owner, (by, role, is_listed), &mut reply);
    }
    Ok(reply)
}

/// The calendar itself says what the one who asks may do in it.
fn seen_by(
    world: &World,
    call: &Call,
    owner: &Person,
    (by, role, is_listed): (&Person, Role, bool),
    reply: &mut Reply,
) {
    let (Some(body), Some(entry)) = (&mut reply.body, entry(world, owner, by, role)) else {
        return;
    };
    let own_id = body["id"].clone();
    let mut shown = world.calendar_json(&entry, owner);
    shown["canViewPrivateItems"] = role.sees_private().into();
    if !is_listed {
        shown["id"] = own_id;
    }
    keep_selected(&mut shown, call);
    shown["@odata.context"] = body["@odata.context"].take();
    *body = shown;
}

/// Leaves of what is private when it is, and whether the owner is free ("the owner's free/busy status in private events").
fn veil(mailbox: &mut Mailbox) {
    let hide = |content: &mut Content| {
        if content.sensitivity == "private" {
            content.subject.clear();
            content.body.clear();
            content.locations.clear();
            content.attendees.clear();
            content.attachments.clear();
            content.online_meeting = None;
            content.categories.clear();
        }
    };
    for event in mailbox.events.values_mut() {
        hide(&mut event.content);
        event.exceptions.values_mut().for_each(|x| hide(&mut x.content));
    }
}
