//! What RustShare is without HTTP: configuration, accounts, sessions, the
//! folder tree, notes, shares and the rest of the database, and the bytes in an
//! object store.

pub mod config;
pub mod error;
pub mod objects;
pub mod password;
#[cfg(feature = "s3")]
mod s3;
pub mod secrets;
pub mod store;
pub mod tokens;

pub use config::Config;
pub use error::{Error, Result};
pub use objects::Objects;
pub use store::Store;

/// The version of the product, shared by every crate of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
