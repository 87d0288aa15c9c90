//! What the endpoints say of themselves.

use super::scopes::OIDC;
use crate::state::CONSUMERS;
use serde_json::{Value, json};

/// Returns a tenant's OpenID Connect metadata (OpenID Connect Discovery 1.0, section 3).
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
