use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{checked_name, new_id, now, timestamp, File, Store};
use crate::{Error, Result};

#[derive(Debug, Clone, Serialize)]
pub struct Folder {
    pub id: String,
    pub name: String,
    pub parent_folder_id: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl FromRow<'_, AnyRow> for Folder {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            parent_folder_id: row.try_get("parent_folder_id")?,
            created_at: timestamp(row, "created_at")?,
        })
    }
}

/// What is in a folder; the root has no folder of its own.
#[derive(Debug, Clone, Serialize)]
pub struct Contents {
    pub folder: Option<Folder>,
    pub folders: Vec<Folder>,
    pub files: Vec<File>,
}

impl Store {
    pub async fn create_folder(
        &self,
        owner_id: &str,
        name: &str,
        parent_folder_id: Option<&str>,
    ) -> Result<Folder> {
        let name = checked_name(name)?;
        if let Some(parent) = parent_folder_id {
            self.folder(owner_id, parent).await?;
        }
        let id = new_id();
        sqlx::query(
            "INSERT INTO folders (id, owner_id, parent_folder_id, name, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&id)
        .bind(owner_id)
        .bind(parent_folder_id)
        .bind(name)
        .bind(now())
        .execute(&self.pool)
        .await?;
        self.folder(owner_id, &id).await
    }

    pub async fn folder(&self, owner_id: &str, id: &str) -> Result<Folder> {
        sqlx::query_as(
            "SELECT id, name, parent_folder_id, created_at
             FROM folders WHERE id = $1 AND owner_id = $2",
        )
        .bind(id)
        .bind(owner_id)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(Error::NotFound("folder"))
    }

    /// The contents of a folder, or of the owner's root.
    pub async fn contents(&self, owner_id: &str, folder_id: Option<&str>) -> Result<Contents> {
        let folder = match folder_id {
            Some(id) => Some(self.folder(owner_id, id).await?),
            None => None,
        };
        let folders = sqlx::query_as(
            "SELECT id, name, parent_folder_id, created_at FROM folders
             WHERE owner_id = $1 AND parent_folder_id IS NOT DISTINCT FROM $2
             ORDER BY name, id",
        )
        .bind(owner_id)
        .bind(folder_id)
        .fetch_all(&self.pool)
        .await?;
        let files = self.files_in(owner_id, folder_id).await?;
        Ok(Contents {
            folder,
            folders,
            files,
        })
    }

    /// Deletes a folder with everything below it and says which files went with
    /// it: their objects are the caller's to remove.
    pub async fn delete_folder(&self, owner_id: &str, id: &str) -> Result<Vec<String>> {
        let mut tx = self.pool.begin().await?;
        let files = sqlx::query_scalar(
            "WITH RECURSIVE tree (id) AS (
                 SELECT id FROM folders WHERE id = $1 AND owner_id = $2
                 UNION ALL
                 SELECT child.id FROM folders child JOIN tree ON child.parent_folder_id = tree.id
             )
             SELECT files.id FROM files JOIN tree ON files.parent_folder_id = tree.id",
        )
        .bind(id)
        .bind(owner_id)
        .fetch_all(&mut *tx)
        .await?;
        let deleted = sqlx::query("DELETE FROM folders WHERE id = $1 AND owner_id = $2")
            .bind(id)
            .bind(owner_id)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::NotFound("folder"));
        }
        tx.commit().await?;
        Ok(files)
    }
}
