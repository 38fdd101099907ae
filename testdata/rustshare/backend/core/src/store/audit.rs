use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{new_id, Store};
use crate::Result;

/// Who did what to which resource.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry {
    pub id: String,
    /// An e-mail, `link:` and the id of a link, or `anonymous`.
    pub actor: String,
    /// The type of the resource and what was done to it, as in `file.upload`.
    pub action: String,
    pub resource_id: String,
    pub created_at: DateTime<Utc>,
}

impl FromRow<'_, AnyRow> for AuditEntry {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            resource_id: row.try_get("resource_id")?,
            created_at: DateTime::from_timestamp_micros(row.try_get("created_at")?)
                .unwrap_or_default(),
        })
    }
}

impl Store {
    pub async fn record(&self, actor: &str, action: &str, resource_id: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO audit_entries (id, actor, action, resource_id, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new_id())
        .bind(actor)
        .bind(action)
        .bind(resource_id)
        .bind(Utc::now().timestamp_micros())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The last entries, newest first.
    pub async fn audit_entries(&self, limit: i64) -> Result<Vec<AuditEntry>> {
        Ok(
            sqlx::query_as("SELECT * FROM audit_entries ORDER BY created_at DESC, id LIMIT $1")
                .bind(limit)
                .fetch_all(&self.pool)
                .await?,
        )
    }
}
