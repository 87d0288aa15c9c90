//! The doors: HTTP in, the engine behind. Nothing is decided here but who may come in.

mod caller;
mod health;
mod limits;
mod methods;
mod rpc;

use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing_actix_web::TracingLogger;

use crate::sync::Engine;

/// The largest body that is read. The add-on cuts what it sends at two million bytes of changes and four of results, or at one
/// record, of eight million at most.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// The same before a key is known: pairing needs no more.
const LARGEST_STRANGERS_BODY: usize = 64 * 1024;
/// The threads that serve calls, and the most connections of each: below the 1024 files that a process may usually open.
const THREADS: usize = 2;
const CONNECTIONS: usize = 384;
/// How long the headers may take to come.
const HEADERS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a body that was refused is still thrown away: who is sending reads no answer.
const LINGER: Duration = Duration::from_secs(2);

/// What every handler can reach.
pub struct Doors {
    pub engine: Engine,
    pub methods: methods::Methods,
    pub metrics: PrometheusHandle,
    pub limits: limits::Limits,
    pub trusted_proxies: Vec<IpNet>,
}

/// Where is listened, and to whom.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Where Odoo calls.
    pub listen: String,
    /// Whose word counts for where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
}

/// `model.method` of all that Odoo can call.
///
/// # Errors
/// When two have the same name.
pub fn method_names(engine: Engine) -> anyhow::Result<Vec<&'static str>> {
    Ok(methods::Methods::new(engine)?.names().collect())
}

/// Binds and prepares the server; the caller awaits it.
///
/// # Errors
/// When the address cannot be listened on.
pub fn serve(
    engine: Engine,
    metrics: PrometheusHandle,
    door: &Door,
) -> anyhow::Result<(Server, Vec<std::net::SocketAddr>)> {
    let doors = web::Data::new(Doors {
        methods: methods::Methods::new(engine.clone())?,
        engine,
        metrics,
        limits: limits::Limits::new(),
        trusted_proxies: door.trusted_proxies.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(rpc::only_with_a_length))
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
    .shutdown_timeout(10)
    .bind(&door.listen)
    .with_context(|| format!("listening on {} (setting 'listen')", door.listen))?;
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
        .service(web::resource("/json/2/{model}/{method}").route(web::post().to(rpc::json2)))
        .route("/health/live", web::get().to(health::live))
        .route("/health/ready", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics));
}
