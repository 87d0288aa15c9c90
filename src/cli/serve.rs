//! `outlook-bridge serve`.

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::start::{Opened, start_logs};
use crate::config::Config;
use crate::{sync, web};

/// Runs until SIGTERM or SIGINT, then lets requests and runs end.
///
/// # Errors
/// When something needed at the start is missing; says what to do.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    start_logs(&config)?;
    let opened = Opened::open(&config).await?;
    let served = run(&config, &opened).await;
    if let Some(embedded) = &opened.embedded {
        embedded.stop().await;
    }
    served
}

async fn run(config: &Config, opened: &Opened) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("preparing metrics")?;
    let engine = opened.engine(config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (server, addresses) = web::serve(engine.clone(), metrics, &config.door()?)?;
    for address in addresses {
        tracing::info!(%address, process = %engine.process, "listening");
    }
    engine.graph.learn_clock().await;
    engine.poke_everybody().await?;
    let stop = CancellationToken::new();
    let pruning = tokio::spawn(sync::pruning::keep_pruned(engine.clone(), stop.clone()));
    let workers = tokio::spawn(sync::worker::work(engine, stop.clone()));
    let handle = server.handle();
    let mut server = tokio::spawn(server);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut server => return ended.context("the server's task")?.context("the server"),
    }
    tracing::info!("stopping");
    stop.cancel();
    handle.stop(true).await;
    workers.await.context("the workers' task")?;
    pruning.await.context("the pruning's task")?;
    Ok(())
}
