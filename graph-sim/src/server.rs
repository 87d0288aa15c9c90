//! Starting and stopping the simulator.

use crate::climate::Climate;
use crate::contract::{Contract, ContractError};
use crate::http::serve;
use crate::notifications;
use crate::seed::{self, SeedError};
use crate::sim::{LOG_LENGTH, Sim};
use crate::state::World;
use crate::tls::{Tls, TlsError};
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the simulator looks at what happens by itself.
const TICK: Duration = Duration::from_millis(250);

/// How the simulator starts; each field is an option of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: String,
    /// A file, or `demo`.
    pub seed: Option<String>,
    pub state: Option<PathBuf>,
    pub redirect_uris: Vec<String>,
    pub delta_page_size: Option<usize>,
    /// How many requests the log keeps.
    pub log_length: usize,
    /// The switches to begin with; `None`: those of the state or the seed.
    pub climate: Option<Climate>,
    /// Microsoft's schema (CSDL); with it, every request and answer is checked against it, which takes time.
    pub schema: Option<PathBuf>,
    /// Serve the same on a second address, over HTTPS.
    pub tls: Option<Tls>,
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            seed: Some("demo".into()),
            state: None,
            redirect_uris: Vec::new(),
            delta_page_size: None,
            log_length: LOG_LENGTH,
            climate: None,
            schema: None,
            tls: None,
            workers: 2,
        }
    }
}

/// Why the simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {0}: {1}")]
    Listen(String, std::io::Error),
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    #[error("{0} does not hold a state of the simulator: {1}")]
    State(String, serde_json::Error),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error(transparent)]
    Contract(#[from] ContractError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running simulator.
pub struct Running {
    pub address: SocketAddr,
    pub sim: Arc<Sim>,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    saver: Option<tokio::task::JoinHandle<()>>,
    clock: tokio::task::JoinHandle<()>,
    state: Option<PathBuf>,
}

impl Running {
    /// Returns the address, such as `http://127.0.0.1:8471`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops serving and saves what is to be saved.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.stop(false).await;
        if let Some(saver) = &self.saver {
            saver.abort();
        }
        self.clock.abort();
        let _ = self.task.await;
        match &self.state {
            Some(file) => self.sim.save(file),
            None => Ok(()),
        }
    }
}

fn world(options: &Options) -> Result<World, StartError> {
    let mut world = match &options.state {
        Some(file) if file.exists() => {
            let name = file.display().to_string();
            let bytes = std::fs::read(file).map_err(|e| StartError::Read(name.clone(), e))?;
            let mut world: World = serde_json::from_slice(&bytes).map_err(|e| StartError::State(name, e))?;
            world.reindex();
            world
        }
        _ => match options.seed.as_deref() {
            None => World::default(),
            Some("demo") => seed::demo()?,
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| StartError::Read(file.to_owned(), e))?;
                seed::load(&text)?
            }
        },
    };
    for app in &mut world.apps {
        for uri in &options.redirect_uris {
            if !app.redirect_uris.contains(uri) {
                app.redirect_uris.push(uri.clone());
            }
        }
    }
    if let Some(climate) = options.climate {
        world.switches = climate.switches();
    }
    if let Some(size) = options.delta_page_size {
        world.switches.delta_page_size = size.max(1);
    }
    Ok(world)
}

/// Does what happens by itself to those who subscribed, until the simulator is gone.
async fn watch(sim: Weak<Sim>) {
    while let Some(sim) = sim.upgrade() {
        let is_watched = !sim.world().subscriptions.is_empty();
        if is_watched {
            let mut world = sim.world();
            world.hand_out();
            world.keep_subscriptions();
            drop(world);
            notifications::deliver(&sim);
        }
        drop(sim);
        tokio::time::sleep(TICK).await;
    }
}

/// Starts the simulator; it serves until [`Running::stop`].
///
/// # Errors
/// An address that cannot be listened on, or a file that cannot be used.
pub async fn start(options: Options) -> Result<Running, StartError> {
    // For webhooks over https; a provider that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let schema = options.schema.as_deref();
    let contract = schema.map(Contract::load).transpose()?;
    let sim = Sim::new(world(&options)?, contract).with_log_length(options.log_length);
    let sim = Arc::new(sim);
    let failed = |e| StartError::Listen(options.listen.clone(), e);
    let listener = TcpListener::bind(&options.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let shared = sim.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::PayloadConfig::new(64 << 20))
            .default_service(web::to(serve))
    })
    .workers(options.workers)
    // Clients that reuse a connection must not meet its end.
    .keep_alive(Duration::from_secs(120))
    .client_request_timeout(Duration::from_secs(60))
    .disable_signals()
    .listen(listener)
    .map_err(failed)?;
    let server = match &options.tls {
        Some(tls) => server
            .bind_rustls_0_23(&tls.listen, tls.server_config()?)
            .map_err(|e| StartError::Listen(tls.listen.clone(), e))?,
        None => server,
    }
    .run();
    let handle = server.handle();
    let task = tokio::spawn(server);
    let saver = options.state.clone().map(|file| {
        let sim = sim.clone();
        tokio::spawn(async move {
            loop {
                sim.wait_for_change().await;
                // Many changes, one save.
                tokio::time::sleep(Duration::from_millis(500)).await;
                if let Err(e) = sim.save(&file) {
                    tracing::error!("the state could not be saved: {e}");
                }
            }
        })
    });
    let clock = tokio::spawn(watch(Arc::downgrade(&sim)));
    Ok(Running {
        address,
        sim,
        handle,
        task,
        saver,
        clock,
        state: options.state,
    })
}
