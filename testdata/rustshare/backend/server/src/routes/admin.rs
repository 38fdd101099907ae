//! For admins: what was done, and whether the object store has everything.

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use rustshare_core::store::ReplicationSummary;
use serde_json::{json, Value};

use crate::auth::Session;
use crate::error::{ApiError, ApiResult};
use crate::AppState;

const MAX_PER_PAGE: i64 = 200;
const DEFAULT_PER_PAGE: i64 = 50;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/admin/audit", get(audit))
        .route("/admin/replication/summary", get(replication))
}

async fn audit(
    State(state): State<AppState>,
    session: Session,
    RawQuery(query): RawQuery,
) -> ApiResult<Json<Value>> {
    session.require_admin()?;
    let limit = per_page(query.as_deref().unwrap_or_default())?;
    let entries = state.store.audit_entries(limit).await?;
    Ok(Json(json!({ "entries": entries })))
}

fn per_page(query: &str) -> ApiResult<i64> {
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("per_page="));
    match given {
        None => Ok(DEFAULT_PER_PAGE),
        Some(number) => number
            .parse()
            .ok()
            .filter(|number| (1..=MAX_PER_PAGE).contains(number))
            .ok_or_else(|| {
                ApiError::bad_request(format!("per_page is not a number from 1 to {MAX_PER_PAGE}"))
            }),
    }
}

async fn replication(
    State(state): State<AppState>,
    session: Session,
) -> ApiResult<Json<ReplicationSummary>> {
    session.require_admin()?;
    Ok(Json(state.store.replication_summary().await?))
}
