//! The part of the control API about a mailbox's calendars, below `/sim/api/mailboxes/{address}/calendars`: what a
//! person does with them in Outlook.

use crate::call::Reply;
use crate::error::GraphError;
use crate::state::World;
use serde_json::{Map, Value, json};

/// Answers a request; `path` is what follows `calendars`.
pub(crate) fn handle(
    world: &mut World,
    method: &str,
    address: &str,
    path: &[&str],
    object: &dyn Fn() -> Result<Map<String, Value>, GraphError>,
) -> Result<Reply, GraphError> {
    match (method, path) {
        ("POST", []) => {
            let body = object()?;
            let name = body
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or("Other")
                .to_owned();
            let can_edit = body.get("canEdit").and_then(Value::as_bool).unwrap_or(true);
            // With `owner`, it is somebody's shared calendar.
            let owner = body.get("owner").and_then(Value::as_str).unwrap_or(address);
            let owner = world.person(owner).map_or_else(
                || (owner.to_owned(), owner.to_owned()),
                |p| (p.name.clone(), p.address.clone()),
            );
            let id = world.mailbox_mut(address)?.add_calendar(&name, can_edit, owner);
            Ok(Reply::json(201, json!({ "id": id })))
        }
        ("PATCH", [id]) => {
            let body = object()?;
            let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
            world.mailbox_mut(address)?.rename_calendar(id, name)?;
            Ok(Reply::json(200, json!({ "id": id, "name": name })))
        }
        ("DELETE", [id]) => {
            world.mailbox_mut(address)?.remove_calendar(id)?;
            Ok(Reply::empty(204))
        }
        _ => Err(GraphError::new(
            404,
            "SimNotFound",
            "There is no such path in the control API.",
        )),
    }
}
