use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{checked_name, now, Store};
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
            created_at: DateTime::from_timestamp(row.try_get("created_at")?, 0).unwrap_or_default(),
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
}

impl Store {
    pub async fn add_file(&self, file: NewFile<'_>) -> Result<File> {
        let name = checked_name(file.name)?;
        if let Some(parent) = file.parent_folder_id {
            self.folder(file.owner_id, parent).await?;
        }
        sqlx::query(
            "INSERT INTO files
                 (id, owner_id, parent_folder_id, name, content_type, size, sha256, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(file.id)
        .bind(file.owner_id)
        .bind(file.parent_folder_id)
        .bind(name)
        .bind(file.content_type)
        .bind(i64::try_from(file.object.size).unwrap_or(i64::MAX))
        .bind(&file.object.sha256)
        .bind(now())
        .execute(&self.pool)
        .await?;
        self.file(file.owner_id, file.id).await
    }

    pub async fn file(&self, owner_id: &str, id: &str) -> Result<File> {
        sqlx::query_as(
            "SELECT id, name, parent_folder_id, content_type, size, sha256, created_at
             FROM files WHERE id = $1 AND owner_id = $2",
        )
        .bind(id)
        .bind(owner_id)
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
            "SELECT id, name, parent_folder_id, content_type, size, sha256, created_at
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
