//! Calendars, one's own and those that others share. Rules: "List calendars", "Get calendar", "Update calendar",
//! "Delete calendar".

use super::caller::Caller;
use super::paging::next_link;
use super::shared_calendars;
use crate::body_check;
use crate::call::{Answered, Call, Reply};
use crate::error::GraphError;
use crate::property;
use crate::query;
use crate::state::{Calendar, Role, World};
use serde_json::{Value, json};

/// What was selected of a calendar; its id always comes.
pub(super) fn keep_selected(calendar: &mut Value, call: &Call) {
    if let (Some(selected), Some(properties)) =
        (query::option(&call.query, "$select"), calendar.as_object_mut())
    {
        let is_selected = |name: &str| selected.split(',').any(|wanted| wanted.trim() == name);
        properties.retain(|name, _| name == "id" || name.starts_with('@') || is_selected(name));
    }
}

pub(super) fn calendars(world: &World, who: &Caller, call: &Call, context: &str) -> Answered {
    query::allow(
        &call.query,
        &["$top", "$skip", "$select", "$count", "$filter", "$orderby"],
    )?;
    let own = &world.mailbox(&who.person.address)?.calendars;
    let list: Vec<(Calendar, Option<Role>)> = own
        .iter()
        .map(|calendar| (calendar.clone(), None))
        .chain(shared_calendars::with(world, &who.person))
        .collect();
    let top = query::number(&call.query, "$top", 1, 1000)?.unwrap_or(10);
    let skip = query::number(&call.query, "$skip", 0, usize::MAX)?.unwrap_or(0);
    let owner = format!("{}@{}", who.person.id, who.person.tenant);
    let value: Vec<Value> = list
        .iter()
        .skip(skip)
        .take(top)
        .map(|(c, role)| {
            let mut out = world.calendar_json(c, &who.person);
            if let Some(role) = role {
                out["canViewPrivateItems"] = role.sees_private().into();
            }
            keep_selected(&mut out, call);
            out["@odata.id"] = format!("{}/v1.0/users('{owner}')/calendars('{}')", call.base, c.id).into();
            out
        })
        .collect();
    let context = format!("{}/v1.0/$metadata#{context}", call.base);
    let mut body = json!({"@odata.context": context, "value": value});
    if list.len() > skip.saturating_add(top) {
        body["@odata.nextLink"] = next_link(call, skip + top).into();
    }
    Ok(Reply::json(200, body))
}

/// "Update calendar": of what can be written, the simulator keeps the name.
pub(super) fn rename_calendar(world: &mut World, who: &Caller, call: &Call, id: &str) -> Answered {
    let body = call.object()?;
    body_check::check(&property::CALENDAR, &body)?;
    let mailbox = world.mailbox_mut(&who.person.address)?;
    match body.get("name") {
        None => {}
        Some(Value::String(name)) if !name.is_empty() => mailbox.rename_calendar(id, name)?,
        Some(_) => return Err(GraphError::body("The property 'name' is required.")),
    }
    let calendar = mailbox.calendar(id).cloned().ok_or_else(GraphError::not_found)?;
    Ok(Reply::json(200, world.calendar_json(&calendar, &who.person)))
}
