use std::time::Duration;

use super::{now, Store, User};
use crate::Result;

impl Store {
    /// Opens a session, and sweeps out those that have expired.
    pub async fn open_session(&self, user: &User, digest: &str, ttl: Duration) -> Result<()> {
        let now = now();
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(now)
            .execute(&self.pool)
            .await?;
        sqlx::query(
            "INSERT INTO sessions (token_digest, user_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(digest)
        .bind(&user.id)
        .bind(now)
        .bind(now.saturating_add_unsigned(ttl.as_secs()))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whose session it is, while it lasts.
    pub async fn session_user(&self, digest: &str) -> Result<Option<User>> {
        Ok(sqlx::query_as(
            "SELECT users.id, users.email, users.role
             FROM sessions JOIN users ON users.id = sessions.user_id
             WHERE sessions.token_digest = $1 AND sessions.expires_at > $2",
        )
        .bind(digest)
        .bind(now())
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The same for visitors: a session with one link.
    pub async fn open_link_session(
        &self,
        link_id: &str,
        digest: &str,
        ttl: Duration,
    ) -> Result<()> {
        let now = now();
        sqlx::query("DELETE FROM link_sessions WHERE expires_at <= $1")
            .bind(now)
            .execute(&self.pool)
            .await?;
        sqlx::query(
            "INSERT INTO link_sessions (token_digest, link_id, expires_at) VALUES ($1, $2, $3)",
        )
        .bind(digest)
        .bind(link_id)
        .bind(now.saturating_add_unsigned(ttl.as_secs()))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn link_session_lasts(&self, link_id: &str, digest: &str) -> Result<bool> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT link_id FROM link_sessions
             WHERE token_digest = $1 AND link_id = $2 AND expires_at > $3",
        )
        .bind(digest)
        .bind(link_id)
        .bind(now())
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.is_some())
    }

    pub async fn close_session(&self, digest: &str) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE token_digest = $1")
            .bind(digest)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
