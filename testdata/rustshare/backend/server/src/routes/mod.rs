//! The HTTP surface: one file a resource, each with its own `router()`.

mod admin;
mod applications;
mod auth;
mod files;
mod folders;
mod health;
mod links;
mod notes;
mod public;
mod search;
mod shares;

use std::time::Instant;

use axum::extract::Request;
use axum::http::{header, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::Router;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::error::ApiError;
use crate::{frontend, AppState};

pub fn app(state: AppState) -> Router {
    let api = Router::new()
        .merge(auth::router())
        .merge(folders::router())
        .merge(files::router(&state.config))
        .merge(shares::router())
        .merge(links::router())
        .merge(public::router(&state.config))
        .merge(notes::router())
        .merge(search::router())
        .merge(applications::router())
        .merge(admin::router())
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "no such endpoint") })
        .layer(header_layer(header::CACHE_CONTROL, "no-store"));

    Router::new()
        .merge(health::router())
        .nest("/api/v1", api)
        .merge(frontend::router(&state.config.frontend_dist_dir))
        .layer(header_layer(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_layer(header::REFERRER_POLICY, "same-origin"))
        .layer(middleware::from_fn(log_request))
        .with_state(state)
}

fn header_layer(
    name: header::HeaderName,
    value: &'static str,
) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// One line a request. Query strings and the tokens of links stay out of it,
/// and so do health checks that went well.
async fn log_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = loggable(request.uri().path());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_success() && path.starts_with("/health")) {
        let ms = started.elapsed().as_millis();
        tracing::info!(%method, path, status = status.as_u16(), ms, "request");
    }
    response
}

/// A path without the token that opens a link.
fn loggable(path: &str) -> String {
    match path.split_once("/public/share/") {
        Some((before, after)) => {
            let rest = after.split_once('/').map_or("", |(_, rest)| rest);
            format!("{before}/public/share/***/{rest}")
        }
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_has_no_link_tokens() {
        for (path, logged) in [
            ("/api/v1/me", "/api/v1/me"),
            (
                "/api/v1/public/share/0f9c/file",
                "/api/v1/public/share/***/file",
            ),
            ("/api/v1/public/share/0f9c", "/api/v1/public/share/***/"),
        ] {
            assert_eq!(super::loggable(path), logged);
        }
    }
}
