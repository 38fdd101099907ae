//! Files shared between accounts.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rustshare_core::store::Share;
use serde::Deserialize;
use serde_json::{json, Value};

use super::links::Permission;
use crate::auth::Session;
use crate::error::{ApiError, ApiResult};
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/files/{id}/share", post(share))
        .route("/shares/received", get(received))
        .route("/shares/{id}/recipient", delete(revoke))
}

#[derive(Deserialize)]
struct NewShare {
    recipient_email: String,
    permission: Permission,
}

async fn share(
    State(state): State<AppState>,
    session: Session,
    Path(file): Path<String>,
    body: Result<Json<NewShare>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<Share>)> {
    let Json(wanted) = body?;
    if wanted.permission != Permission::View {
        return Err(ApiError::bad_request("a file is shared for View"));
    }
    let share = state
        .store
        .share_file(&session.user.id, &file, &wanted.recipient_email)
        .await?;
    session.audit(&state, "file.share", &file).await;
    Ok((StatusCode::CREATED, Json(share)))
}

async fn received(State(state): State<AppState>, session: Session) -> ApiResult<Json<Value>> {
    let shares = state.store.shares_received(&session.user.id).await?;
    Ok(Json(json!({ "shares": shares })))
}

async fn revoke(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.store.revoke_share(&session.user.id, &id).await?;
    session.audit(&state, "share.revoke", &id).await;
    Ok(StatusCode::NO_CONTENT)
}
