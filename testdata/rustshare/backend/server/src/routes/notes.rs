use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustshare_core::store::{Note, NoteChange};
use serde::Deserialize;
use serde_json::{json, Value};

use crate::auth::Session;
use crate::error::ApiResult;
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/notes", post(create).get(list))
        .route("/notes/{id}", get(read).put(change).delete(remove))
}

#[derive(Deserialize)]
struct NewNote {
    title: String,
    content: String,
    parent_folder_id: Option<String>,
}

async fn create(
    State(state): State<AppState>,
    session: Session,
    body: Result<Json<NewNote>, JsonRejection>,
) -> ApiResult<(StatusCode, Json<Note>)> {
    let Json(note) = body?;
    let created = state
        .store
        .create_note(
            &session.user.id,
            &note.title,
            &note.content,
            note.parent_folder_id.as_deref(),
        )
        .await?;
    session.audit(&state, "note.create", &created.id).await;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn list(State(state): State<AppState>, session: Session) -> ApiResult<Json<Value>> {
    let notes = state.store.notes(&session.user.id).await?;
    Ok(Json(json!({ "notes": notes })))
}

async fn read(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<Json<Note>> {
    Ok(Json(state.store.note(&session.user.id, &id).await?))
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    content: Option<String>,
}

async fn change(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
    body: Result<Json<Change>, JsonRejection>,
) -> ApiResult<Json<Note>> {
    let Json(Change { title, content }) = body?;
    let change = NoteChange {
        title: title.as_deref(),
        content: content.as_deref(),
    };
    let note = state
        .store
        .change_note(&session.user.id, &id, change)
        .await?;
    session.audit(&state, "note.change", &id).await;
    Ok(Json(note))
}

async fn remove(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.store.delete_note(&session.user.id, &id).await?;
    session.audit(&state, "note.delete", &id).await;
    Ok(StatusCode::NO_CONTENT)
}
