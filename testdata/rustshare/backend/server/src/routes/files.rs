use axum::body::Body;
use axum::extract::multipart::{Field, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::{header, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustshare_core::objects::Uploaded;
use rustshare_core::store::{new_id, File, NewFile};
use rustshare_core::Config;

use crate::auth::Session;
use crate::error::{ApiError, ApiResult};
use crate::AppState;

/// What a multipart body may have around the file itself.
const MULTIPART_OVERHEAD: usize = 64 * 1024;

pub fn router(config: &Config) -> Router<AppState> {
    Router::new()
        .route("/files/upload", post(upload).layer(upload_limit(config)))
        .route("/files/{id}/download", get(download))
}

pub(super) fn upload_limit(config: &Config) -> DefaultBodyLimit {
    let limit = usize::try_from(config.max_upload_bytes)
        .unwrap_or(usize::MAX)
        .saturating_add(MULTIPART_OVERHEAD);
    DefaultBodyLimit::max(limit)
}

/// Who uploads, which decides whose the file is and where it goes.
pub(super) enum Uploader<'a> {
    User(&'a str),
    /// Somebody with an upload-only link: the folder is the link's, and he says
    /// who he is.
    Visitor {
        owner_id: &'a str,
        folder_id: &'a str,
    },
}

/// The fields of an upload, in whatever order they come.
#[derive(Default)]
struct Form {
    name: Option<String>,
    parent_folder_id: Option<String>,
    uploader_name: Option<String>,
    content_type: Option<String>,
    file: Option<Uploaded>,
}

async fn upload(
    State(state): State<AppState>,
    session: Session,
    multipart: Result<Multipart, MultipartRejection>,
) -> ApiResult<(StatusCode, Json<File>)> {
    let file = accept(&state, Uploader::User(&session.user.id), multipart?).await?;
    session.audit(&state, "file.upload", &file.id).await;
    Ok((StatusCode::CREATED, Json(file)))
}

pub(super) async fn accept(
    state: &AppState,
    uploader: Uploader<'_>,
    multipart: Multipart,
) -> ApiResult<File> {
    // The id names the object, and the row comes last: a file that can be seen
    // has all its bytes, and an upload that fails leaves none.
    let id = new_id();
    let result = receive(state, uploader, &id, multipart).await;
    if result.is_err() {
        if let Err(err) = state.objects.delete(&id).await {
            tracing::warn!(%err, file = id, "an object was left behind");
        }
    }
    result
}

async fn receive(
    state: &AppState,
    uploader: Uploader<'_>,
    id: &str,
    mut multipart: Multipart,
) -> ApiResult<File> {
    let mut form = Form::default();
    while let Some(field) = multipart.next_field().await? {
        match field.name() {
            Some("name") => form.name = filled(field.text().await?),
            Some("parent_folder_id") => form.parent_folder_id = filled(field.text().await?),
            Some("uploader_name") => form.uploader_name = filled(field.text().await?),
            Some("file") if form.file.is_none() => {
                form.name = form.name.or(field.file_name().map(str::to_owned));
                form.content_type = field.content_type().map(str::to_owned);
                form.file = Some(stream(state, id, field).await?);
            }
            _ => {}
        }
    }
    let missing = |field| move || ApiError::bad_request(format!("the field {field} is missing"));
    let file = form.file.ok_or_else(missing("file"))?;
    let name = form.name.ok_or_else(missing("name"))?;
    let (owner_id, folder_id, uploader_name) = match uploader {
        Uploader::User(id) => (id, form.parent_folder_id.as_deref(), None),
        Uploader::Visitor {
            owner_id,
            folder_id,
        } => {
            let name = form.uploader_name.ok_or_else(missing("uploader_name"))?;
            (owner_id, Some(folder_id), Some(name))
        }
    };
    let stored = state
        .store
        .add_file(NewFile {
            id,
            owner_id,
            parent_folder_id: folder_id,
            name: &name,
            content_type: form
                .content_type
                .as_deref()
                .unwrap_or("application/octet-stream"),
            object: &file,
            uploader_name: uploader_name.as_deref(),
        })
        .await?;
    Ok(stored)
}

/// Hands the bytes on to the object store as they arrive.
async fn stream(state: &AppState, id: &str, mut field: Field<'_>) -> ApiResult<Uploaded> {
    let mut upload = state
        .objects
        .upload(id, state.config.max_upload_bytes)
        .await?;
    loop {
        let step = match field.chunk().await {
            Ok(None) => return Ok(upload.finish().await?),
            Ok(Some(chunk)) => upload.write(chunk).await.map_err(ApiError::from),
            Err(err) => Err(err.into()),
        };
        if let Err(err) = step {
            upload.abort().await;
            return Err(err);
        }
    }
}

/// A root folder is sent as `null`, as nothing or as an empty field.
fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty() && text != "null")
}

async fn download(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let file = state.store.readable_file(&session.user.id, &id).await?;
    send(&state, file).await
}

/// The bytes of a file that the caller may see.
pub(super) async fn send(state: &AppState, file: File) -> ApiResult<impl IntoResponse> {
    let object = state.objects.get(&file.id).await?;
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_LENGTH, object.meta.size.to_string()),
        (header::ETAG, format!("\"{}\"", file.sha256)),
        // Never shown inline: an uploaded page must not run as ours.
        (header::CONTENT_DISPOSITION, attachment(&file.name)),
    ];
    Ok((headers, Body::from_stream(object.into_stream())))
}

/// A `Content-Disposition` for any name (RFC 6266 with the encoding of RFC 8187).
fn attachment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(
            attachment("Ü \"1\";\r\n.pdf"),
            "attachment; filename*=UTF-8''%C3%9C%20%221%22%3B%0D%0A.pdf"
        );
    }

    #[test]
    fn the_root_has_many_spellings() {
        assert_eq!(filled(String::new()), None);
        assert_eq!(filled("null".into()), None);
        assert_eq!(filled("id".into()).as_deref(), Some("id"));
    }
}
