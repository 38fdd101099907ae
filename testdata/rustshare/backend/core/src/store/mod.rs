//! Everything that is in the database, one file a resource. One set of SQL for
//! PostgreSQL and SQLite: both take `$1`, and ids and times are plain text and
//! numbers (see `backend/migrations/`).

mod files;
mod folders;
mod migrations;
mod sessions;
mod users;

pub use files::{File, NewFile};
pub use folders::{Contents, Folder};
pub use users::{Role, User};

use std::time::Duration;

use chrono::Utc;
use sqlx::any::AnyPoolOptions;
use sqlx::AnyPool;
use uuid::Uuid;

use crate::secrets::Secret;
use crate::{Error, Result};

#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
}

impl Store {
    /// Connects and brings the schema up to date. A database that is newer than
    /// this binary is refused: migrations only go forward.
    pub async fn open(url: &Secret) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let sqlite = url.expose().starts_with("sqlite:");
        let pool = AnyPoolOptions::new()
            // SQLite has one writer; queueing here beats "database is locked".
            .max_connections(if sqlite { 1 } else { 10 })
            .acquire_timeout(Duration::from_secs(5))
            .connect(&connect_url(url.expose()))
            .await?;
        migrations::run(&pool).await?;
        Ok(Self { pool })
    }

    /// Answers whether the database does.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A SQLite file that is not there is created, unless the URL says otherwise.
fn connect_url(url: &str) -> String {
    if url.starts_with("sqlite:") && !url.contains("mode=") {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}mode=rwc")
    } else {
        url.to_owned()
    }
}

/// The id of whatever is about to be made.
pub fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn now() -> i64 {
    Utc::now().timestamp()
}

/// Names are shown, stored and sent back in headers, never used as a path; what
/// could be mistaken for one is refused all the same.
fn checked_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() || name == "." || name == ".." {
        return Err(Error::Invalid("the name is empty".into()));
    }
    if name.chars().count() > 255 {
        return Err(Error::Invalid(
            "the name is longer than 255 characters".into(),
        ));
    }
    if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        return Err(Error::Invalid(
            "the name has a slash or a control character".into(),
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
