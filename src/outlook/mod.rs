//! Microsoft: who somebody is, and what is in their Outlook calendar.
//!
//! | file | what it is |
//! |---|---|
//! | [`login`] | signing in at the Microsoft identity platform: where to send a person, code and refresh token for tokens |
//! | [`wire`] | Graph's `event` as JSON, and the way from it to [`crate::calendar::event::Event`] and back |
//! | [`client`] | calls to Graph: delta, reading, writing, answering, batches |
//! | [`error`] | what can go wrong in such a call, in the words the sync decides by |
//!
//! Nothing here knows Odoo, keeps state between calls, or retries a write: a write whose outcome is not known
//! is the caller's to check. Pages named in comments are those of Microsoft's Graph and identity platform
//! documentation.

pub mod client;
pub mod error;
pub mod login;
pub mod text;
pub mod wire;

use std::time::Duration;

pub use client::GraphClient;
pub use error::GraphError;
pub use login::{LoginClient, LoginError};

/// The HTTP client for Microsoft, to be made once and cloned. It follows no redirect (a token must not travel
/// to another host) and gives up after 5 s without a connection and 30 s without an answer.
///
/// # Errors
/// If the system's certificates cannot be read.
///
/// # Panics
/// If no rustls crypto provider has been installed; `main` does that first.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("outlook-bridge/", env!("CARGO_PKG_VERSION")))
        .build()
}
