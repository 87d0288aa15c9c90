//! The Microsoft identity platform's v2.0 endpoint: sign-in page, consent, tokens.
//! Rules: "v2-oauth2-auth-code-flow", "reference-error-codes", "refresh-tokens", "id-token-claims-reference".

pub mod admin_consents;

use crate::body_text::escape;
use crate::form::{Pairs, get, pairs};
use crate::state::{Access, App, CONSUMERS, Claims, Code, Person, Refresh, World, hash, random};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use rand::Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use url::form_urlencoded;

/// `Err`: it is no object.
fn claims(fields: &Pairs) -> Result<Claims, ()> {
    let read = |text: &str| serde_json::from_str(text).map_err(|_| ());
    get(fields, "claims").map(read).transpose()
}

const BAD_CLAIMS: &str = "The 'claims' parameter is empty or not valid.";

/// What the browser gets.
pub enum Screen {
    Html(u16, String),
    Redirect(String),
}

/// An authorization request that may be answered by a redirect.
struct Ask {
    client: String,
    redirect: String,
    scopes: Vec<String>,
    qualified: bool,
    state: Option<String>,
    prompt: Option<String>,
    hint: Option<String>,
    nonce: Option<String>,
    mode: String,
    challenge: Option<(String, String)>,
    claims: Claims,
}

const OIDC: &[&str] = &["openid", "profile", "email", "offline_access"];
const GRAPH: &[&str] = &[
    "User.Read",
    "User.ReadBasic.All",
    "Calendars.Read",
    "Calendars.ReadBasic",
    "Calendars.ReadWrite",
    "Calendars.Read.Shared",
    "Calendars.ReadWrite.Shared",
    "MailboxSettings.Read",
    "MailboxSettings.ReadWrite",
    "OnlineMeetings.ReadWrite",
    "Contacts.Read",
    "Mail.Send",
];

const RESOURCE: &str = "https://graph.microsoft.com/";

/// Were the scopes asked for with their resource? They come back as they were asked for ("on-behalf-of flow" page,
/// success response), and MSAL finds a token in its cache only under that spelling.
fn qualified(text: &str) -> bool {
    text.split_whitespace().any(|scope| scope.starts_with(RESOURCE))
}

/// Scopes in their short spelling; `Err` names the first that does not exist.
fn scopes(text: &str) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::new();
    for given in text.split_whitespace() {
        let bare = given
            .strip_prefix(RESOURCE)
            .or_else(|| given.strip_prefix("https://outlook.office.com/"))
            .unwrap_or(given);
        if bare == ".default" {
            out.extend(["User.Read".to_owned(), "Calendars.ReadWrite".to_owned()]);
            continue;
        }
        let known = OIDC.iter().chain(GRAPH).find(|s| s.eq_ignore_ascii_case(bare));
        let known = (*known.ok_or_else(|| given.to_owned())?).to_owned();
        if !out.contains(&known) {
            out.push(known);
        }
    }
    Ok(out)
}

fn aadsts(number: u32, text: &str) -> String {
    format!(
        "AADSTS{number}: {text}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
        uuid::Uuid::new_v4(),
        uuid::Uuid::new_v4(),
        Utc::now().format("%Y-%m-%d %H:%M:%SZ")
    )
}

fn frame(title: &str, inner: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>\
body{{font:16px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1f2328;margin:0;display:grid;place-items:center;min-height:100vh}}\
main{{background:#fff;padding:2.5rem;width:26rem;max-width:90vw;border-radius:6px;box-shadow:0 2px 12px #0002;box-sizing:border-box}}\
h1{{font-size:1.4rem;margin:.2rem 0 1rem}}small{{color:#57606a}}form{{margin:0}}\
button{{font:inherit;padding:.6rem 1rem;border:1px solid #8c959f;border-radius:4px;background:#fff;cursor:pointer}}\
.account{{display:block;width:100%;text-align:left;margin:.15rem 0 .9rem}}.primary{{background:#0f6cbd;color:#fff;border-color:#0f6cbd}}\
.row{{display:flex;gap:.8rem;justify-content:flex-end;margin-top:1.5rem}}li{{margin:.3rem 0}}pre{{white-space:pre-wrap;font-size:.85rem}}\
</style></head><body><main><small>Simulated Microsoft account</small>{inner}</main></body></html>"
    )
}

fn error_page(number: u32, text: &str) -> Screen {
    let body = format!(
        "<h1>Sorry, but we’re having trouble signing you in.</h1><pre id=\"error\">{}</pre>",
        escape(&aadsts(number, text))
    );
    Screen::Html(400, frame("Sign in to your account", &body))
}

fn answer(ask: &Ask, fields: &[(&str, &str)]) -> Screen {
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

fn refuse(ask: &Ask, error: &str, number: u32, text: &str) -> Screen {
    answer(
        ask,
        &[("error", error), ("error_description", &aadsts(number, text))],
    )
}

fn tenant_known(world: &World, tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations" | "consumers")
        || tenant == CONSUMERS
        || world
            .tenants
            .iter()
            .any(|t| t.id == tenant || t.domain.eq_ignore_ascii_case(tenant))
}

fn may_sign_in(world: &World, tenant: &str, person: &Person) -> bool {
    match tenant {
        "common" => true,
        "organizations" => !person.is_personal(),
        "consumers" => person.is_personal(),
        other => {
            person.tenant == other
                || world
                    .tenants
                    .iter()
                    .any(|t| t.id == person.tenant && t.domain.eq_ignore_ascii_case(other))
        }
    }
}

/// An app of a single tenant is known in that one alone, and refuses the endpoints for all
/// ("reference-error-codes", AADSTS50194, AADSTS700016).
fn app_serves(world: &World, app: &App, tenant: &str) -> Result<(), (u32, String)> {
    let Some(own) = &app.tenant else { return Ok(()) };
    if matches!(tenant, "common" | "organizations" | "consumers") {
        return Err((
            50194,
            format!(
                "Application '{}'({}) is not configured as a multi-tenant application. Usage of the /common endpoint is not \
                 supported for such apps created after '10/15/2018'. Use a tenant-specific endpoint or configure the \
                 application to be multi-tenant.",
                app.client_id, app.name
            ),
        ));
    }
    let is_own =
        |t: &crate::state::Tenant| t.id == *own && (t.id == tenant || t.domain.eq_ignore_ascii_case(tenant));
    if own == tenant || world.tenants.iter().any(is_own) {
        return Ok(());
    }
    Err((
        700_016,
        format!(
            "Application with identifier '{}' was not found in the directory '{tenant}'.",
            app.client_id
        ),
    ))
}

/// What is wrong with any request that names an app and where to send the answer.
fn examine_app(world: &World, tenant: &str, query: &Pairs) -> Result<Ask, Screen> {
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
fn examine(world: &World, tenant: &str, query: &Pairs) -> Result<Ask, Screen> {
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

fn scope_words(scope: &str) -> &str {
    match scope {
        "openid" => "Sign you in",
        "profile" => "View your basic profile",
        "email" => "View your email address",
        "offline_access" => "Maintain access to data you have given it access to",
        "User.Read" => "Sign you in and read your profile",
        "Calendars.Read" => "Read your calendars",
        "Calendars.ReadWrite" => "Have full access to your calendars",
        other => other,
    }
}

fn form(tenant: &str, step: &str, request: &str, inner: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/{}/oauth2/v2.0/{step}\"><input type=\"hidden\" name=\"request\" value=\"{}\">{inner}</form>",
        escape(tenant),
        escape(request)
    )
}

/// `GET authorize`: the account chooser.
pub fn authorize(world: &World, tenant: &str, request: &str) -> Screen {
    let query = pairs(request);
    let ask = match examine(world, tenant, &query) {
        Ok(ask) => ask,
        Err(screen) => return screen,
    };
    if ask.prompt.as_deref() == Some("none") {
        // No browser session is kept, so nobody is ever signed in already.
        return refuse(
            &ask,
            "login_required",
            50058,
            "A silent sign-in request was sent but no user is signed in.",
        );
    }
    let mut people: Vec<&Person> = world
        .people
        .iter()
        .filter(|p| may_sign_in(world, tenant, p))
        .collect();
    let hinted = |p: &Person| {
        ask.hint
            .as_deref()
            .is_some_and(|h| h.eq_ignore_ascii_case(p.sign_in_name()))
    };
    people.sort_by_key(|p| !hinted(p));
    let accounts: String = people
        .iter()
        .map(|p| {
            let class = if hinted(p) { "account primary" } else { "account" };
            format!(
                "<small>{}</small><button class=\"{class}\" name=\"account\" value=\"{a}\">{a}</button>",
                escape(&p.name),
                a = escape(p.sign_in_name())
            )
        })
        .collect();
    let inner = format!(
        "<h1>Pick an account</h1>{}",
        form(tenant, "select", request, &accounts)
    );
    Screen::Html(200, frame("Sign in to your account", &inner))
}

fn consent_key(ask: &Ask, person: &Person) -> String {
    format!("{}|{}", ask.client, person.id)
}

/// The account was picked: consent, or straight back to the app.
pub fn select(world: &mut World, tenant: &str, fields: &Pairs) -> Screen {
    let request = get(fields, "request").unwrap_or_default();
    let ask = match examine(world, tenant, &pairs(request)) {
        Ok(ask) => ask,
        Err(screen) => return screen,
    };
    let account = get(fields, "account").unwrap_or_default();
    let person = match eligible(world, tenant, account) {
        Ok(person) => person,
        Err(screen) => return screen,
    };
    let app = world.apps.iter().find(|a| a.client_id == ask.client).cloned();
    let Some(app) = app else {
        return error_page(700_016, "Application was not found in the directory.");
    };
    let by_admin = world
        .logins
        .admin_consents
        .get(&admin_consents::key(&ask.client, &person.tenant));
    let is_settled = |granted: Option<&BTreeSet<String>>| {
        granted.is_some_and(|granted| ask.scopes.iter().all(|scope| granted.contains(scope)))
    };
    let for_all = is_settled(by_admin);
    if app.admin_consent_required && !for_all && !person.admin {
        return admin_consents::need_approval(&ask, &app);
    }
    let settled = for_all || is_settled(world.logins.consents.get(&consent_key(&ask, &person)));
    if settled && ask.prompt.as_deref() != Some("consent") {
        return grant(world, &ask, &person);
    }
    let list: String = ask
        .scopes
        .iter()
        .map(|s| format!("<li>{}</li>", escape(scope_words(s))))
        .collect();
    let inner = format!(
        "<h1>Permissions requested</h1><p><b>{}</b> would like to:</p><ul>{list}</ul><small>{}</small>{}",
        escape(if app.name.is_empty() {
            &app.client_id
        } else {
            &app.name
        }),
        escape(person.sign_in_name()),
        form(
            tenant,
            "consent",
            request,
            &format!(
                "<input type=\"hidden\" name=\"account\" value=\"{}\"><div class=\"row\">\
<button id=\"cancel\" name=\"decision\" value=\"cancel\">Cancel</button>\
<button id=\"accept\" class=\"primary\" name=\"decision\" value=\"accept\">Accept</button></div>",
                escape(person.sign_in_name())
            )
        )
    );
    Screen::Html(200, frame("Permissions requested", &inner))
}

fn eligible(world: &World, tenant: &str, account: &str) -> Result<Person, Screen> {
    let person = world.signing_in(account).cloned().ok_or_else(|| {
        error_page(
            50034,
            &format!("The user account {account} does not exist in the directory."),
        )
    })?;
    if !may_sign_in(world, tenant, &person) {
        return Err(error_page(
            50020,
            &format!("User account '{account}' from identity provider does not exist in tenant '{tenant}'."),
        ));
    }
    if person.disabled {
        return Err(error_page(50057, "The user account is disabled."));
    }
    Ok(person)
}

pub fn consent(world: &mut World, tenant: &str, fields: &Pairs) -> Screen {
    let request = get(fields, "request").unwrap_or_default();
    let ask = match examine(world, tenant, &pairs(request)) {
        Ok(ask) => ask,
        Err(screen) => return screen,
    };
    let person = match eligible(world, tenant, get(fields, "account").unwrap_or_default()) {
        Ok(person) => person,
        Err(screen) => return screen,
    };
    if get(fields, "decision") != Some("accept") {
        return refuse(
            &ask,
            "access_denied",
            65004,
            "User declined to consent to access the app.",
        );
    }
    let known = world
        .logins
        .consents
        .entry(consent_key(&ask, &person))
        .or_default();
    known.extend(ask.scopes.iter().cloned());
    grant(world, &ask, &person)
}

fn grant(world: &mut World, ask: &Ask, person: &Person) -> Screen {
    let code = format!("M.C5_BAY.2.U.{}", random(48));
    world.logins.issued.push(code.clone());
    let now = Utc::now();
    world
        .logins
        .codes
        .retain(|_, c| c.expires > now - TimeDelta::hours(1));
    world.logins.codes.insert(
        hash(&code),
        Code {
            client: ask.client.clone(),
            person: person.id.clone(),
            redirect: ask.redirect.clone(),
            scopes: ask.scopes.clone(),
            qualified: ask.qualified,
            challenge: ask.challenge.clone(),
            nonce: ask.nonce.clone(),
            expires: now + TimeDelta::seconds(world.switches.code_seconds),
            used: false,
            claims: ask.claims.clone(),
        },
    );
    answer(ask, &[("code", &code)])
}

/// An OAuth error answer of the documented shape.
pub struct Refusal {
    pub status: u16,
    pub body: Value,
}

fn no(error: &str, number: u32, text: &str) -> Refusal {
    let description = aadsts(number, text);
    let part = |name: &str| {
        description
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .map(|s| s.trim_start_matches(": ").to_owned())
    };
    let mut body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": part("Timestamp"),
        "trace_id": part("Trace ID"),
        "correlation_id": part("Correlation ID"),
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    if error == "interaction_required" {
        body["suberror"] = "basic_action".into();
    }
    // So seen live, with "invalid_grant" (AuthJanitor#87, oauth2-microsoft#31).
    if number == 65001 {
        body["suberror"] = "consent_required".into();
    }
    Refusal {
        status: if error == "invalid_client" { 401 } else { 400 },
        body,
    }
}

fn client<'a>(world: &'a World, fields: &Pairs, basic: Option<&str>) -> Result<&'a App, Refusal> {
    let header = basic
        .and_then(|h| STANDARD.decode(h.trim()).ok())
        .and_then(|b| String::from_utf8(b).ok())
        .and_then(|t| t.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())))
        .map(|(a, b)| {
            // RFC 6749 2.3.1: both parts are form-encoded inside the header.
            let decode = |s: &str| {
                form_urlencoded::parse(format!("x={}", s.replace('+', "%2B").replace('&', "%26")).as_bytes())
                    .next()
                    .map_or_else(String::new, |(_, v)| v.into_owned())
            };
            (decode(&a), decode(&b))
        });
    let id = get(fields, "client_id")
        .or(header.as_ref().map(|h| h.0.as_str()))
        .ok_or_else(|| {
            no(
                "invalid_request",
                900_144,
                "The request body must contain the following parameter: 'client_id'.",
            )
        })?;
    let app = world.apps.iter().find(|a| a.client_id == id).ok_or_else(|| {
        no(
            "unauthorized_client",
            700_016,
            &format!("Application with identifier '{id}' was not found in the directory."),
        )
    })?;
    let secret = get(fields, "client_secret").or(header.as_ref().map(|h| h.1.as_str()));
    if app.secret.is_empty() {
        return match secret {
            None => Ok(app),
            Some(_) => Err(no(
                "invalid_client",
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            )),
        };
    }
    match secret {
        None => Err(no(
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
        Some(s) if s != app.secret => Err(no(
            "invalid_client",
            7_000_215,
            &format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{id}'."
            ),
        )),
        Some(_) if app.secret_expired => Err(no(
            "invalid_client",
            7_000_222,
            &format!(
                "The provided client secret keys for app '{id}' are expired. Create new keys for your app."
            ),
        )),
        Some(_) => Ok(app),
    }
}

/// What a person's state does to any redemption.
fn person_ok(person: &Person) -> Result<(), Refusal> {
    if person.disabled {
        return Err(no("invalid_grant", 50057, "The user account is disabled."));
    }
    let Some(number) = person.token_error else {
        return Ok(());
    };
    let (error, text) = match number {
        50076 | 50079 | 50074 => (
            "interaction_required",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication.",
        ),
        53000..=53003 => (
            "interaction_required",
            "Access has been blocked by Conditional Access policies.",
        ),
        65001 => (
            "invalid_grant",
            "The user or administrator has not consented to use the application.",
        ),
        50173 => (
            "invalid_grant",
            "The provided grant has expired due to it being revoked.",
        ),
        50196 => (
            "invalid_grant",
            "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.",
        ),
        70043 => (
            "invalid_grant",
            "The refresh token has expired or is invalid due to sign-in frequency checks.",
        ),
        700_082 => (
            "invalid_grant",
            "The refresh token has expired due to inactivity.",
        ),
        _ => ("invalid_grant", "The grant is not valid."),
    };
    Err(no(error, number, text))
}

/// `POST token`. The mailbox address, where known, goes to the request log.
pub fn token(
    world: &mut World,
    tenant: &str,
    fields: &Pairs,
    basic: Option<&str>,
    base: &str,
) -> (Result<Value, Refusal>, Option<String>) {
    let mut address = None;
    let result = redeem(world, tenant, fields, basic, base, &mut address);
    (result, address)
}

fn redeem(
    world: &mut World,
    tenant: &str,
    fields: &Pairs,
    basic: Option<&str>,
    base: &str,
    address: &mut Option<String>,
) -> Result<Value, Refusal> {
    if !tenant_known(world, tenant) {
        return Err(no(
            "invalid_request",
            90002,
            &format!("Tenant '{tenant}' not found."),
        ));
    }
    let grant = get(fields, "grant_type").ok_or_else(|| {
        no(
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'grant_type'.",
        )
    })?;
    if !["authorization_code", "refresh_token"].contains(&grant) {
        return Err(no(
            "unsupported_grant_type",
            70003,
            &format!("The app requested an unsupported grant type '{grant}'."),
        ));
    }
    let app = client(world, fields, basic)?.clone();
    if let Err((number, text)) = app_serves(world, &app, tenant) {
        let error = if number == 50194 {
            "invalid_request"
        } else {
            "unauthorized_client"
        };
        return Err(no(error, number, &text));
    }
    let now = Utc::now();
    let asked = match get(fields, "scope").map(scopes) {
        None => None,
        Some(Ok(list)) => Some(list),
        Some(Err(bad)) => {
            return Err(no(
                "invalid_scope",
                70011,
                &format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope '{bad}' does not exist."
                ),
            ));
        }
    };
    let missing = |name: &str| {
        no(
            "invalid_request",
            900_144,
            &format!("The request body must contain the following parameter: '{name}'."),
        )
    };
    let claims = claims(fields).map_err(|()| no("invalid_request", 90100, BAD_CLAIMS))?;
    let (person, granted, spelling, nonce, old, proven) = if grant == "authorization_code" {
        let text = get(fields, "code").ok_or_else(|| missing("code"))?;
        let redirect = get(fields, "redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
        let code = world.logins.codes.get_mut(&hash(text)).ok_or_else(|| {
            no(
                "invalid_grant",
                70000,
                "The provided value for the 'code' parameter is not valid.",
            )
        })?;
        if code.client != app.client_id {
            return Err(no(
                "invalid_grant",
                700_005,
                "Provided Authorization Code is intended to use against other tenant or application, thus rejected.",
            ));
        }
        if code.used {
            return Err(no(
                "invalid_grant",
                54005,
                "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
            ));
        }
        if code.expires <= now {
            return Err(no(
                "invalid_grant",
                70008,
                "The provided authorization code or refresh token has expired.",
            ));
        }
        if code.redirect != redirect {
            return Err(no(
                "invalid_grant",
                500_112,
                "The reply address does not match the reply address provided when requesting Authorization code.",
            ));
        }
        if let Some((challenge, method)) = &code.challenge {
            let verifier = get(fields, "code_verifier").unwrap_or_default();
            let derived = if method == "S256" {
                hash(verifier)
            } else {
                verifier.to_owned()
            };
            if derived != *challenge {
                return Err(no(
                    "invalid_grant",
                    501_481,
                    "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
                ));
            }
        }
        code.used = true;
        (
            code.person.clone(),
            code.scopes.clone(),
            code.qualified,
            code.nonce.clone(),
            None,
            code.claims.clone(),
        )
    } else {
        let text = get(fields, "refresh_token").ok_or_else(|| missing("refresh_token"))?;
        let key = hash(text);
        let token = world
            .logins
            .refresh
            .get(&key)
            .filter(|t| t.client == app.client_id)
            .ok_or_else(|| {
                no(
                    "invalid_grant",
                    70000,
                    "The provided value for the 'refresh_token' parameter is not valid.",
                )
            })?;
        *address = world.person_by_id(&token.person).map(|p| p.address.clone());
        if token.revoked {
            return Err(no(
                "invalid_grant",
                50173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
            ));
        }
        if token.expires <= now {
            return Err(no(
                "invalid_grant",
                700_082,
                "The refresh token has expired due to inactivity.",
            ));
        }
        (
            token.person.clone(),
            token.scopes.clone(),
            token.qualified,
            None,
            Some(key),
            token.claims.clone(),
        )
    };
    let person = world.person_by_id(&person).cloned().ok_or_else(|| {
        no(
            "invalid_grant",
            50034,
            "The user account does not exist in the directory.",
        )
    })?;
    *address = Some(person.address.clone());
    person_ok(&person)?;
    if let (Some(challenge), Some(_)) = (&person.challenge, &claims)
        && challenge.interactive
        && proven.as_ref() != Some(&challenge.claims)
    {
        return Err(no(
            "interaction_required",
            50076,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication.",
        ));
    }
    // What a session has proven, its later tokens prove as well.
    let claims = claims.or(proven);
    if !may_sign_in(world, tenant, &person) {
        return Err(no(
            "invalid_grant",
            50020,
            &format!("User account from identity provider does not exist in tenant '{tenant}'."),
        ));
    }
    if let Some(asked) = &asked
        && let Some(extra) = asked
            .iter()
            .find(|s| !granted.contains(s) && !OIDC.contains(&s.as_str()))
    {
        return Err(no(
            "invalid_grant",
            65001,
            &format!(
                "The user or administrator has not consented to use the application for the scope '{extra}'."
            ),
        ));
    }
    if let Some(key) = old
        && world.switches.refresh_rotation_revokes
        && let Some(token) = world.logins.refresh.get_mut(&key)
    {
        token.revoked = true;
    }
    let effective = asked
        .filter(|a| a.iter().any(|s| !OIDC.contains(&s.as_str())))
        .unwrap_or_else(|| granted.clone());
    let life = world
        .switches
        .access_token_seconds
        .unwrap_or_else(|| rand::rng().random_range(3600..=5400));
    let access = format!("EwB{}", random(300));
    world.logins.issued.push(access.clone());
    let full = get(fields, "scope").map_or(spelling, qualified);
    let spelled: Vec<String> = effective
        .iter()
        .filter(|s| *s != "offline_access")
        .map(|s| {
            if full && !OIDC.contains(&s.as_str()) {
                format!("{RESOURCE}{s}")
            } else {
                s.clone()
            }
        })
        .collect();
    let mut body = json!({
        "token_type": "Bearer",
        "scope": spelled.join(" "),
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": access,
    });
    world
        .logins
        .access
        .retain(|_, t| t.expires > now - TimeDelta::hours(1));
    world.logins.access.insert(
        hash(&access),
        Access {
            client: app.client_id.clone(),
            person: person.id.clone(),
            scopes: effective,
            expires: now + TimeDelta::seconds(life),
            claims: claims.clone(),
        },
    );
    if granted.iter().any(|s| s == "offline_access") {
        let refresh = format!("M.C5_BAY.0.U.-{}", random(200));
        world.logins.issued.push(refresh.clone());
        world.logins.refresh.insert(
            hash(&refresh),
            Refresh {
                client: app.client_id.clone(),
                person: person.id.clone(),
                scopes: granted.clone(),
                qualified: spelling,
                expires: now + TimeDelta::seconds(world.switches.refresh_token_seconds),
                revoked: false,
                claims,
            },
        );
        body["refresh_token"] = refresh.into();
    }
    if granted.iter().any(|s| s == "openid") {
        body["id_token"] = id_token(&app, &person, &granted, nonce.as_deref(), base, life).into();
    }
    Ok(body)
}

const SIGNING_KEY: &[u8] = b"graph-sim signs identity tokens with this well-known key";

/// HMAC-SHA256 (RFC 2104); the key is shorter than a block.
fn sign(message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..SIGNING_KEY.len()].copy_from_slice(SIGNING_KEY);
    let inner: Vec<u8> = block
        .iter()
        .map(|b| b ^ 0x36)
        .chain(message.iter().copied())
        .collect();
    let outer: Vec<u8> = block
        .iter()
        .map(|b| b ^ 0x5c)
        .chain(Sha256::digest(&inner))
        .collect();
    Sha256::digest(&outer).to_vec()
}

fn id_token(
    app: &App,
    person: &Person,
    scopes: &[String],
    nonce: Option<&str>,
    base: &str,
    life: i64,
) -> String {
    let has = |s: &str| scopes.iter().any(|g| g == s);
    let now = Utc::now().timestamp();
    let mut claims = json!({
        "ver": "2.0",
        "iss": format!("{base}/{}/v2.0", person.tenant),
        // Pairwise: another app sees another subject.
        "sub": hash(&format!("{}|{}", app.client_id, person.id)),
        "aud": app.client_id,
        "tid": person.tenant,
        "iat": now,
        "nbf": now,
        "exp": now + life,
    });
    if has("profile") {
        claims["oid"] = person.id.clone().into();
        claims["name"] = person.name.clone().into();
        claims["preferred_username"] = person.sign_in_name().into();
    }
    if has("email") {
        claims["email"] = person.address.clone().into();
    }
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let head = URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": "HS256"}).to_string());
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signature = URL_SAFE_NO_PAD.encode(sign(format!("{head}.{body}").as_bytes()));
    format!("{head}.{body}.{signature}")
}

pub fn metadata(tenant: &str, base: &str) -> Value {
    // The metadata of `common` names no tenant (access-tokens page).
    let issuer = match tenant {
        "common" | "organizations" => "{tenantid}",
        "consumers" => CONSUMERS,
        other => other,
    };
    json!({
        "issuer": format!("{base}/{issuer}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "scopes_supported": OIDC,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "oid", "email", "ver"],
    })
}

/// Under which names this cloud is known: MSAL asks before it looks into its cache. Shape: MSAL's
/// `InstanceDiscoveryResponse` and `InstanceDiscoveryMetadataEntry`.
pub fn instance(base: &str) -> Value {
    json!({
        "tenant_discovery_endpoint": format!("{base}/common/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_a_short_spelling() {
        assert_eq!(
            scopes("openid https://graph.microsoft.com/Calendars.ReadWrite"),
            Ok(vec!["openid".to_owned(), "Calendars.ReadWrite".to_owned()])
        );
        assert_eq!(scopes("openid Nonsense.All"), Err("Nonsense.All".to_owned()));
    }
}
