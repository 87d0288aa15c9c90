//! A public address: passes connections on to a service, to several in turn, or closes them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// An address that exists before the service behind it does.
pub struct Proxy {
    pub url: String,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Proxy {
    /// Opens an address with nothing behind it.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let behind = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
        let target = Arc::clone(&behind);
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let to = {
                    let mut behind = target.lock().expect("not poisoned");
                    // They take turns.
                    behind.pop().inspect(|next| behind.insert(0, *next))
                };
                let Some(to) = to else { continue };
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect::<SocketAddr>(to).await {
                        // Either side may close.
                        let _copied = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self { url, behind }
    }

    /// Passes connections on to this address; `None` closes them.
    pub fn lead_to(&self, url: Option<&str>) {
        self.lead_to_all(&url.into_iter().collect::<Vec<_>>());
    }

    /// Passes connections on to these addresses in turn, whether or not they answer.
    pub fn lead_to_all(&self, urls: &[&str]) {
        let address = |url: &&str| {
            let host = url.trim_start_matches("http://");
            host.parse().expect("an address of this machine")
        };
        *self.behind.lock().expect("not poisoned") = urls.iter().map(address).collect();
    }
}
