//! RustShare over HTTP: one file a resource under `routes`, and what they share.

pub mod auth;
pub mod background;
pub mod error;
mod frontend;
pub mod healthcheck;
mod routes;
pub mod serve;
pub mod state;

pub use routes::app;
pub use state::AppState;
