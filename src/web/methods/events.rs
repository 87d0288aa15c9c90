//! What a caller learns of one event of Odoo, and decides about it, under the event's own model.

use jsonrpsee::RpcModule;
use serde::Deserialize;
use serde_json::Value;

use super::{Caller, caller, read_arguments, state_of, to_object};
use crate::engine::Engine;
use crate::guards::preview::{self, AnswerRequest, Choice, One, PreviewRequest};
use crate::odoo::OdooError;
use crate::store::meetings;

/// An event by its id in Odoo, or a series by its key.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    ids: Vec<i64>,
    #[serde(default)]
    key: Option<String>,
}

impl Named {
    /// Returns the event, and the user who organizes it.
    ///
    /// # Errors
    /// `MissingError` if it is not known here, or if the caller's key is of a user who does not
    /// organize it: nobody learns which events others have.
    async fn find(self, engine: &Engine, caller: &Caller) -> Result<PreviewRequest, OdooError> {
        let unknown = || {
            OdooError::Missing(
                "The event does not exist, or its organizer is not synced."
                    .to_owned()
                    .into(),
            )
        };
        let res_id = match (self.ids.as_slice(), &self.key) {
            ([], Some(_)) => None,
            ([id], None) => Some(i32::try_from(*id).map_err(|_| unknown())?),
            _ => {
                return Err(OdooError::user(
                    "calendar.event: name one event by its id, or one series by its key.",
                ));
            }
        };
        let mut conn = engine.store.get().await?;
        let found =
            meetings::organizer_of(&mut conn, caller.database.id, res_id, self.key.as_deref()).await?;
        let user_id = found.ok_or_else(unknown)?;
        if caller.key.check_about(user_id).is_err() {
            return Err(unknown());
        }
        Ok(PreviewRequest {
            user_id,
            one: One {
                res_id,
                key: self.key,
            },
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    named: Named,
    choice: Choice,
    #[serde(default)]
    invite: bool,
    #[serde(default)]
    invitations: Option<i32>,
}

/// Registers the methods.
pub(super) fn register(module: &mut RpcModule<Engine>) -> anyhow::Result<()> {
    method!(
        module,
        "calendar.event.preview",
        |engine, caller, named: Named| {
            let request = named.find(&engine, caller).await?;
            preview::preview(&engine, &caller.database, &request).await?
        }
    );
    method!(
        module,
        "calendar.event.answer_preview",
        |engine, caller, answer: Answer| {
            let PreviewRequest { user_id, one } = answer.named.find(&engine, caller).await?;
            let request = AnswerRequest {
                user_id,
                one,
                choice: answer.choice,
                invite: answer.invite,
                invitations: answer.invitations,
            };
            preview::answer(&engine, &caller.database, &request).await?;
            state_of(&engine, caller, user_id).await?
        }
    );
    Ok(())
}
