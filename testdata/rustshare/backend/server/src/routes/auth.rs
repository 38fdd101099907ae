use axum::extract::rejection::JsonRejection;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use rustshare_core::store::User;
use serde::Deserialize;
use serde_json::json;

use crate::auth::{cookies, Session};
use crate::error::{ApiError, ApiResult};
use crate::AppState;

pub fn router() -> Router<AppState> {
    Router::new()
        .route("/auth/login", post(login))
        .route("/auth/logout", post(logout))
        .route("/me", get(me))
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

async fn login(
    State(state): State<AppState>,
    credentials: Result<Json<Credentials>, JsonRejection>,
) -> ApiResult<impl IntoResponse> {
    let Json(Credentials { email, password }) = credentials?;
    let Some(user) = state.store.authenticate(&email, &password).await? else {
        let tried: String = email.chars().take(255).collect();
        state
            .audit("anonymous", "account.login_refused", &tried)
            .await;
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "wrong e-mail or password",
        ));
    };
    let token = state.tokens.issue();
    state
        .store
        .open_session(
            &user,
            &state.tokens.digest(&token),
            state.config.session_ttl,
        )
        .await?;
    state.audit(&user.email, "account.login", &user.email).await;
    let csrf = state.tokens.csrf(&token);
    Ok((
        cookies(&state.config, Some((&token, &csrf))),
        Json(json!({ "user": user })),
    ))
}

async fn logout(State(state): State<AppState>, session: Session) -> ApiResult<impl IntoResponse> {
    state.store.close_session(&session.digest).await?;
    session
        .audit(&state, "account.logout", &session.user.email)
        .await;
    Ok((cookies(&state.config, None), Json(json!({}))))
}

async fn me(session: Session) -> Json<User> {
    Json(session.user)
}
