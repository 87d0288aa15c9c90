//! `outlook-bridge serve`.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use nix::fcntl::OFlag;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::running::{self, Announced, Found, Running};
use super::start::{Newer, Opened, Purpose, start_logs};
use super::traces::{Collector, Traces};
use crate::config::Config;
use crate::engine::Engine;
use crate::store::{content, owner};
use crate::web::tls::Certificate;
use crate::{measures, web, worker};

/// How often the durations that nobody has asked for are put into their buckets. Until then, each
/// takes memory.
const TIDY_METRICS: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT, then waits for current requests and runs.
///
/// # Errors
/// When something that is needed at the start is missing. The error says what to do.
pub async fn serve(config: Config, newer: Newer) -> anyhow::Result<()> {
    start_logs(&config)?;
    // An unreadable certificate is reported before anything is started.
    let certificate = config.tls_files().map(Certificate::read).transpose()?;
    let collector = Collector::read(config.otlp_endpoint.as_deref(), |name| std::env::var(name).ok())?;
    let _alone = lock_data_dir(&config)?;
    let opened = Opened::open_for(&config, Purpose::Serve { newer }).await?;
    let served = run(&config, &opened, certificate, collector).await;
    if let Some(embedded) = &opened.embedded {
        embedded.stop().await;
    }
    served
}

/// Refuses a second service with the same private Postgres. Several services share a database of
/// their own. The service holds the lock until it ends.
fn lock_data_dir(config: &Config) -> anyhow::Result<Option<File>> {
    if config.database_url.is_some() {
        return Ok(None);
    }
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir).with_context(|| {
        format!(
            "creating the data directory {} (setting data_dir)",
            data_dir.display()
        )
    })?;
    owner::check(data_dir)?;
    let path = data_dir.join("serve.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .with_context(|| format!("opening {} (setting data_dir)", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
        Err(TryLockError::WouldBlock) => {
            let found = running::find(data_dir).unwrap_or_default();
            let words = found
                .first()
                .map_or_else(|| "it is just starting".to_owned(), Found::words);
            bail!(
                "another service runs with the data directory {} ({words}). Nothing was done. Stop that one first; or give this one a \
                 data_dir of its own. Several processes of one service share a database_url (docs/scaling.md)",
                data_dir.display()
            )
        }
    }
}

/// Says in the data directory, and in systemd's runtime directory, what this process works on.
async fn announce(config: &Config, engine: &Engine) -> anyhow::Result<Announced> {
    let pid = std::process::id();
    let mut conn = engine.store.get().await?;
    let running = Running {
        pid,
        began: running::began(pid).unwrap_or_default(),
        since: chrono::Utc::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: config.found.file.clone(),
        data_dir: std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone()),
        listen: config.listen.clone(),
        private_postgres: config.database_url.is_none(),
        database: content::identity(&mut conn).await,
    };
    if let Some(identity) = &running.database {
        running::remember_database(&config.data_dir, identity);
    }
    let runtime = std::env::var("RUNTIME_DIRECTORY").unwrap_or_default();
    let runtime = runtime
        .split(':')
        .find(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let folders: Vec<PathBuf> = std::iter::once(config.data_dir.clone()).chain(runtime).collect();
    Ok(running::announce(&running, &engine.process.to_string(), &folders))
}

async fn run(
    config: &Config,
    opened: &Opened,
    certificate: Option<Arc<Certificate>>,
    collector: Option<Collector>,
) -> anyhow::Result<()> {
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
    let traces = collector.as_ref().map(Traces::start).transpose()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let serving = web::serve(engine.clone(), metrics, &config.http()?, certificate.as_ref())?;
    let _announced = announce(config, &engine).await?;
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
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(())
}
