//! Public links as visitors see them: no account, no cookies. A session is
//! opened with the link's token, and its password where it has one.

use std::time::Duration;

use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Multipart, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustshare_core::store::Target;
use rustshare_core::{Config, Error};
use serde::Deserialize;
use serde_json::{json, Value};

use super::files::{accept, send, upload_limit, Uploader};
use crate::auth::{link, Visitor};
use crate::error::{ApiError, ApiResult};
use crate::AppState;

const SESSION_TTL: Duration = Duration::from_secs(3600);

pub fn router(config: &Config) -> Router<AppState> {
    Router::new()
        .route("/public/share/{token}/info", get(info))
        .route("/public/share/{token}/session", post(open_session))
        .route("/public/share/{token}/file", get(file))
        .route(
            "/public/share/{token}/folder/upload",
            post(upload).layer(upload_limit(config)),
        )
}

/// What a visitor has to know before a session; no names.
async fn info(State(state): State<AppState>, Path(token): Path<String>) -> ApiResult<Json<Value>> {
    let link = link(&state, &token).await?;
    let (resource_type, upload_only) = match link.target {
        Target::File(_) => ("file", false),
        Target::Folder(_) => ("folder", true),
    };
    Ok(Json(json!({
        "resource_type": resource_type,
        "password_protected": link.password_protected(),
        "upload_only": upload_only,
    })))
}

#[derive(Deserialize)]
struct Admission {
    password: Option<String>,
}

async fn open_session(
    State(state): State<AppState>,
    Path(token): Path<String>,
    body: Result<Json<Admission>, JsonRejection>,
) -> ApiResult<Json<Value>> {
    let Json(Admission { password }) = body?;
    let link = link(&state, &token).await?;
    let visitor = format!("link:{}", link.id);
    if !link.admits(password.as_deref().unwrap_or_default()).await? {
        state.audit(&visitor, "link.refused", &link.id).await;
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong password"));
    }
    let session = state.tokens.issue();
    let digest = state.tokens.link_session_digest(&session);
    state
        .store
        .open_link_session(&link.id, &digest, SESSION_TTL)
        .await?;
    state.audit(&visitor, "link.open", &link.id).await;
    Ok(Json(json!({
        "session_token": session,
        "expires_in": SESSION_TTL.as_secs(),
    })))
}

async fn file(State(state): State<AppState>, visitor: Visitor) -> ApiResult<impl IntoResponse> {
    let Target::File(id) = &visitor.link.target else {
        return Err(Error::NotFound("file").into());
    };
    let file = state.store.file(&visitor.link.owner_id, id).await?;
    send(&state, file).await
}

/// Tells the visitor that his file has arrived, and nothing of the folder.
async fn upload(
    State(state): State<AppState>,
    visitor: Visitor,
    multipart: Result<Multipart, MultipartRejection>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let Target::Folder(folder_id) = &visitor.link.target else {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the link takes no uploads",
        ));
    };
    let uploader = Uploader::Visitor {
        owner_id: &visitor.link.owner_id,
        folder_id,
    };
    let file = accept(&state, uploader, multipart?).await?;
    let actor = format!("link:{}", visitor.link.id);
    state.audit(&actor, "file.upload", &file.id).await;
    let body = json!({ "id": file.id, "name": file.name, "size": file.size });
    Ok((StatusCode::CREATED, Json(body)))
}
