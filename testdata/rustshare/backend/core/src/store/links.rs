use chrono::{DateTime, Utc};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{new_id, now, timestamp, Store};
use crate::{password, Error, Result};

/// What a public link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file to look at.
    File(String),
    /// A folder to upload into.
    Folder(String),
}

#[derive(Debug, Clone)]
pub struct Link {
    pub id: String,
    /// Of the file or the folder.
    pub owner_id: String,
    pub target: Target,
    pub created_at: DateTime<Utc>,
    password_hash: Option<String>,
}

const SELECT: &str = "SELECT links.*, COALESCE(files.owner_id, folders.owner_id) AS owner_id
     FROM links
     LEFT JOIN files ON files.id = links.file_id
     LEFT JOIN folders ON folders.id = links.folder_id";

impl FromRow<'_, AnyRow> for Link {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let file: Option<String> = row.try_get("file_id")?;
        Ok(Self {
            id: row.try_get("id")?,
            owner_id: row.try_get("owner_id")?,
            target: match file {
                Some(file) => Target::File(file),
                None => Target::Folder(row.try_get("folder_id")?),
            },
            created_at: timestamp(row, "created_at")?,
            password_hash: row.try_get("password_hash")?,
        })
    }
}

impl Link {
    pub fn password_protected(&self) -> bool {
        self.password_hash.is_some()
    }

    pub async fn admits(&self, password: &str) -> Result<bool> {
        match &self.password_hash {
            Some(hash) => password::verify(password, Some(hash)).await,
            None => Ok(true),
        }
    }
}

impl Store {
    pub async fn add_link(
        &self,
        owner_id: &str,
        target: &Target,
        password: Option<&str>,
    ) -> Result<Link> {
        let (file, folder) = match target {
            Target::File(id) => (Some(self.file(owner_id, id).await?.id), None),
            Target::Folder(id) => (None, Some(self.folder(owner_id, id).await?.id)),
        };
        let hash = match password {
            Some("") => return Err(Error::Invalid("the password is empty".into())),
            Some(password) => Some(password::hash(password).await?),
            None => None,
        };
        let id = new_id();
        sqlx::query(
            "INSERT INTO links (id, file_id, folder_id, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&id)
        .bind(file)
        .bind(folder)
        .bind(hash)
        .bind(now())
        .execute(&self.pool)
        .await?;
        self.link(&id).await
    }

    /// A link for whoever holds its token.
    pub async fn link(&self, id: &str) -> Result<Link> {
        sqlx::query_as(&format!("{SELECT} WHERE links.id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(Error::NotFound("link"))
    }

    /// The links to anything of the owner's, newest first.
    pub async fn links(&self, owner_id: &str) -> Result<Vec<Link>> {
        Ok(sqlx::query_as(&format!(
            "{SELECT} WHERE files.owner_id = $1 OR folders.owner_id = $1
             ORDER BY links.created_at DESC, links.id"
        ))
        .bind(owner_id)
        .fetch_all(&self.pool)
        .await?)
    }
}
