//! The life of the server: wait for what it needs, serve, stop on a signal.

use std::future::Future;
use std::time::Duration;

use rustshare_core::store::Role;
use rustshare_core::{Config, Error, Objects, Result, Store, VERSION};
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::watch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{app, background, AppState};

/// How often, a second apart, a database or object store that is still
/// starting is asked again.
const STARTUP_ATTEMPTS: u32 = 30;
/// What requests under way get to finish in.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);

pub fn run(config: Config) -> Result<()> {
    init_log();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|err| Error::Invalid(format!("cannot start the runtime: {err}")))?
        .block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let (store, objects) = tokio::select! {
        prepared = prepare(&config) => prepared?,
        () = stop_signal() => return Ok(()),
    };

    let address = config.bind_addr;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|err| Error::Invalid(format!("cannot listen on {address}: {err}")))?;
    tracing::info!(version = VERSION, %address, "listening");

    let (stop, mut stopped) = watch::channel(false);
    let state = AppState::new(config, store.clone(), objects);
    let background = tokio::spawn(background::run(state.clone()));
    let server = axum::serve(listener, app(state)).with_graceful_shutdown(async move {
        stop_signal().await;
        tracing::info!("stopping");
        let _ = stop.send(true);
    });
    let overdue = async {
        let _ = stopped.changed().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        result = server => {
            result.map_err(|err| Error::Invalid(format!("the server failed: {err}")))?;
        }
        () = overdue => tracing::warn!("requests were still running; stopped all the same"),
    }
    background.abort();
    store.close().await;
    Ok(())
}

/// Waits for database and object store, and seeds the accounts.
async fn prepare(config: &Config) -> Result<(Store, Objects)> {
    let store = patiently("database", || Store::open(&config.database_url)).await?;
    let objects = patiently("object store", || Objects::open(&config.object_store_url)).await?;
    store.seed_user(&config.admin, Role::Admin).await?;
    if let Some(viewer) = &config.viewer {
        store.seed_user(viewer, Role::Viewer).await?;
    }
    Ok((store, objects))
}

/// Tries again while the other side is not up yet. A failed migration or a
/// wrong setting is final.
async fn patiently<T, F: Future<Output = Result<T>>>(
    what: &str,
    open: impl Fn() -> F,
) -> Result<T> {
    for _ in 1..STARTUP_ATTEMPTS {
        match open().await {
            Err(err @ (Error::Database(_) | Error::Objects(_))) => {
                tracing::warn!(%err, "the {what} is not ready");
            }
            done => return done,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    open().await
}

/// SIGTERM from an orchestrator, SIGINT from a terminal. As process 1 of a
/// container neither would do anything without a handler.
async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("cannot listen for signals");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// `RUST_LOG`, as in `info,sqlx=debug`.
fn init_log() {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .and_then(|spec| spec.parse::<Targets>().ok())
        .unwrap_or_else(|| {
            Targets::new()
                .with_default(LevelFilter::INFO)
                .with_target("object_store", LevelFilter::WARN)
                .with_target("sqlx", LevelFilter::WARN)
        });
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(filter)
        .init();
}
