//! The doors: HTTP in, the engine behind. Nothing is decided here but who may come in.

mod caller;
mod health;
mod methods;
mod rpc;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing_actix_web::TracingLogger;

use crate::sync::Engine;

/// The largest body that is read. The add-on cuts what it sends at two million bytes of changes and four of results, or at one
/// record, of eight million at most.
pub const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What every handler can reach.
pub struct Doors {
    pub engine: Engine,
    pub methods: methods::Methods,
    pub metrics: PrometheusHandle,
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
        trusted_proxies: door.trusted_proxies.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(TracingLogger::<rpc::RequestSpan>::new())
            .app_data(web::Data::clone(&doors))
            .configure(routes)
    })
    .workers(2)
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
                .app_data(web::PayloadConfig::new(LARGEST_BODY))
                .route(web::post().to(rpc::jsonrpc))
                .default_service(web::to(rpc::only_post)),
        )
        .service(
            web::resource("/json/2/{model}/{method}")
                .app_data(web::PayloadConfig::new(LARGEST_BODY))
                .route(web::post().to(rpc::json2)),
        )
        .route("/health/live", web::get().to(health::live))
        .route("/health/ready", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics));
}
