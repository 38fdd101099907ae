use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{checked_line, new_id, now, timestamp, Store};
use crate::{Error, Result};

#[derive(Debug, Clone, Serialize)]
pub struct Note {
    pub id: String,
    pub title: String,
    pub content: String,
    pub parent_folder_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl FromRow<'_, AnyRow> for Note {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            title: row.try_get("title")?,
            content: row.try_get("content")?,
            parent_folder_id: row.try_get("parent_folder_id")?,
            created_at: timestamp(row, "created_at")?,
            updated_at: timestamp(row, "updated_at")?,
        })
    }
}

/// What a change leaves out stays as it is.
#[derive(Debug, Default)]
pub struct NoteChange<'a> {
    pub title: Option<&'a str>,
    pub content: Option<&'a str>,
}

impl Store {
    pub async fn create_note(
        &self,
        owner_id: &str,
        title: &str,
        content: &str,
        parent_folder_id: Option<&str>,
    ) -> Result<Note> {
        let title = checked_line("title", title)?;
        if let Some(parent) = parent_folder_id {
            self.folder(owner_id, parent).await?;
        }
        let id = new_id();
        let now = now();
        sqlx::query(
            "INSERT INTO notes (id, owner_id, parent_folder_id, title, content, revision,
                                created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7)",
        )
        .bind(&id)
        .bind(owner_id)
        .bind(parent_folder_id)
        .bind(title)
        .bind(checked_content(content)?)
        .bind(now)
        .bind(now)
        .execute(&self.pool)
        .await?;
        self.note(owner_id, &id).await
    }

    pub async fn note(&self, owner_id: &str, id: &str) -> Result<Note> {
        sqlx::query_as("SELECT * FROM notes WHERE id = $1 AND owner_id = $2")
            .bind(id)
            .bind(owner_id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(Error::NotFound("note"))
    }

    /// The owner's notes, the last changed first.
    pub async fn notes(&self, owner_id: &str) -> Result<Vec<Note>> {
        Ok(
            sqlx::query_as("SELECT * FROM notes WHERE owner_id = $1 ORDER BY updated_at DESC, id")
                .bind(owner_id)
                .fetch_all(&self.pool)
                .await?,
        )
    }

    pub async fn change_note(
        &self,
        owner_id: &str,
        id: &str,
        change: NoteChange<'_>,
    ) -> Result<Note> {
        let title = change
            .title
            .map(|title| checked_line("title", title))
            .transpose()?;
        let content = change.content.map(checked_content).transpose()?;
        sqlx::query(
            "UPDATE notes
             SET title = COALESCE($1, title), content = COALESCE($2, content),
                 revision = revision + 1, updated_at = $3
             WHERE id = $4 AND owner_id = $5",
        )
        .bind(title)
        .bind(content)
        .bind(now())
        .bind(id)
        .bind(owner_id)
        .execute(&self.pool)
        .await?;
        self.note(owner_id, id).await
    }

    pub async fn delete_note(&self, owner_id: &str, id: &str) -> Result<()> {
        let deleted = sqlx::query("DELETE FROM notes WHERE id = $1 AND owner_id = $2")
            .bind(id)
            .bind(owner_id)
            .execute(&self.pool)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(Error::NotFound("note"));
        }
        Ok(())
    }
}

/// Any text; a NUL is what PostgreSQL does not keep.
fn checked_content(content: &str) -> Result<&str> {
    if content.contains('\0') {
        return Err(Error::Invalid("the content has a NUL character".into()));
    }
    Ok(content)
}
