//! The one error type of the core.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, or not the caller's: the two are never told apart.
    #[error("{0} not found")]
    NotFound(&'static str),

    #[error("{0}")]
    Invalid(String),

    #[error("the upload is larger than {limit} bytes")]
    TooLarge { limit: u64 },

    #[error("database: {0}")]
    Database(#[source] sqlx::Error),

    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),

    #[error("object store: {0}")]
    Objects(#[from] object_store::Error),

    #[error("password hash: {0}")]
    PasswordHash(String),

    #[error("a background task died: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<sqlx::Error> for Error {
    fn from(err: sqlx::Error) -> Self {
        match &err {
            // What a new row belongs to was deleted between the check and the
            // insert.
            sqlx::Error::Database(db) if db.is_foreign_key_violation() => {
                Self::NotFound("resource")
            }
            // PostgreSQL keeps no NUL characters; SQLite would.
            sqlx::Error::Database(db) if db.code().as_deref() == Some("22021") => {
                Self::Invalid("a value has a NUL character".into())
            }
            _ => Self::Database(err),
        }
    }
}
