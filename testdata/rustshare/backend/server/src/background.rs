//! What the server does without being asked: the search index follows the notes
//! and files, and the object store is asked whether it has what it was given.

use std::future::Future;
use std::time::Duration;

use rustshare_core::store::{JobState, TargetState};
use rustshare_core::Result;

use crate::AppState;

/// How long a change may wait until the index has it.
const PAUSE: Duration = Duration::from_millis(1500);

pub async fn run(state: AppState) {
    tokio::join!(
        repeat("search index", || index(&state)),
        repeat("replication", || replicate(&state)),
    );
}

/// One pass of the search index.
pub async fn index(state: &AppState) -> Result<()> {
    state.store.index().await
}

/// One pass over the open replication jobs. A store that does not answer leaves
/// them open; one that answers decides them.
pub async fn replicate(state: &AppState) -> Result<()> {
    if let Err(err) = state.objects.ping().await {
        state.store.set_target(TargetState::Unreachable).await?;
        return Err(err);
    }
    state.store.set_target(TargetState::Healthy).await?;
    for (file, size) in state.store.open_jobs().await? {
        let found = state.objects.size(&file).await?;
        let job = if found.map(i64::try_from) == Some(Ok(size)) {
            JobState::Done
        } else {
            tracing::error!(file, size, ?found, "the object store lacks a file");
            JobState::Failed
        };
        state.store.set_job(&file, job).await?;
    }
    Ok(())
}

/// Tells of a failure once, not at every pass that it lasts.
async fn repeat<F: Future<Output = Result<()>>>(what: &str, pass: impl Fn() -> F) {
    let mut failing = false;
    loop {
        let result = pass().await;
        match &result {
            Err(err) if !failing => tracing::warn!(%err, "the {what} stands still"),
            Ok(()) if failing => tracing::info!("the {what} goes on"),
            _ => {}
        }
        failing = result.is_err();
        tokio::time::sleep(PAUSE).await;
    }
}
