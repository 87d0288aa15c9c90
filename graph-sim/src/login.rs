//! The Microsoft identity platform's v2.0 endpoint: sign-in page, consent, tokens.
//! Rules: "v2-oauth2-auth-code-flow", "reference-error-codes", "refresh-tokens", "id-token-claims-reference".

pub mod admin_consents;
mod authorize;
mod id_token;
mod metadata;
mod request;
mod scopes;
mod screen;
mod tenants;
mod token;

pub use authorize::{authorize, consent, select};
pub use metadata::{instance, metadata};
pub use screen::Screen;
pub use token::{Refusal, token};
