use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rustshare_core::store::{Contents, Folder};
use serde::Deserialize;

use crate::auth::Session;
use crate::error::ApiResult;
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/folders", post(create))
        .route("/folders/{id}", delete(remove))
        .route("/folders/{id}/contents", get(contents))
}

#[derive(Deserialize)]
struct NewFolder {
    name: String,
    parent_folder_id: Option<String>,
}

async fn create(
    State(state): State<AppState>,
    session: Session,
    folder: Result<Json<NewFolder>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<Folder>)> {
    let Json(folder) = folder?;
    let created = state
        .store
        .create_folder(
            &session.user.id,
            &folder.name,
            folder.parent_folder_id.as_deref(),
        )
        .await?;
    session.audit(&state, "folder.create", &created.id).await;
    Ok((StatusCode::CREATED, Json(created)))
}

/// `root` stands for the caller's own top level.
async fn contents(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<Json<Contents>> {
    let folder = (id != "root").then_some(id.as_str());
    Ok(Json(state.store.contents(&session.user.id, folder).await?))
}

async fn remove(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let files = state.store.delete_folder(&session.user.id, &id).await?;
    // The rows are gone: an object that stays behind is a leak of space, not a
    // reason to tell the caller that the folder is still there.
    for file in files {
        if let Err(err) = state.objects.delete(&file).await {
            tracing::warn!(%err, file, "an object was left behind");
        }
    }
    session.audit(&state, "folder.delete", &id).await;
    Ok(StatusCode::NO_CONTENT)
}
