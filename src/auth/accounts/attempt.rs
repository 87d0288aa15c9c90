//! A login that has not ended: how it begins, and the state that Microsoft carries meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::auth::registrations::Opened;
use crate::engine::{Engine, now};
use crate::odoo::OdooError;
use crate::outlook::login::{Authorize, Prompt, random_verifier};
use crate::store::Connection;
use crate::store::databases::Database;
use crate::store::logins::{self, NewLogin, verifier_place};
use crate::store::seal::random_secret;

/// How long a person may take at Microsoft's login page.
const LOGIN_LIFE: TimeDelta = TimeDelta::minutes(30);

/// The answer to `res.users.authorize_url`.
#[derive(Debug, Serialize)]
pub struct AuthorizeAnswer {
    pub url: String,
}

/// The state that Microsoft carries. Odoo's own controller looks for `d` and `s`. `b` is the sealed
/// id of the login attempt, or of the attempt to consent for everybody ([`FOR_EVERYBODY`]), bound
/// to the database and the user.
#[derive(Serialize, Deserialize)]
struct CarriedState {
    d: String,
    s: String,
    b: String,
}

/// Prefix of the id of an attempt that is not a login.
const FOR_EVERYBODY: &str = "everybody:";

fn state_place(database: &Database, user_id: i32) -> String {
    format!("login state:{}:{user_id}", database.uuid)
}

/// The parameters of a new login.
pub(super) struct Begin<'a> {
    pub(super) registration: &'a Opened,
    pub(super) return_url: &'a str,
    pub(super) hint: Option<&'a str>,
    /// What Microsoft wanted the user's login to prove when it refused it.
    pub(super) claims: Option<&'a str>,
    pub(super) prompt: Option<Prompt>,
    pub(super) for_everybody: bool,
}

/// Stores a login attempt, and returns where it continues.
pub(super) async fn begin(
    conn: &mut Connection,
    engine: &Engine,
    database: &Database,
    user_id: i32,
    begin: Begin<'_>,
) -> Result<String, OdooError> {
    let redirect_uri = database.redirect_uri();
    let verifier = random_verifier();
    let oidc_nonce = random_secret();
    let id = Uuid::new_v4();
    let now = now();
    let kind = if begin.for_everybody { FOR_EVERYBODY } else { "" };
    let sealed_id = engine.sealer.seal(
        &state_place(database, user_id),
        &SecretString::from(format!("{kind}{id}")),
    )?;
    let carried = CarriedState {
        d: database.name.clone(),
        s: "calendar".to_owned(),
        b: URL_SAFE_NO_PAD.encode(sealed_id),
    };
    let login = NewLogin {
        id,
        database_id: database.id,
        odoo_user_id: user_id,
        verifier: engine.sealer.seal(&verifier_place(id), &verifier)?,
        oidc_nonce: &oidc_nonce,
        redirect_uri: &redirect_uri,
        return_url: begin.return_url,
        expires_at: now + LOGIN_LIFE,
        registration_id: begin.registration.row.id,
    };
    logins::start(conn, &login, now).await?;
    let state = json!(carried).to_string();
    let client_id = &begin.registration.row.client_id;
    let login = begin.registration.login(engine);
    if begin.for_everybody {
        let url = login.admin_consent_url(client_id, &redirect_uri, &state);
        return Ok(url.map_err(|e| OdooError::user(e.to_string()))?.to_string());
    }
    let request = Authorize {
        client_id,
        redirect_uri: &redirect_uri,
        state: &state,
        nonce: &oidc_nonce,
        verifier: &verifier,
        login_hint: begin.hint,
        claims: begin.claims,
        prompt: begin.prompt,
    };
    let url = login
        .authorize_url(&request)
        .map_err(|e| OdooError::user(e.to_string()))?;
    Ok(url.to_string())
}

/// The content of a state that this service has made.
pub(super) struct ReadState {
    pub(super) id: Uuid,
    pub(super) is_for_everybody: bool,
}

pub(super) fn read_state(
    engine: &Engine,
    database: &Database,
    user_id: i32,
    text: &str,
) -> Option<ReadState> {
    let carried: CarriedState = serde_json::from_str(text).ok()?;
    let sealed = URL_SAFE_NO_PAD.decode(carried.b).ok()?;
    let id = engine
        .sealer
        .open(&state_place(database, user_id), &sealed)
        .ok()?;
    let id = id.expose_secret();
    let everybodys = id.strip_prefix(FOR_EVERYBODY);
    Some(ReadState {
        id: Uuid::parse_str(everybodys.unwrap_or(id)).ok()?,
        is_for_everybody: everybodys.is_some(),
    })
}
