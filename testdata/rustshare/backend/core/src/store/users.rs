use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{new_id, now, Store};
use crate::config::Account;
use crate::{password, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    Viewer,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct User {
    pub id: String,
    pub email: String,
    pub role: Role,
}

impl FromRow<'_, AnyRow> for User {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            email: row.try_get("email")?,
            // An unknown role gets the fewest rights.
            role: match row.try_get::<String, _>("role")?.as_str() {
                "admin" => Role::Admin,
                _ => Role::Viewer,
            },
        })
    }
}

impl Store {
    /// Makes sure that an account of the configuration exists with the password
    /// configured for it. A changed password ends the account's sessions.
    pub async fn seed_user(&self, account: &Account, role: Role) -> Result<()> {
        let wanted = account.password.expose();
        let stored = self.password_hash(&account.email).await?;
        if password::verify(wanted, stored.as_deref()).await? {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO users (id, email, role, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email) DO UPDATE SET role = excluded.role, password_hash = excluded.password_hash",
        )
        .bind(new_id())
        .bind(&account.email)
        .bind(role.as_str())
        .bind(password::hash(wanted).await?)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1)")
            .bind(&account.email)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        tracing::info!(email = %account.email, role = role.as_str(), "account seeded");
        Ok(())
    }

    /// The user, if e-mail and password are right.
    pub async fn authenticate(&self, email: &str, password: &str) -> Result<Option<User>> {
        let email = email.trim().to_lowercase();
        let stored = self.password_hash(&email).await?;
        if !password::verify(password, stored.as_deref()).await? {
            return Ok(None);
        }
        Ok(
            sqlx::query_as("SELECT id, email, role FROM users WHERE email = $1")
                .bind(&email)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    async fn password_hash(&self, email: &str) -> Result<Option<String>> {
        Ok(
            sqlx::query_scalar("SELECT password_hash FROM users WHERE email = $1")
                .bind(email)
                .fetch_optional(&self.pool)
                .await?,
        )
    }
}
