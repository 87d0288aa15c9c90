//! An authorization request: what it holds, what can be wrong with it, and how it is answered.

use super::scopes::{BAD_CLAIMS, claims, qualified, scopes};
use super::screen::{Screen, aadsts, error_page, frame};
use super::tenants::{app_serves, tenant_known};
use crate::body_text::escape;
use crate::form::{Pairs, get};
use crate::state::{Claims, World};
use url::form_urlencoded;

/// An authorization request that may be answered by a redirect.
pub(super) struct Ask {
    pub(super) client: String,
    pub(super) redirect: String,
    pub(super) scopes: Vec<String>,
    pub(super) qualified: bool,
    pub(super) state: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) mode: String,
    pub(super) challenge: Option<(String, String)>,
    pub(super) claims: Claims,
}

/// What is wrong with any request that names an app and where to send the answer.
pub(super) fn examine_app(world: &World, tenant: &str, query: &Pairs) -> Result<Ask, Screen> {
    if !tenant_known(world, tenant) {
        return Err(error_page(
            90002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
        ));
    }
    let missing = |name: &str| {
        error_page(
            900_144,
            &format!("The request body must contain the following parameter: '{name}'."),
        )
    };
    let client = get(query, "client_id").ok_or_else(|| missing("client_id"))?;
    let app = world.apps.iter().find(|a| a.client_id == client).ok_or_else(|| {
        error_page(
            700_016,
            &format!("Application with identifier '{client}' was not found in the directory."),
        )
    })?;
    if let Err((number, text)) = app_serves(world, app, tenant) {
        return Err(error_page(number, &text));
    }
    let redirect = get(query, "redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    if !app.redirect_uris.iter().any(|u| u == redirect) {
        return Err(error_page(
            50011,
            &format!(
                "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application '{client}'."
            ),
        ));
    }
    Ok(Ask {
        client: client.to_owned(),
        redirect: redirect.to_owned(),
        scopes: Vec::new(),
        qualified: false,
        state: get(query, "state").map(str::to_owned),
        prompt: get(query, "prompt").map(str::to_owned),
        hint: get(query, "login_hint").map(str::to_owned),
        nonce: get(query, "nonce").map(str::to_owned),
        mode: get(query, "response_mode").unwrap_or("query").to_owned(),
        challenge: None,
        claims: None,
    })
}

/// Everything that can be wrong with an authorization request.
pub(super) fn examine(world: &World, tenant: &str, query: &Pairs) -> Result<Ask, Screen> {
    let mut ask = examine_app(world, tenant, query)?;
    let invalid = |ask: &Ask, number: u32, text: &str| refuse(ask, "invalid_request", number, text);
    if !["query", "fragment", "form_post"].contains(&ask.mode.as_str()) {
        let mode = std::mem::replace(&mut ask.mode, "query".into());
        return Err(invalid(
            &ask,
            90023,
            &format!("Unsupported response_mode '{mode}'."),
        ));
    }
    match get(query, "response_type") {
        Some("code") => {}
        None => {
            return Err(invalid(
                &ask,
                900_144,
                "The request body must contain the following parameter: 'response_type'.",
            ));
        }
        Some(other) => {
            return Err(refuse(
                &ask,
                "unsupported_response_type",
                700_051,
                &format!("response_type '{other}' is not enabled for the application."),
            ));
        }
    }
    let Some(scope) = get(query, "scope") else {
        return Err(invalid(
            &ask,
            900_144,
            "The request body must contain the following parameter: 'scope'.",
        ));
    };
    ask.qualified = qualified(scope);
    ask.scopes = match scopes(scope) {
        Ok(scopes) => scopes,
        Err(bad) => {
            return Err(refuse(
                &ask,
                "invalid_scope",
                70011,
                &format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope '{bad}' does not exist."
                ),
            ));
        }
    };
    if let Some(prompt) = &ask.prompt
        && !["login", "none", "consent", "select_account"].contains(&prompt.as_str())
    {
        return Err(invalid(
            &ask,
            90023,
            &format!("Unsupported 'prompt' value '{prompt}'."),
        ));
    }
    if let Some(challenge) = get(query, "code_challenge") {
        let method = get(query, "code_challenge_method").unwrap_or("plain");
        let fits = (43..=128).contains(&challenge.len())
            && challenge
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
        if !["S256", "plain"].contains(&method) || !fits {
            return Err(invalid(
                &ask,
                501_491,
                "Invalid size or value of Code_Challenge parameter or its method.",
            ));
        }
        ask.challenge = Some((challenge.to_owned(), method.to_owned()));
    } else if get(query, "code_challenge_method").is_some() {
        return Err(invalid(
            &ask,
            9_002_325,
            "Proof Key for Code Exchange needs a code_challenge.",
        ));
    }
    ask.claims = match claims(query) {
        Ok(claims) => claims,
        Err(()) => return Err(invalid(&ask, 90100, BAD_CLAIMS)),
    };
    Ok(ask)
}

pub(super) fn answer(ask: &Ask, fields: &[(&str, &str)]) -> Screen {
    let mut all: Vec<(&str, &str)> = fields.to_vec();
    if let Some(state) = &ask.state {
        all.push(("state", state));
    }
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&all)
        .finish();
    match ask.mode.as_str() {
        "form_post" => {
            let inputs: String = all
                .iter()
                .map(|(k, v)| {
                    format!(
                        "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                        escape(k),
                        escape(v)
                    )
                })
                .collect();
            Screen::Html(
                200,
                frame(
                    "Working...",
                    &format!(
                        "<form method=\"post\" action=\"{}\">{inputs}<button>Continue</button></form><script>document.forms[0].submit()</script>",
                        escape(&ask.redirect)
                    ),
                ),
            )
        }
        "fragment" => Screen::Redirect(format!("{}#{encoded}", ask.redirect)),
        _ => {
            let joint = if ask.redirect.contains('?') { '&' } else { '?' };
            Screen::Redirect(format!("{}{joint}{encoded}", ask.redirect))
        }
    }
}

pub(super) fn refuse(ask: &Ask, error: &str, number: u32, text: &str) -> Screen {
    answer(
        ask,
        &[("error", error), ("error_description", &aadsts(number, text))],
    )
}
