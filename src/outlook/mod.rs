//! Microsoft: login, and access to Outlook's calendar.
//!
//! | file | what it is |
//! |---|---|
//! | [`login`] | login at the Microsoft identity platform: the address of the login page, tokens for a code or a refresh token |
//! | [`wire`] | Graph's `event` as JSON, and its translation from and to [`crate::calendar::event::Event`] |
//! | [`client`] | calls to Graph: delta, reading, writing, responding, batches |
//! | [`error`] | the errors of such a call, divided by what the sync does about them |
//!
//! Nothing here knows Odoo, keeps state between calls, or retries a write: if the outcome of a
//! write is unknown, the caller has to check it. Pages named in comments are pages of Microsoft's
//! documentation of Graph and the identity platform.

pub mod client;
pub mod error;
pub mod login;
pub mod text;
pub mod wire;

use std::time::Duration;

pub use client::GraphClient;
pub use error::GraphError;
pub use login::{LoginClient, LoginError};

/// Returns the HTTP client for Microsoft, to be made once and cloned. It follows no redirect, as a
/// token must not be sent to another host. It gives up after 5 s without a connection and 30 s
/// without an answer.
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
