//! `POST token`: codes and refresh tokens are redeemed.

use super::id_token::id_token;
use super::scopes::{BAD_CLAIMS, OIDC, RESOURCE, claims, qualified, scopes};
use super::screen::aadsts;
use super::tenants::{app_serves, may_sign_in, tenant_known};
use crate::form::{Pairs, get};
use crate::state::{Access, App, Person, Refresh, World, hash, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{TimeDelta, Utc};
use rand::Rng;
use serde_json::{Value, json};
use url::form_urlencoded;

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

/// A token of the app itself, of nobody (page *v2-oauth2-client-creds-grant-flow*). It opens nothing
/// here, as application permissions are not in scope.
fn for_the_app(world: &mut World, fields: &Pairs) -> Result<Value, Refusal> {
    let scope = get(fields, "scope").unwrap_or_default();
    if !scope.ends_with("/.default") {
        return Err(no(
            "invalid_scope",
            1_002_012,
            &format!(
                "The provided value for scope '{scope}' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    }
    let access = format!("EwA{}", random(300));
    world.logins.issued.push(access.clone());
    Ok(json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": access}))
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
    if !["authorization_code", "refresh_token", "client_credentials"].contains(&grant) {
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
    if grant == "client_credentials" {
        return for_the_app(world, fields);
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
