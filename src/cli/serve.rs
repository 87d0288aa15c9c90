//! `outlook-bridge serve`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::start::{Opened, start_logs};
use crate::config::Config;
use crate::web::tls::Certificate;
use crate::{measures, web, worker};

/// How often the durations that nobody has asked for are put into their buckets. Until then, each
/// takes memory.
const TIDY_METRICS: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT, then waits for current requests and runs.
///
/// # Errors
/// When something that is needed at the start is missing. The error says what to do.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    start_logs(&config)?;
    // An unreadable certificate is reported before anything is started.
    let certificate = config.tls_files().map(Certificate::read).transpose()?;
    let opened = Opened::open(&config).await?;
    let served = run(&config, &opened, certificate).await;
    if let Some(embedded) = &opened.embedded {
        embedded.stop().await;
    }
    served
}

async fn run(config: &Config, opened: &Opened, certificate: Option<Arc<Certificate>>) -> anyhow::Result<()> {
    let metrics = measures::with_buckets(PrometheusBuilder::new())
        .and_then(PrometheusBuilder::install_recorder)
        .context("preparing metrics")?;
    measures::announce();
    let measured = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY_METRICS).await;
            measured.run_upkeep();
        }
    });
    let engine = opened.engine(config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let serving = web::serve(engine.clone(), metrics, &config.http()?, certificate.as_ref())?;
    for address in &serving.addresses {
        tracing::info!(%address, process = %engine.process, "listening");
    }
    for address in &serving.admin_addresses {
        tracing::info!(admin.address = %address, "listening for health and metrics");
    }
    engine.graph.learn_clock().await;
    engine.poke_everybody().await?;
    let stop = CancellationToken::new();
    let engine = engine.of_the_workers();
    let pruning = tokio::spawn(worker::pruning::keep_pruned(engine.clone(), stop.clone()));
    let upkeep = tokio::spawn(worker::upkeep::keep(engine.clone(), stop.clone()));
    tokio::spawn(worker::listen::keep(engine.clone(), stop.clone()));
    tokio::spawn(worker::listen::tell(engine.clone(), stop.clone()));
    if let Some(certificate) = certificate {
        tokio::spawn(certificate.keep_fresh(stop.clone()));
    }
    let workers = tokio::spawn(worker::work(engine, stop.clone()));
    let handles = serving.handles();
    let mut server = tokio::spawn(serving.run());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut server => return ended.context("the server's task")?.context("the server"),
    }
    tracing::info!("stopping");
    stop.cancel();
    join_all(handles.iter().map(|handle| handle.stop(true))).await;
    workers.await.context("the workers' task")?;
    pruning.await.context("the pruning's task")?;
    upkeep.await.context("the upkeep's task")?;
    Ok(())
}
