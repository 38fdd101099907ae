//! Who is asking. A handler that takes a [`Session`] is closed to everyone
//! without one, and, when it changes something, to requests that do not repeat
//! the CSRF token. One that takes a [`Visitor`] is open to people with a link.

use axum::extract::{FromRequestParts, Path};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::AppendHeaders;
use rustshare_core::store::{Link, Role, User};
use rustshare_core::{Config, Error};

use crate::error::ApiError;
use crate::AppState;

pub const SESSION_COOKIE: &str = "rustshare_session";
pub const CSRF_COOKIE: &str = "rustshare_csrf_token";
pub const CSRF_HEADER: &str = "x-rustshare-csrf";

pub struct Session {
    pub user: User,
    /// The key of the session in the database.
    pub digest: String,
}

impl FromRequestParts<AppState> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let not_logged_in = || ApiError::new(StatusCode::UNAUTHORIZED, "not logged in");

        let token = cookie(&parts.headers, SESSION_COOKIE).ok_or_else(not_logged_in)?;
        let digest = state.tokens.digest(token);
        let user = state
            .store
            .session_user(&digest)
            .await?
            .ok_or_else(not_logged_in)?;

        if !parts.method.is_safe() {
            let presented = parts
                .headers
                .get(CSRF_HEADER)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            if !state.tokens.csrf_matches(token, presented) {
                return Err(ApiError::new(
                    StatusCode::FORBIDDEN,
                    "the X-Rustshare-Csrf header is missing or wrong",
                ));
            }
        }
        Ok(Self { user, digest })
    }
}

impl Session {
    /// Writes down what the user did, see [`AppState::audit`].
    pub async fn audit(&self, state: &AppState, action: &str, resource_id: &str) {
        state.audit(&self.user.email, action, resource_id).await;
    }

    pub fn require_admin(&self) -> Result<(), ApiError> {
        match self.user.role {
            Role::Admin => Ok(()),
            Role::Viewer => Err(ApiError::new(StatusCode::FORBIDDEN, "for admins only")),
        }
    }
}

/// Somebody with a public link and a session for it: the token of the link is
/// in the path, that of the session in `Authorization`. No browser sends that
/// by itself, so there is no CSRF token.
pub struct Visitor {
    pub link: Link,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Path(token) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NotFound("link"))?;
        let link = link(state, &token).await?;
        let session = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        let digest = state.tokens.link_session_digest(session);
        if !state.store.link_session_lasts(&link.id, &digest).await? {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "no session for this link",
            ));
        }
        Ok(Self { link })
    }
}

/// The link that a token opens.
pub async fn link(state: &AppState, token: &str) -> Result<Link, ApiError> {
    let id = state.tokens.link_id(token).ok_or(Error::NotFound("link"))?;
    Ok(state.store.link(&id).await?)
}

/// The headers that set both cookies, or clear them when there is no token.
pub fn cookies(
    config: &Config,
    tokens: Option<(&str, &str)>,
) -> AppendHeaders<[(axum::http::HeaderName, String); 2]> {
    let (session, csrf) = tokens.unwrap_or_default();
    let max_age = match tokens {
        Some(_) => config.session_ttl.as_secs(),
        None => 0,
    };
    let secure = if config.session_cookie_secure {
        "; Secure"
    } else {
        ""
    };
    let attributes = format!("Path=/; SameSite=Lax; Max-Age={max_age}{secure}");
    AppendHeaders([
        (
            SET_COOKIE,
            format!("{SESSION_COOKIE}={session}; HttpOnly; {attributes}"),
        ),
        // Scripts read this one, to repeat it in the header.
        (SET_COOKIE, format!("{CSRF_COOKIE}={csrf}; {attributes}")),
    ])
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
