//! The HTTP endpoints in front of the engine. They decide only who may call.

mod access;
mod app_state;
mod arguments;
mod caller;
mod describe;
mod faults;
mod health;
mod limits;
mod methods;
mod notifications;
mod rpc;
mod sessions;
pub mod table;
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
use url::Url;

use self::app_state::AppState;
use crate::engine::Engine;

/// The threads that serve calls, and the most connections of each. The total is below the 1024
/// files that a process may usually open.
const THREADS: usize = 2;
const CONNECTIONS: usize = 384;
/// The most connections for health and metrics.
const ADMIN_CONNECTIONS: usize = 64;
/// How long the headers may take to arrive.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the rest of a refused body is read and dropped: a client that is still sending does not
/// read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Where the service listens, and whom it trusts.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The address that Odoo calls.
    pub listen: String,
    /// The address for health and metrics, if there is one.
    pub admin_listen: Option<String>,
    /// The proxies that may say where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// The service's own address, as others see it, if it is set.
    pub public_url: Option<Url>,
}

/// The servers, bound and prepared; the caller awaits them.
pub struct Serving {
    calls: Server,
    pub addresses: Vec<SocketAddr>,
    /// The server for health and metrics.
    admin: Option<Server>,
    pub admin_addresses: Vec<SocketAddr>,
}

impl Serving {
    /// Returns the handles that stop the servers.
    pub fn handles(&self) -> Vec<ServerHandle> {
        let admin = self.admin.as_ref().map(Server::handle);
        [self.calls.handle()].into_iter().chain(admin).collect()
    }

    /// Runs the servers until they are stopped.
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

/// Returns `model.method` of every method that Odoo can call.
///
/// # Errors
/// When two have the same name.
pub fn method_names(engine: Engine) -> anyhow::Result<Vec<&'static str>> {
    Ok(methods::Methods::new(engine)?.names().collect())
}

/// Binds and prepares the servers. With a certificate, only HTTPS is accepted for calls.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve(
    engine: Engine,
    metrics: PrometheusHandle,
    http: &HttpSettings,
    certificate: Option<&Arc<tls::Certificate>>,
) -> anyhow::Result<Serving> {
    let (admin, admin_addresses) = match &http.admin_listen {
        Some(listen) => {
            let (server, addresses) = serve_admin(engine.clone(), metrics, listen)?;
            (Some(server), addresses)
        }
        None => (None, Vec::new()),
    };
    let state = web::Data::new(AppState {
        methods: methods::Methods::new(engine)?,
        limits: limits::Limits::new(),
        trusted_proxies: http.trusted_proxies.clone(),
        public_url: http.public_url.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(rpc::require_content_length))
            .wrap(from_fn(rpc::add_version_headers))
            .wrap(TracingLogger::<rpc::RequestSpan>::new())
            .app_data(web::Data::clone(&state))
            .configure(routes)
    })
    .workers(THREADS)
    .max_connections(CONNECTIONS)
    .client_request_timeout(HEADERS_TIMEOUT)
    .client_disconnect_timeout(LINGER)
    // The timeout applies to a connection's first headers only; Odoo opens a connection for each
    // call.
    .keep_alive(KeepAlive::Disabled)
    .disable_signals()
    .shutdown_timeout(10);
    let server = match certificate {
        Some(certificate) => server.bind_rustls_0_23(&http.listen, certificate.server_config()?),
        None => server.bind(&http.listen),
    };
    let server = server.with_context(|| format!("listening on {} (setting 'listen')", http.listen))?;
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
    let seen = web::Data::new(health::HealthState { engine, metrics });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(rpc::require_content_length))
            .app_data(web::Data::clone(&seen))
            .route("/health/live", web::get().to(health::live))
            .route("/health/ready", web::get().to(health::ready))
            .route("/metrics", web::get().to(health::metrics))
    })
    .workers(1)
    .max_connections(ADMIN_CONNECTIONS)
    .client_request_timeout(HEADERS_TIMEOUT)
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
                .default_service(web::to(rpc::answer_other_methods)),
        )
        .service(web::resource("/json/2/openapi.json").route(web::get().to(describe::open_api)))
        .service(web::resource("/doc-bearer/index.json").route(web::get().to(describe::index)))
        .service(web::resource("/doc-bearer/{model}.json").route(web::get().to(describe::model)))
        .service(web::resource("/web/webclient/version_info").route(web::post().to(sessions::version_info)))
        .service(web::resource("/web/session/authenticate").route(web::post().to(sessions::authenticate)))
        .service(web::resource("/web/session/get_session_info").route(web::post().to(sessions::session_info)))
        .service(web::resource("/web/session/check").route(web::post().to(sessions::check)))
        .service(web::resource("/web/session/destroy").route(web::post().to(sessions::destroy)))
        .service(
            web::resource([
                "/web/dataset/call_kw",
                "/web/dataset/call_kw/{path:.*}",
                "/web/dataset/call_button",
                "/web/dataset/call_button/{path:.*}",
            ])
            .route(web::post().to(sessions::call_kw)),
        )
        .service(web::resource("/json/2/{model}/{method}").route(web::post().to(rpc::json2)))
        .service(
            web::resource("/notifications/{database}/{secret}")
                .route(web::post().to(notifications::notified)),
        );
}
