//! Which accounts and apps a tenant's endpoint serves.

use crate::state::{App, CONSUMERS, Person, Tenant, World};

pub(super) fn tenant_known(world: &World, tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations" | "consumers")
        || tenant == CONSUMERS
        || world
            .tenants
            .iter()
            .any(|t| t.id == tenant || t.domain.eq_ignore_ascii_case(tenant))
}

pub(super) fn may_sign_in(world: &World, tenant: &str, person: &Person) -> bool {
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
pub(super) fn app_serves(world: &World, app: &App, tenant: &str) -> Result<(), (u32, String)> {
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
    let is_own = |t: &Tenant| t.id == *own && (t.id == tenant || t.domain.eq_ignore_ascii_case(tenant));
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
