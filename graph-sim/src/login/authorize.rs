//! Signing in: the account chooser, a person's consent, and the code for the app.

use super::admin_consents;
use super::request::{Ask, answer, examine, refuse};
use super::scopes::scope_words;
use super::screen::{Screen, error_page, form, frame};
use super::tenants::may_sign_in;
use crate::body_text::escape;
use crate::form::{Pairs, get, pairs};
use crate::state::{Code, Person, World, hash, random};
use chrono::{TimeDelta, Utc};
use std::collections::BTreeSet;

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

/// `POST consent`: the person has accepted or declined.
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
