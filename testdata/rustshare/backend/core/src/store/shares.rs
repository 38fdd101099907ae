use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{new_id, now, timestamp, Store};
use crate::{Error, Result};

/// A file that its owner lets somebody else see.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    pub share_id: String,
    pub resource_type: &'static str,
    pub resource_id: String,
    pub name: String,
    pub permission: &'static str,
    /// The owner's e-mail.
    pub shared_by: String,
    pub created_at: DateTime<Utc>,
}

impl FromRow<'_, AnyRow> for Share {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            share_id: row.try_get("id")?,
            resource_type: "file",
            resource_id: row.try_get("file_id")?,
            name: row.try_get("name")?,
            permission: "View",
            shared_by: row.try_get("email")?,
            created_at: timestamp(row, "created_at")?,
        })
    }
}

impl Store {
    /// Shares a file of the owner's. Sharing it again with the same user gives
    /// the share that is there.
    pub async fn share_file(
        &self,
        owner_id: &str,
        file_id: &str,
        recipient_email: &str,
    ) -> Result<Share> {
        self.file(owner_id, file_id).await?;
        let recipient: String = sqlx::query_scalar("SELECT id FROM users WHERE email = $1")
            .bind(recipient_email.trim().to_lowercase())
            .fetch_optional(&self.pool)
            .await?
            .ok_or(Error::NotFound("recipient"))?;
        if recipient == owner_id {
            return Err(Error::Invalid("the file is the recipient's own".into()));
        }
        sqlx::query(
            "INSERT INTO shares (id, file_id, recipient_id, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (file_id, recipient_id) DO NOTHING",
        )
        .bind(new_id())
        .bind(file_id)
        .bind(&recipient)
        .bind(now())
        .execute(&self.pool)
        .await?;
        let received = self.shares_received(&recipient).await?;
        received
            .into_iter()
            .find(|share| share.resource_id == file_id)
            .ok_or(Error::NotFound("share"))
    }

    /// What others share with a user, newest first.
    pub async fn shares_received(&self, user_id: &str) -> Result<Vec<Share>> {
        Ok(sqlx::query_as(
            "SELECT shares.id, shares.file_id, shares.created_at, files.name, users.email
             FROM shares
             JOIN files ON files.id = shares.file_id
             JOIN users ON users.id = files.owner_id
             WHERE shares.recipient_id = $1
             ORDER BY shares.created_at DESC, shares.id",
        )
        .bind(user_id)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Ends a share. Its owner may, and so may who received it.
    pub async fn revoke_share(&self, user_id: &str, share_id: &str) -> Result<()> {
        let revoked = sqlx::query(
            "DELETE FROM shares
             WHERE id = $1 AND (recipient_id = $2
                 OR file_id IN (SELECT id FROM files WHERE owner_id = $2))",
        )
        .bind(share_id)
        .bind(user_id)
        .execute(&self.pool)
        .await?;
        if revoked.rows_affected() == 0 {
            return Err(Error::NotFound("share"));
        }
        Ok(())
    }
}
