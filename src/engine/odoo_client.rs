//! Requests to Odoo, whose address its administrators choose. No request may reach an inner service
//! of the operator. The address of a name is checked when the connection is made, so that it cannot
//! change in between.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, bail};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder, Response};
use url::{Host, Url};

/// Networks without public addresses: this machine, private and shared networks, link-local
/// networks with the clouds' metadata, multicast, and networks that embed an IPv4 address.
static INNER: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
    .iter()
    .filter_map(|net| net.parse().ok())
    .collect()
});

/// The networks that an Odoo on the same machine needs.
pub const THIS_MACHINE: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// The HTTP client for Odoo. It follows no redirect.
#[derive(Clone)]
pub struct OdooClient {
    http: Client,
    allowed: Arc<Vec<IpNet>>,
}

impl OdooClient {
    /// Makes the client. `allowed` are networks where an Odoo may be, besides public addresses.
    ///
    /// # Errors
    /// If the system's certificates cannot be read.
    pub fn new(allowed: Vec<IpNet>) -> anyhow::Result<Self> {
        let allowed = Arc::new(allowed);
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would connect to any address, unchecked.
            .no_proxy()
            .dns_resolver(Arc::new(Guarded(Arc::clone(&allowed))))
            .user_agent(concat!("outlook-bridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("building the HTTP client for Odoo")?;
        Ok(Self { http, allowed })
    }

    /// Prepares a POST.
    ///
    /// # Errors
    /// When requests to this address are not allowed.
    pub fn post(&self, url: &str) -> anyhow::Result<RequestBuilder> {
        Ok(self.http.post(self.checked(url)?))
    }

    /// Makes a GET.
    ///
    /// # Errors
    /// When requests to this address are not allowed, or nobody answers.
    pub async fn look(&self, url: &str) -> anyhow::Result<Response> {
        Ok(self.http.get(self.checked(url)?).send().await?)
    }

    /// Parses a URL. [`Guarded`] checks the addresses of names; an address in place of a name is
    /// checked here.
    fn checked(&self, url: &str) -> anyhow::Result<Url> {
        let url = Url::parse(url)?;
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match address.filter(|address| !is_allowed(*address, &self.allowed)) {
            Some(address) => bail!(refusal(address)),
            None => Ok(url),
        }
    }
}

/// Returns whether a request failed because its address is not allowed.
pub fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains(REFUSED) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The part of a refusal by which it is recognized inside the errors of the HTTP client.
const REFUSED: &str = "is in a network that the Outlook bridge makes no requests to";

fn is_allowed(address: IpAddr, allowed: &[IpNet]) -> bool {
    let address = address.to_canonical();
    allowed.iter().any(|net| net.contains(&address)) || !INNER.iter().any(|net| net.contains(&address))
}

fn refusal(address: IpAddr) -> String {
    format!(
        "{address} {REFUSED}, as Odoo's address is chosen by Odoo's \
         administrators; if an Odoo is there, name the network in the setting allow_odoo_on"
    )
}

/// Resolves names to addresses to which connections are allowed.
struct Guarded(Arc<Vec<IpNet>>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut good = found.clone();
            good.retain(|address| is_allowed(address.ip(), &allowed));
            match (good.is_empty(), found.first()) {
                (true, Some(address)) => Err(refusal(address.ip()).into()),
                _ => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, nets: &[&str]) -> bool {
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        is_allowed(address.parse().unwrap(), &nets)
    }

    #[test]
    fn every_inner_network_can_be_read() {
        assert_eq!(INNER.len(), 20);
    }

    #[test]
    fn inner_addresses_are_refused_unless_their_network_is_named() {
        for inner in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fd00:ec2::254",
            "fe80::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
        ] {
            assert!(!allowed(inner, &[]), "{inner}");
        }
        for public in ["93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1"] {
            assert!(allowed(public, &[]), "{public}");
        }
        assert!(allowed("127.0.0.1", &THIS_MACHINE) && allowed("::1", &THIS_MACHINE));
        assert!(!allowed("169.254.169.254", &THIS_MACHINE));
        assert!(allowed("10.1.2.3", &["10.1.0.0/16"]) && !allowed("10.2.2.3", &["10.1.0.0/16"]));
        assert!(allowed("::ffff:10.1.2.3", &["10.1.0.0/16"]));
    }
}
