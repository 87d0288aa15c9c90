//! Files that are attached to events, and the pictures inside their bodies (pages *attachment*, *fileAttachment*, *event: list
//! attachments*, *event: post attachments*, *attachment: get*, *attachment: delete*).
//!
//! Attaching mails nobody, and no guest sees it before the organizer's next update ("the organizer can subsequently update the event to
//! send the attachment").

use crate::body_check;
use crate::call::{Answered, Call, Reply};
use crate::error::GraphError;
use crate::event::{Attachment, Content, OWN_ATTACHMENTS};
use crate::event_view::instant;
use crate::meetings::exception;
use crate::property;
use crate::query;
use crate::state::{Cause, Target, World, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// "Limits the size of the attachment you can add to under 3 MB" (page *event: post attachments*).
const TOO_LARGE: usize = 3 * 1024 * 1024;
const FILE: &str = "#microsoft.graph.fileAttachment";

/// The id begins with that of the item.
fn id_of(item: &str, key: &str) -> String {
    format!("{item}Eg{key}=")
}

fn read(body: &Map<String, Value>, now: DateTime<Utc>) -> Result<Attachment, GraphError> {
    match body.get("@odata.type").and_then(Value::as_str) {
        Some(kind) if kind.eq_ignore_ascii_case(FILE) => {}
        Some(kind) if kind.to_ascii_lowercase().ends_with("attachment") => {
            return Err(GraphError::request(format!("The simulator attaches no {kind}.")));
        }
        // "attachment" itself is abstract.
        _ => {
            return Err(GraphError::body(
                "An entry with type 'microsoft.graph.attachment' was found, but it is abstract. Please specify the '@odata.type'.",
            ));
        }
    }
    body_check::check(&property::FILE_ATTACHMENT, body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| GraphError::body("The property 'name' is required."))?;
    let bytes =
        text("contentBytes").ok_or_else(|| GraphError::body("The property 'contentBytes' is required."))?;
    let decoded = STANDARD
        .decode(&bytes)
        .map_err(|_| GraphError::mistyped("contentBytes", "Edm.Binary"))?;
    if decoded.len() >= TOO_LARGE {
        return Err(GraphError::new(
            413,
            "RequestEntityTooLarge",
            "The attachment is too large.",
        ));
    }
    let inline = body.get("isInline");
    Ok(Attachment {
        key: random(12),
        name,
        content_type: text("contentType"),
        content_id: text("contentId"),
        inline: inline.is_some_and(|v| {
            v.as_bool() == Some(true) || v.as_str().is_some_and(|t| t.eq_ignore_ascii_case("true"))
        }),
        size: decoded.len(),
        bytes,
        modified: now,
    })
}

impl World {
    fn content(&self, address: &str, target: Target) -> Result<Content, GraphError> {
        let event = self
            .mailbox(address)?
            .held(target.key)
            .ok_or_else(GraphError::not_found)?;
        Ok(match target.day {
            Some(day) => event.occurrence(day),
            None => event.content.clone(),
        })
    }

    /// Attaches a file as Graph's JSON has it.
    pub(crate) fn attach(
        &mut self,
        address: &str,
        target: Target,
        body: &Map<String, Value>,
    ) -> Result<Attachment, GraphError> {
        let made = read(body, self.mailbox(address)?.now())?;
        self.change_attachments(address, target, |all| all.push(made.clone()))?;
        Ok(made)
    }

    /// Takes an attachment off by the end of its id.
    pub(crate) fn detach(&mut self, address: &str, target: Target, key: &str) -> Result<(), GraphError> {
        let content = self.content(address, target)?;
        if !content.attachments.iter().any(|one| one.key == key) {
            return Err(GraphError::not_found());
        }
        self.change_attachments(address, target, |all| all.retain(|one| one.key != key))
    }

    /// An update that says nothing new, as a person in Outlook sends it who has attached something.
    pub(crate) fn send_again(
        &mut self,
        address: &str,
        target: Target,
        cause: &Cause,
    ) -> Result<(), GraphError> {
        let importance = self.content(address, target)?.importance;
        let body = Map::from_iter([("importance".to_owned(), json!(importance))]);
        self.patch(address, target, &body, None, cause)
    }

    fn change_attachments(
        &mut self,
        address: &str,
        target: Target,
        change: impl FnOnce(&mut Vec<Attachment>),
    ) -> Result<(), GraphError> {
        let mut event = self.writable(address, target)?;
        let mailbox = self.mailbox_mut(address)?;
        match target.day {
            Some(day) => {
                let stamp = mailbox.stamp();
                let x = exception(&mut event, day, stamp);
                change(&mut x.content.attachments);
                x.own.insert(OWN_ATTACHMENTS.to_owned());
            }
            None => {
                change(&mut event.content.attachments);
                let now = event.content.attachments.clone();
                for x in event
                    .exceptions
                    .values_mut()
                    .filter(|x| !x.own.contains(OWN_ATTACHMENTS))
                {
                    x.content.attachments.clone_from(&now);
                    x.change = mailbox.stamp().change;
                }
            }
        }
        mailbox.replace(event);
        Ok(())
    }

    /// The attachments of an event as Graph tells them, of the item that `immutable` says by which id.
    pub fn attachments(
        &self,
        address: &str,
        target: Target,
        immutable: bool,
    ) -> Result<Vec<Value>, GraphError> {
        let mailbox = self.mailbox(address)?;
        let event = mailbox.held(target.key).ok_or_else(GraphError::not_found)?;
        let item = mailbox.id_of(event, target.day, immutable);
        let all = self.content(address, target)?.attachments;
        Ok(all.iter().map(|one| self.attachment_json(one, &item)).collect())
    }

    fn attachment_json(&self, one: &Attachment, item: &str) -> Value {
        json!({
            "@odata.type": FILE,
            "@odata.mediaContentType": one.content_type,
            "id": id_of(item, &one.key),
            "lastModifiedDateTime": instant(one.modified),
            "name": one.name,
            "contentType": one.content_type,
            "size": one.size,
            "isInline": one.inline && !self.switches.pictures_look_like_files,
            "contentId": one.content_id,
            "contentLocation": null,
            "contentBytes": one.bytes,
        })
    }
}

/// What every attachment has; the rest is selected of the derived type (page *attachment: get*).
const OF_ALL: [&str; 6] = [
    "id",
    "contentType",
    "isInline",
    "lastModifiedDateTime",
    "name",
    "size",
];

fn selected(call: &Call) -> Result<Option<Vec<String>>, GraphError> {
    query::allow(&call.query, &["$select"])?;
    let Some(text) = query::option(&call.query, "$select") else {
        return Ok(None);
    };
    let known = |name: &String| match name.strip_prefix("microsoft.graph.fileAttachment/") {
        Some(own) => property::FILE_ATTACHMENT
            .find(own)
            .map(|found| found.name.to_owned()),
        None => OF_ALL.contains(&name.as_str()).then(|| name.clone()),
    };
    let names = query::split_list(text, ',');
    let names = names.iter().map(|name| {
        known(name).ok_or_else(|| {
            GraphError::uri(format!(
                "Could not find a property named '{name}' on type 'microsoft.graph.attachment'."
            ))
        })
    });
    names.collect::<Result<_, _>>().map(Some)
}

fn cut_down(mut one: Value, select: Option<&[String]>) -> Value {
    if let (Value::Object(map), Some(select)) = (&mut one, select) {
        map.retain(|name, _| name == "@odata.type" || name == "id" || select.contains(name));
    }
    one
}

/// A request below `…/events/{id}/attachments`; `id` is that of one of them.
pub(crate) fn serve(
    world: &mut World,
    address: &str,
    call: &Call,
    immutable: bool,
    target: Target,
    id: Option<&str>,
) -> Answered {
    let context = format!("{}/v1.0/$metadata#users('me')/events/attachments", call.base);
    let find = |world: &World| {
        let asked = id.unwrap_or_default();
        let content = world.content(address, target)?;
        let mailbox = world.mailbox(address)?;
        let event = mailbox.held(target.key).ok_or_else(GraphError::not_found)?;
        let is_it = |key: &str| {
            [true, false]
                .iter()
                .any(|immutable| id_of(&mailbox.id_of(event, target.day, *immutable), key) == asked)
        };
        let all = content.attachments.into_iter();
        let found = all.map(|one| one.key).find(|key| is_it(key));
        found.ok_or_else(GraphError::not_found)
    };
    match (call.method.as_str(), id) {
        ("GET", None) => {
            let select = selected(call)?;
            let all = world.attachments(address, target, immutable)?.into_iter();
            let value: Vec<Value> = all.map(|one| cut_down(one, select.as_deref())).collect();
            Ok(Reply::json(
                200,
                json!({"@odata.context": context, "value": value}),
            ))
        }
        ("GET", Some(_)) => {
            let select = selected(call)?;
            let key = find(world)?;
            let content = world.content(address, target)?;
            let all = world.attachments(address, target, immutable)?.into_iter();
            let one = all.zip(&content.attachments).find(|(_, one)| one.key == key);
            let (one, _) = one.ok_or_else(GraphError::not_found)?;
            let mut one = cut_down(one, select.as_deref());
            one["@odata.context"] = format!("{context}/$entity").into();
            Ok(Reply::json(200, one))
        }
        ("POST", None) => {
            query::allow(&call.query, &[])?;
            let made = world.attach(address, target, &call.object()?)?;
            let all = world.attachments(address, target, immutable)?;
            let mut one = all.into_iter().next_back().ok_or_else(GraphError::not_found)?;
            one["@odata.context"] = format!("{context}/$entity").into();
            let at = format!(
                "{}{}/{}",
                call.base,
                call.url,
                one["id"].as_str().unwrap_or(&made.key)
            );
            let mut reply = Reply::json(201, one);
            reply.headers.push(("Location".into(), at));
            Ok(reply)
        }
        ("DELETE", Some(_)) => {
            let key = find(world)?;
            world.detach(address, target, &key)?;
            Ok(Reply::empty(204))
        }
        _ => Err(GraphError::not_found()),
    }
}
