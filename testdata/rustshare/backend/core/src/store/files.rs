use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{checked_line, checked_name, now, timestamp, JobState, Store};
use crate::objects::Uploaded;
use crate::{Error, Result};

#[derive(Debug, Clone, Serialize)]
pub struct File {
    pub id: String,
    pub name: String,
    pub parent_folder_id: Option<String>,
    pub content_type: String,
    pub size: i64,
    pub sha256: String,
    /// Who sent it through an upload-only link.
    pub uploader_name: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl FromRow<'_, AnyRow> for File {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            parent_folder_id: row.try_get("parent_folder_id")?,
            content_type: row.try_get("content_type")?,
            size: row.try_get("size")?,
            sha256: row.try_get("sha256")?,
            uploader_name: row.try_get("uploader_name")?,
            created_at: timestamp(row, "created_at")?,
        })
    }
}

/// A file whose bytes are in the object store already.
pub struct NewFile<'a> {
    pub id: &'a str,
    pub owner_id: &'a str,
    pub parent_folder_id: Option<&'a str>,
    pub name: &'a str,
    pub content_type: &'a str,
    pub object: &'a Uploaded,
    pub uploader_name: Option<&'a str>,
}

impl Store {
    pub async fn add_file(&self, file: NewFile<'_>) -> Result<File> {
        let name = checked_name(file.name)?;
        let uploader = file
            .uploader_name
            .map(|name| checked_line("uploader_name", name))
            .transpose()?;
        if let Some(parent) = file.parent_folder_id {
            self.folder(file.owner_id, parent).await?;
        }
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO files (id, owner_id, parent_folder_id, name, content_type, size, sha256,
                                uploader_name, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(file.id)
        .bind(file.owner_id)
        .bind(file.parent_folder_id)
        .bind(name)
        .bind(file.content_type)
        .bind(i64::try_from(file.object.size).unwrap_or(i64::MAX))
        .bind(&file.object.sha256)
        .bind(uploader)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO replication_jobs (file_id, state, updated_at) VALUES ($1, $2, $3)",
        )
        .bind(file.id)
        .bind(JobState::Pending.as_str())
        .bind(now())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.file(file.owner_id, file.id).await
    }

    pub async fn file(&self, owner_id: &str, id: &str) -> Result<File> {
        sqlx::query_as(
            "SELECT id, name, parent_folder_id, content_type, size, sha256, uploader_name, created_at
             FROM files WHERE id = $1 AND owner_id = $2",
        )
        .bind(id)
        .bind(owner_id)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::NotFound("file"))
    }

    /// A file that is the user's own or shared with him.
    pub async fn readable_file(&self, user_id: &str, id: &str) -> Result<File> {
        sqlx::query_as(
            "SELECT id, name, parent_folder_id, content_type, size, sha256, uploader_name, created_at
             FROM files
             WHERE id = $1 AND (owner_id = $2 OR EXISTS (
                 SELECT 1 FROM shares WHERE file_id = files.id AND recipient_id = $2))",
        )
        .bind(id)
        .bind(user_id)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::NotFound("file"))
    }

    pub(super) async fn files_in(
        &self,
        owner_id: &str,
        folder_id: Option<&str>,
    ) -> Result<Vec<File>> {
        Ok(sqlx::query_as(
            "SELECT id, name, parent_folder_id, content_type, size, sha256, uploader_name, created_at
             FROM files
             WHERE owner_id = $1 AND parent_folder_id IS NOT DISTINCT FROM $2
             ORDER BY name, id",
        )
        .bind(owner_id)
        .bind(folder_id)
        .fetch_all(&self.pool)
        .await?)
    }
}
