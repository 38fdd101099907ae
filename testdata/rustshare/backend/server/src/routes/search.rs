use axum::extract::rejection::JsonRejection;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{json, Value};

use crate::auth::Session;
use crate::error::ApiResult;
use crate::AppState;

const MAX_HITS: i64 = 100;
const DEFAULT_HITS: i64 = 20;

pub fn router() -> Router<AppState> {
    Router::new().route("/search", post(search))
}

#[derive(Deserialize)]
struct Search {
    query: String,
    limit: Option<i64>,
}

async fn search(
    State(state): State<AppState>,
    session: Session,
    body: Result<Json<Search>, JsonRejection>,
) -> ApiResult<Json<Value>> {
    let Json(Search { query, limit }) = body?;
    let limit = limit.unwrap_or(DEFAULT_HITS).clamp(1, MAX_HITS);
    let hits = state.store.search(&session.user.id, &query, limit).await?;
    Ok(Json(json!({ "results": hits })))
}
