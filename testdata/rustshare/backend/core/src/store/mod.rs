//! Everything that is in the database, one file a resource. One set of SQL for
//! PostgreSQL and SQLite: both take `$1`, and ids and times are plain text and
//! numbers (see `backend/migrations/`).

mod audit;
mod files;
mod folders;
mod links;
mod migrations;
mod notes;
mod replication;
mod search;
mod sessions;
mod shares;
mod users;

pub use audit::AuditEntry;
pub use files::{File, NewFile};
pub use folders::{Contents, Folder};
pub use links::{Link, Target};
pub use notes::{Note, NoteChange};
pub use replication::{JobState, ReplicationSummary, TargetState};
pub use search::Hit;
pub use shares::Share;
pub use users::{Role, User};

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Row};
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

fn timestamp(row: &AnyRow, column: &str) -> sqlx::Result<DateTime<Utc>> {
    Ok(DateTime::from_timestamp(row.try_get(column)?, 0).unwrap_or_default())
}

/// A line of text that people read: trimmed, not empty, not long.
fn checked_line<'a>(what: &str, line: &'a str) -> Result<&'a str> {
    let line = line.trim();
    let problem = if line.is_empty() {
        "is empty"
    } else if line.chars().count() > 255 {
        "is longer than 255 characters"
    } else if line.chars().any(char::is_control) {
        "has a control character"
    } else {
        return Ok(line);
    };
    Err(Error::Invalid(format!("the {what} {problem}")))
}

/// Names are shown, stored and sent back in headers, never used as a path; what
/// could be mistaken for one is refused all the same.
fn checked_name(name: &str) -> Result<&str> {
    let name = checked_line("name", name)?;
    if name == "." || name == ".." || name.contains(['/', '\\']) {
        return Err(Error::Invalid("the name is a path".into()));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
