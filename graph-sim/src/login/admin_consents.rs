//! Where an administrator consents for a whole tenant ("v2-admin-consent"), and what people see who may not consent themselves.

use super::request::{Ask, answer, examine_app};
use super::scopes::{scope_words, scopes};
use super::screen::{Screen, aadsts, error_page, frame};
use super::tenants::may_sign_in;
use crate::body_text::escape;
use crate::form::{Pairs, get, pairs};
use crate::state::{App, Person, World};

/// Under which a tenant's consent is kept.
pub(super) fn key(client: &str, tenant: &str) -> String {
    format!("{client}|{tenant}")
}

/// AADSTS90094: a page of its own. Only whoever goes back from it tells the app something, and that is that the user declined.
pub(super) fn need_approval(ask: &Ask, app: &App) -> Screen {
    let declined = answer(
        ask,
        &[
            ("error", "access_denied"),
            ("error_subcode", "cancel"),
            (
                "error_description",
                &aadsts(65004, "User declined to consent to access the app."),
            ),
        ],
    );
    let back = match declined {
        Screen::Redirect(url) => format!(
            "<a id=\"back\" href=\"{}\">Return to the application without granting consent</a>",
            escape(&url)
        ),
        Screen::Html(..) => String::new(),
    };
    let inner = format!(
        "<h1>Need admin approval</h1><p><b>{}</b> needs permission to access resources in your organization that only an admin can \
         grant. Please ask an admin to grant permission to this app before you can use it.</p><small>{}</small>{back}",
        escape(&app.name),
        escape(&aadsts(
            90094,
            "An administrator has set a policy that prevents you from granting the app the permissions it is requesting."
        )),
    );
    Screen::Html(400, frame("Need admin approval", &inner))
}

/// What an administrator is asked: the app and the scopes.
fn examine(world: &World, tenant: &str, query: &Pairs) -> Result<(Ask, Vec<String>), Screen> {
    if matches!(tenant, "common" | "consumers") {
        return Err(error_page(
            900_971,
            "The admin consent endpoint needs the tenant, or 'organizations': a personal account has no administrator.",
        ));
    }
    let ask = examine_app(world, tenant, query)?;
    let wanted = get(query, "scope").ok_or_else(|| {
        error_page(
            900_144,
            "The request body must contain the following parameter: 'scope'.",
        )
    })?;
    let wanted = scopes(wanted).map_err(|bad| {
        error_page(
            70011,
            &format!("The provided value for the input parameter 'scope' is not valid. The scope '{bad}' does not exist."),
        )
    })?;
    Ok((ask, wanted))
}

fn administrators<'a>(world: &'a World, tenant: &'a str) -> impl Iterator<Item = &'a Person> {
    world
        .people
        .iter()
        .filter(move |person| person.admin && !person.disabled && may_sign_in(world, tenant, person))
}

/// `GET adminconsent`: asks one of the tenant's administrators.
pub fn page(world: &World, tenant: &str, request: &str) -> Screen {
    let (ask, wanted) = match examine(world, tenant, &pairs(request)) {
        Ok(examined) => examined,
        Err(screen) => return screen,
    };
    let list: String = wanted
        .iter()
        .map(|scope| format!("<li>{}</li>", escape(scope_words(scope))))
        .collect();
    let accounts: String = administrators(world, tenant)
        .map(|person| {
            format!(
                "<button class=\"account\" name=\"account\" value=\"{a}\">Accept as {a}</button>",
                a = escape(&person.address)
            )
        })
        .collect();
    let inner = format!(
        "<h1>Permissions requested</h1><p>Review for your organization: <b>{}</b> would like to:</p><ul>{list}</ul>\
         <form method=\"post\" action=\"/{}/v2.0/adminconsent\"><input type=\"hidden\" name=\"request\" value=\"{}\">{accounts}\
         <button id=\"cancel\" name=\"account\" value=\"\">Cancel</button></form>",
        escape(&ask.client),
        escape(tenant),
        escape(request),
    );
    Screen::Html(200, frame("Permissions requested", &inner))
}

/// An administrator has decided.
pub fn decide(world: &mut World, tenant: &str, fields: &Pairs) -> Screen {
    let (ask, wanted) = match examine(world, tenant, &pairs(get(fields, "request").unwrap_or_default())) {
        Ok(examined) => examined,
        Err(screen) => return screen,
    };
    let Some(account) = get(fields, "account") else {
        return answer(
            &ask,
            &[
                ("admin_consent", "True"),
                ("error", "access_denied"),
                ("error_subcode", "cancel"),
                (
                    "error_description",
                    &aadsts(
                        65004,
                        "The resource owner or authorization server denied the request.",
                    ),
                ),
            ],
        );
    };
    let of_tenant = administrators(world, tenant)
        .find(|person| person.address.eq_ignore_ascii_case(account))
        .map(|person| person.tenant.clone());
    let Some(of_tenant) = of_tenant else {
        return error_page(
            90094,
            &format!("'{account}' may not consent on behalf of the organization."),
        );
    };
    let granted = world
        .logins
        .admin_consents
        .entry(key(&ask.client, &of_tenant))
        .or_default();
    granted.extend(wanted.iter().cloned());
    let scope = wanted.join(" ");
    answer(
        &ask,
        &[
            ("admin_consent", "True"),
            ("tenant", &of_tenant),
            ("scope", &scope),
        ],
    )
}
