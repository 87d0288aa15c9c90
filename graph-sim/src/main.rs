use clap::{Parser, Subcommand};
use graph_sim::climate::Climate;
use graph_sim::ctl::{self, Ctl};
use graph_sim::tls::Tls;
use graph_sim::{Options, expand, start};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A local stand-in for Microsoft: Entra login, the Graph calendar, and Outlook's users.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "GRAPH_SIM_LISTEN", default_value = "127.0.0.1:8471")]
    listen: String,
    /// What to begin with: a JSON file, or `demo`.
    #[arg(long, env = "GRAPH_SIM_SEED")]
    seed: Option<String>,
    /// Keep the whole state in this file; where it exists it is loaded, and the seed is not.
    #[arg(long, env = "GRAPH_SIM_STATE")]
    state: Option<PathBuf>,
    /// Register a redirect URI with every app; may be given more than once.
    #[arg(long = "redirect-uri")]
    redirect_uris: Vec<String>,
    /// Rows of a delta page where the client asks for no size.
    #[arg(long)]
    delta_page_size: Option<usize>,
    /// How many requests the log keeps.
    #[arg(long, default_value_t = graph_sim::LOG_LENGTH)]
    log_length: usize,
    /// How Microsoft behaves where that is uncertain: `documented`, `reported` (as without it), or `mixed:<seed>`.
    #[arg(long, env = "GRAPH_SIM_CLIMATE")]
    climate: Option<Climate>,
    /// Check requests and answers against Microsoft's schema (CSDL) in this file; see /sim/api/contract.
    #[arg(long, env = "GRAPH_SIM_SCHEMA")]
    schema: Option<PathBuf>,
    /// Serve HTTPS as well, on this address.
    #[arg(long, requires_all = ["tls_cert", "tls_key"])]
    tls_listen: Option<String>,
    /// The certificate chain for HTTPS (PEM).
    #[arg(long, requires = "tls_listen")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, requires = "tls_listen")]
    tls_key: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Expand series: JSON lines `{event, from, to}` on stdin, `{occurrences}` or `{error}` on stdout.
    Expand,
    /// The control API of a running simulator.
    Ctl(Ctl),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graph-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Expand) => return Ok(expand::run(io::stdin().lock(), io::stdout().lock())?),
        Some(Command::Ctl(ctl)) => {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let told = ctl::run(ctl).await?;
            if !told.is_null() {
                println!("{told:#}");
            }
            return Ok(());
        }
        None => {}
    }
    let tls = match (arguments.tls_listen, arguments.tls_cert, arguments.tls_key) {
        (Some(listen), Some(certificate), Some(key)) => Some(Tls {
            listen,
            certificate,
            key,
        }),
        _ => None,
    };
    let running = start(Options {
        listen: arguments.listen,
        seed: arguments.seed,
        state: arguments.state,
        redirect_uris: arguments.redirect_uris,
        delta_page_size: arguments.delta_page_size,
        log_length: arguments.log_length,
        climate: arguments.climate,
        schema: arguments.schema,
        tls,
        workers: 2,
    })
    .await?;
    println!("graph-sim listening on http://{}", running.address);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    running.stop().await?;
    Ok(())
}
