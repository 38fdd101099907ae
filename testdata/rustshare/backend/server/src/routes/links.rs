//! Public links as their owners see them; `public` is the other side.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustshare_core::store::{Link, Target};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::auth::Session;
use crate::error::{ApiError, ApiResult};
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/files/{id}/shares", post(create_to_file))
        .route("/folders/{id}/shares", post(create_to_folder))
        .route("/shares", get(list))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Permission {
    View,
    Edit,
}

#[derive(Deserialize)]
struct NewLink {
    permissions: Permission,
    #[serde(default)]
    upload_only: bool,
    password: Option<String>,
}

/// A link for its owner, who may see the token again.
fn owned(state: &AppState, link: &Link) -> Value {
    let (resource_type, resource_id, permissions) = match &link.target {
        Target::File(id) => ("file", id, Permission::View),
        Target::Folder(id) => ("folder", id, Permission::Edit),
    };
    json!({
        "id": link.id,
        "share_token": state.tokens.link(&link.id),
        "resource_type": resource_type,
        "resource_id": resource_id,
        "permissions": permissions,
        "upload_only": permissions == Permission::Edit,
        "password_protected": link.password_protected(),
        "created_at": link.created_at,
    })
}

async fn create_to_file(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
    body: Result<Json<NewLink>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let Json(wanted) = body?;
    if wanted.permissions != Permission::View || wanted.upload_only {
        return Err(ApiError::bad_request("a link to a file is for View"));
    }
    create(state, session, Target::File(id), wanted.password).await
}

async fn create_to_folder(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
    body: Result<Json<NewLink>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let Json(wanted) = body?;
    if wanted.permissions != Permission::Edit || !wanted.upload_only {
        return Err(ApiError::bad_request(
            "a link to a folder is for Edit and upload_only",
        ));
    }
    create(state, session, Target::Folder(id), wanted.password).await
}

async fn create(
    state: AppState,
    session: Session,
    target: Target,
    password: Option<String>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let link = state
        .store
        .add_link(&session.user.id, &target, password.as_deref())
        .await?;
    session.audit(&state, "link.create", &link.id).await;
    Ok((StatusCode::CREATED, Json(owned(&state, &link))))
}

async fn list(State(state): State<AppState>, session: Session) -> ApiResult<Json<Value>> {
    let links = state.store.links(&session.user.id).await?;
    let links: Vec<Value> = links.iter().map(|link| owned(&state, link)).collect();
    Ok(Json(json!({ "shares": links })))
}
