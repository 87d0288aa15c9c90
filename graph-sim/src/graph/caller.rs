//! Who calls: the token and its scopes.

use crate::call::Call;
use crate::error::GraphError;
use crate::state::{Person, World};
use chrono::{DateTime, Utc};

/// Who calls, and with which scopes.
pub(super) struct Caller {
    pub(super) person: Person,
    pub(super) scopes: Vec<String>,
    pub(super) client: String,
    /// When the token ends.
    pub(super) until: DateTime<Utc>,
}

impl Caller {
    /// Whom limits are counted for: the app and the mailbox.
    pub(super) fn and_mailbox(&self) -> String {
        format!("{}|{}", self.client, self.person.address.to_lowercase())
    }
}

pub(super) fn caller(world: &World, call: &Call) -> Result<Caller, GraphError> {
    let refuse = |message: &str| {
        let mut error = GraphError::new(401, "InvalidAuthenticationToken", message);
        error.headers.push((
            "WWW-Authenticate".into(),
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"".into(),
        ));
        error
    };
    let token = call.bearer().ok_or_else(|| refuse("Access token is empty."))?;
    let access = world
        .logins
        .access(token)
        .ok_or_else(|| refuse("IDX14100: JWT is not well formed, there are no dots (.)."))?;
    if access.expires <= Utc::now() {
        return Err(refuse("Lifetime validation failed, the token is expired."));
    }
    let person = world
        .person_by_id(&access.person)
        .ok_or_else(|| refuse("The identity of the calling user could not be established."))?;
    if person.disabled {
        return Err(refuse("The user account is disabled."));
    }
    if let Some(challenge) = &person.challenge
        && access.claims.as_ref() != Some(&challenge.claims)
    {
        return Err(GraphError::challenged(&challenge.claims));
    }
    Ok(Caller {
        person: person.clone(),
        scopes: access.scopes.clone(),
        client: access.client.clone(),
        until: access.expires,
    })
}

pub(super) fn needs(who: &Caller, any: &[&str]) -> Result<(), GraphError> {
    if who.scopes.iter().any(|s| any.contains(&s.as_str())) {
        Ok(())
    } else {
        Err(GraphError::access_denied())
    }
}
