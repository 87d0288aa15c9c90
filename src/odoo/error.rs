//! Errors in the shape that Odoo's own JSON-RPC controllers answer with (`odoo/http.py`, `serialize_exception`).

use serde_json::{Value, json};

use crate::words::Said;

/// The error that a caller receives. The text of every variant but `Internal` is for a person and
/// contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum OdooError {
    /// Bad input, or something a person must put right.
    #[error("{0}")]
    User(Said),
    /// A turn that did not come: Odoo's `UserError`, to be tried again.
    #[error("{0}")]
    Busy(Said),
    /// A wrong key, code, or database.
    #[error("{0}")]
    AccessDenied(String),
    /// A valid key that does not open this.
    #[error("{0}")]
    Access(String),
    /// A session that has ended, or that never was.
    #[error("Session expired")]
    SessionExpired,
    /// A record or user that does not exist.
    #[error("{0}")]
    Missing(Said),
    /// An unknown model or method.
    #[error("the method '{0}' does not exist")]
    NotFound(String),
    /// Our own fault; the cause is logged, never sent.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

impl OdooError {
    /// A `UserError` with these words.
    pub fn user(words: impl Into<Said>) -> Self {
        Self::User(words.into())
    }

    /// A `MissingError` with these words.
    pub fn missing(words: impl Into<Said>) -> Self {
        Self::Missing(words.into())
    }

    /// Returns its sentence, if it has one: the add-on says it in its reader's language.
    fn words(&self) -> Option<Value> {
        match self {
            Self::User(said) | Self::Busy(said) | Self::Missing(said) => said.to_json(),
            _ => None,
        }
    }

    /// The name of the Python exception that Odoo would have raised.
    pub fn exception_name(&self) -> &'static str {
        match self {
            Self::User(_) | Self::Busy(_) => "odoo.exceptions.UserError",
            Self::AccessDenied(_) => "odoo.exceptions.AccessDenied",
            Self::Access(_) => "odoo.exceptions.AccessError",
            Self::SessionExpired => "odoo.http.SessionExpiredException",
            Self::Missing(_) => "odoo.exceptions.MissingError",
            Self::NotFound(_) => "werkzeug.exceptions.NotFound",
            Self::Internal(_) => "builtins.Exception",
        }
    }

    /// Returns the status for `/json/2`, which, unlike JSON-RPC, uses HTTP statuses.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::User(_) => 422,
            Self::Busy(_) => 429,
            Self::AccessDenied(_) => 401,
            Self::Access(_) | Self::SessionExpired => 403,
            Self::Missing(_) | Self::NotFound(_) => 404,
            Self::Internal(_) => 500,
        }
    }

    /// The JSON-RPC code: Odoo 19 answers 404 for what is not found, 100 for a session that has
    /// ended, and 0 for all else.
    pub fn code(&self) -> i32 {
        match self {
            Self::NotFound(_) => 404,
            Self::SessionExpired => 100,
            _ => 0,
        }
    }

    /// `error.data`, and the whole body of a failed `/json/2` call.
    pub fn data(&self) -> Value {
        let message = self.to_string();
        // Odoo's own errors have a context, too, for what only some callers understand.
        let context = self
            .words()
            .map_or_else(|| json!({}), |words| json!({"words": words}));
        json!({
            "name": self.exception_name(),
            "message": message,
            "arguments": [message],
            "context": context,
            "debug": "",
        })
    }

    /// The `error` member of a JSON-RPC answer.
    pub fn to_json(&self) -> Value {
        let message = match self {
            Self::NotFound(_) => "404: Not Found",
            Self::SessionExpired => "Odoo Session Expired",
            _ => "Odoo Server Error",
        };
        json!({"code": self.code(), "message": message, "data": self.data()})
    }
}

impl From<anyhow::Error> for OdooError {
    /// Words for a person stay what they are.
    fn from(cause: anyhow::Error) -> Self {
        cause.downcast().unwrap_or_else(Self::Internal)
    }
}

impl From<diesel::result::Error> for OdooError {
    fn from(cause: diesel::result::Error) -> Self {
        Self::Internal(cause.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::say;

    #[test]
    fn words_for_a_person_survive_other_layers() {
        let error = OdooError::from(anyhow::Error::from(OdooError::user("Do this.")));
        assert!(matches!(error, OdooError::User(words) if words.message == "Do this."));
    }

    #[test]
    fn a_sentence_comes_with_its_text() {
        let error = OdooError::user(say::refusal_taken("ann@contoso.com"));
        let data = error.data();
        assert_eq!(
            data["message"],
            "The mailbox ann@contoso.com is connected already, by another user of this Odoo."
        );
        assert_eq!(
            data["context"],
            json!({"words": {"code": "refusal_taken", "args": {"login": "ann@contoso.com"}}})
        );
        assert_eq!(OdooError::user("Do this.").data()["context"], json!({}));
    }

    #[test]
    fn an_internal_fault_tells_nothing_of_its_cause() {
        let error = OdooError::Internal(anyhow::anyhow!("password=hunter2"));
        assert!(!error.to_json().to_string().contains("hunter2"));
        assert_eq!(error.to_json()["data"]["name"], "builtins.Exception");
    }
}
