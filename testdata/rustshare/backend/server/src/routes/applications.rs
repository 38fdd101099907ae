use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{json, Value};

use crate::auth::Session;
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new().route("/applications/chat/status", get(chat_status))
}

async fn chat_status(State(state): State<AppState>, _: Session) -> Json<Value> {
    let enabled = state.config.chat_webhook_secret.is_some();
    Json(json!({ "chat_enabled": enabled }))
}
