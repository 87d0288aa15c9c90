//! The address of a caller, as far as it can be trusted.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The longest part of a caller's text in a log line.
const LONGEST_IN_LOG: usize = 64;

/// Returns the address of the caller. A proxy's statement counts only if the proxy is trusted.
pub fn address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    behind_proxies(peer.to_canonical(), request.headers(), trusted)
}

/// Finds the caller's address. Each proxy appends its caller's address, so the last one that is not
/// a trusted proxy is the caller.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut caller = peer;
    if !is_trusted(caller) {
        return caller;
    }
    let lines: Vec<&str> = headers
        .get_all("X-Forwarded-For")
        .filter_map(|line| line.to_str().ok())
        .collect();
    for word in lines.join(",").rsplit(',') {
        let Ok(address) = word.trim().parse::<IpAddr>() else {
            return caller;
        };
        caller = address.to_canonical();
        if !is_trusted(caller) {
            return caller;
        }
    }
    caller
}

/// Returns the address range that counts as one source: a single IPv4 address, or the IPv6 network
/// of a single customer.
pub fn rate_limit_source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Shortens a caller's text for a log line. The line's format escapes it.
pub fn shorten(words: &str) -> &str {
    words
        .char_indices()
        .nth(LONGEST_IN_LOG)
        .map_or(words, |(end, _)| &words[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for".parse().unwrap(), line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_proxy_is_believed_only_if_it_is_trusted_and_only_what_it_added() {
        assert_eq!(
            seen("192.0.2.7", &["198.51.100.9"]),
            "192.0.2.7",
            "anybody may say so"
        );
        assert_eq!(seen("10.0.0.2", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(seen("10.0.0.2", &[]), "10.0.0.2");
        let forged = ["203.0.113.5, 198.51.100.9", "10.0.0.3"];
        assert_eq!(
            seen("10.0.0.2", &forged),
            "198.51.100.9",
            "what the caller made up is before it"
        );
        assert_eq!(seen("::1", &["nonsense"]), "::1");
        assert_eq!(seen("10.0.0.2", &["::ffff:198.51.100.9"]), "198.51.100.9");
    }

    #[test]
    fn a_customers_ipv6_network_is_one_source() {
        let source = |text: &str| super::rate_limit_source(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"é".repeat(100)).chars().count(), LONGEST_IN_LOG);
    }
}
