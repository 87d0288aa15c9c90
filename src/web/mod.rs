//! The doors: HTTP in, the engine behind. Nothing is decided here but who may come in.

mod caller;
mod doors;
mod health;
mod limits;
mod methods;
mod rpc;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use futures_util::future::try_join;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing_actix_web::TracingLogger;

use self::doors::Doors;
use crate::engine::Engine;

/// The threads that serve calls, and the most connections of each: below the 1024 files that a process may usually open.
const THREADS: usize = 2;
const CONNECTIONS: usize = 384;
/// The most connections that ask for health and numbers.
const ADMIN_CONNECTIONS: usize = 64;
/// How long the headers may take to come.
const HEADERS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a body that was refused is still thrown away: who is sending reads no answer.
const LINGER: Duration = Duration::from_secs(2);

/// Where is listened, and to whom.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Where Odoo calls.
    pub listen: String,
    /// Where health and numbers are asked for, if anywhere.
    pub admin_listen: Option<String>,
    /// Whose word counts for where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
}

/// The servers, bound and prepared; the caller awaits them.
pub struct Serving {
    calls: Server,
    pub addresses: Vec<SocketAddr>,
    /// Health and numbers.
    admin: Option<Server>,
    pub admin_addresses: Vec<SocketAddr>,
}

impl Serving {
    /// What stops them.
    pub fn handles(&self) -> Vec<ServerHandle> {
        let admin = self.admin.as_ref().map(Server::handle);
        [self.calls.handle()].into_iter().chain(admin).collect()
    }

    /// Runs them until they are stopped.
    ///
    /// # Errors
    /// When one of them ends otherwise.
    pub async fn run(self) -> std::io::Result<()> {
        match self.admin {
            Some(admin) => try_join(self.calls, admin).await.map(|_| ()),
            None => self.calls.await,
        }
    }
}

/// `model.method` of all that Odoo can call.
///
/// # Errors
/// When two have the same name.
pub fn method_names(engine: Engine) -> anyhow::Result<Vec<&'static str>> {
    Ok(methods::Methods::new(engine)?.names().collect())
}

/// Binds and prepares the servers. With a certificate calls are taken by HTTPS alone.
///
/// # Errors
/// When an address cannot be listened on.
pub fn serve(
    engine: Engine,
    metrics: PrometheusHandle,
    door: &Door,
    certificate: Option<&Arc<tls::Certificate>>,
) -> anyhow::Result<Serving> {
    let (admin, admin_addresses) = match &door.admin_listen {
        Some(listen) => {
            let (server, addresses) = serve_admin(engine.clone(), metrics, listen)?;
            (Some(server), addresses)
        }
        None => (None, Vec::new()),
    };
    let doors = web::Data::new(Doors {
        methods: methods::Methods::new(engine)?,
        limits: limits::Limits::new(),
        trusted_proxies: door.trusted_proxies.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(rpc::only_with_a_length))
            .wrap(from_fn(rpc::with_versions))
            .wrap(TracingLogger::<rpc::RequestSpan>::new())
            .app_data(web::Data::clone(&doors))
            .configure(routes)
    })
    .workers(THREADS)
    .max_connections(CONNECTIONS)
    .client_request_timeout(HEADERS_PATIENCE)
    .client_disconnect_timeout(LINGER)
    // The patience is for a connection's first headers; Odoo makes one for each call.
    .keep_alive(KeepAlive::Disabled)
    .disable_signals()
    .shutdown_timeout(10);
    let server = match certificate {
        Some(certificate) => server.bind_rustls_0_23(&door.listen, certificate.server_config()?),
        None => server.bind(&door.listen),
    };
    let server = server.with_context(|| format!("listening on {} (setting 'listen')", door.listen))?;
    let addresses = server.addrs();
    Ok(Serving {
        calls: server.run(),
        addresses,
        admin,
        admin_addresses,
    })
}

fn serve_admin(
    engine: Engine,
    metrics: PrometheusHandle,
    listen: &str,
) -> anyhow::Result<(Server, Vec<SocketAddr>)> {
    let seen = web::Data::new(health::Seen { engine, metrics });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(rpc::only_with_a_length))
            .app_data(web::Data::clone(&seen))
            .route("/health/live", web::get().to(health::live))
            .route("/health/ready", web::get().to(health::ready))
            .route("/metrics", web::get().to(health::metrics))
    })
    .workers(1)
    .max_connections(ADMIN_CONNECTIONS)
    .client_request_timeout(HEADERS_PATIENCE)
    .client_disconnect_timeout(LINGER)
    .keep_alive(KeepAlive::Disabled)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(listen)
    .with_context(|| format!("listening on {listen} (setting 'admin_listen')"))?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/jsonrpc")
                .route(web::post().to(rpc::jsonrpc))
                .default_service(web::to(rpc::only_post)),
        )
        .service(web::resource("/json/2/{model}/{method}").route(web::post().to(rpc::json2)));
}
