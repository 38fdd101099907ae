use std::future::Future;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use rustshare_core::{Result, VERSION};
use serde_json::{json, Value};

use crate::AppState;

/// A dependency that takes longer is as good as down.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/health", get(live))
        .route("/health/ready", get(ready))
}

/// The process answers; nothing else is asked.
async fn live() -> Json<Value> {
    Json(json!({ "status": "ok", "version": VERSION }))
}

/// The process can do its work: database and object store answer too.
async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let (database, object_store) = tokio::join!(
        answers("database", state.store.ping()),
        answers("object store", state.objects.ping()),
    );
    let (code, status) = if database && object_store {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let word = |up| if up { "up" } else { "down" };
    let body = json!({
        "status": status,
        "version": VERSION,
        "checks": { "database": word(database), "object_store": word(object_store) },
    });
    (code, Json(body))
}

async fn answers(what: &str, ping: impl Future<Output = Result<()>>) -> bool {
    match tokio::time::timeout(CHECK_TIMEOUT, ping).await {
        Ok(Ok(())) => true,
        Ok(Err(err)) => {
            tracing::warn!(%err, "the {what} is down");
            false
        }
        Err(_) => {
            tracing::warn!("the {what} does not answer in time");
            false
        }
    }
}
