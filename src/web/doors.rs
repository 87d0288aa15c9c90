//! What every handler can reach, and how much it reads.

use ipnet::IpNet;

use super::{limits, methods};

/// The largest body that is read. The add-on cuts what it sends at two million bytes of changes and four of results, or at one
/// record, of eight million at most.
pub(super) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// The same before a key is known: pairing needs no more.
pub(super) const LARGEST_STRANGERS_BODY: usize = 64 * 1024;

/// What every handler can reach.
pub struct Doors {
    pub methods: methods::Methods,
    pub limits: limits::Limits,
    pub trusted_proxies: Vec<IpNet>,
}
