//! What every handler uses, and how much of a body it reads.

use ipnet::IpNet;
use url::Url;

use super::{limits, methods};

/// The largest body that is read, in bytes. The add-on sends at most two million bytes of changes
/// and four million of results, or a single record of at most eight million.
pub(super) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// The largest body before a key is known, in bytes. Pairing needs no more.
pub(super) const LARGEST_BODY_WITHOUT_KEY: usize = 64 * 1024;

/// How the paths begin to which Microsoft sends notifications. A secret follows.
pub(super) const NOTIFICATIONS: &str = "/notifications/";

/// What every handler uses.
pub struct AppState {
    pub methods: methods::Methods,
    pub limits: limits::Limits,
    pub trusted_proxies: Vec<IpNet>,
    /// The service's own address, as others see it.
    pub public_url: Option<Url>,
}
