use std::collections::BTreeMap;

use serde::Serialize;

use super::{now, Store};
use crate::Result;

/// What one pass looks at.
const BATCH: i64 = 200;
/// A job that failed is tried again after so many seconds: an object store that
/// was restored has its objects back.
const RETRY_AFTER: i64 = 30;

/// Whether the object store has the bytes of a file version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Nobody has looked yet.
    Pending,
    Done,
    /// The object is missing or has another size.
    Failed,
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    Healthy,
    Unreachable,
}

/// Numbers by state; a state that nothing is in is left out.
#[derive(Debug, Serialize)]
pub struct ReplicationSummary {
    /// `pending`, `done`, `failed`.
    pub job_states: BTreeMap<String, i64>,
    /// `stored` once its job is done, `unconfirmed` before, or `missing`.
    pub version_states: BTreeMap<String, i64>,
    /// `healthy`, `unreachable`, or `unknown` before the first look.
    pub target_states: BTreeMap<String, i64>,
}

impl Store {
    /// Ids and sizes of files that the object store has to be asked for.
    pub async fn open_jobs(&self) -> Result<Vec<(String, i64)>> {
        Ok(sqlx::query_as(
            "SELECT files.id, files.size
             FROM replication_jobs JOIN files ON files.id = replication_jobs.file_id
             WHERE replication_jobs.state = 'pending'
                OR (replication_jobs.state = 'failed' AND replication_jobs.updated_at <= $1)
             LIMIT $2",
        )
        .bind(now() - RETRY_AFTER)
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?)
    }

    pub async fn set_job(&self, file_id: &str, state: JobState) -> Result<()> {
        sqlx::query("UPDATE replication_jobs SET state = $1, updated_at = $2 WHERE file_id = $3")
            .bind(state.as_str())
            .bind(now())
            .bind(file_id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes only when the state is another one than before.
    pub async fn set_target(&self, state: TargetState) -> Result<()> {
        let state = match state {
            TargetState::Healthy => "healthy",
            TargetState::Unreachable => "unreachable",
        };
        sqlx::query("UPDATE replication_targets SET state = $1, updated_at = $2 WHERE state <> $3")
            .bind(state)
            .bind(now())
            .bind(state)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn replication_summary(&self) -> Result<ReplicationSummary> {
        Ok(ReplicationSummary {
            job_states: self
                .count("SELECT state, COUNT(*) FROM replication_jobs GROUP BY state")
                .await?,
            version_states: self
                .count(
                    "SELECT CASE replication_jobs.state WHEN 'done' THEN 'stored'
                                                        WHEN 'failed' THEN 'missing'
                                                        ELSE 'unconfirmed' END AS version_state,
                            COUNT(*)
                     FROM files LEFT JOIN replication_jobs ON replication_jobs.file_id = files.id
                     GROUP BY version_state",
                )
                .await?,
            target_states: self
                .count("SELECT state, COUNT(*) FROM replication_targets GROUP BY state")
                .await?,
        })
    }

    async fn count(&self, query: &'static str) -> Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().collect())
    }
}
