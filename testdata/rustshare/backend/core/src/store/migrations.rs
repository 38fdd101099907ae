//! The migrations, compiled into the binary and run at every start.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::AnyPool;

use crate::Result;

macro_rules! migration {
    ($version:literal, $name:literal) => {
        (
            $version,
            $name,
            include_str!(concat!("../../../migrations/", $name, ".sql")),
        )
    };
}

/// In order; append only.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    migration!(1, "0001_accounts"),
    migration!(2, "0002_folders_and_files"),
    migration!(3, "0003_sharing_notes_and_audit"),
];

pub(super) async fn run(pool: &AnyPool) -> Result<()> {
    Ok(migrator(MIGRATIONS).run(pool).await?)
}

fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = migrations
        .iter()
        .map(|&(version, name, sql)| {
            Migration::new(
                version,
                Cow::Borrowed(name),
                MigrationType::Simple,
                Cow::Borrowed(sql),
                false,
            )
        })
        .collect();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::{migrator, run, MIGRATIONS};

    #[test]
    fn versions_count_up_and_match_their_files() {
        for (index, (version, name, _)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(*version, index as i64 + 1);
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
        }
    }

    /// A file of version 0.1.0 is neither lost nor taken for replicated.
    #[tokio::test]
    async fn files_from_before_replication_get_a_job() {
        sqlx::any::install_default_drivers();
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db?mode=rwc", dir.path().display());
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        migrator(&MIGRATIONS[..2]).run(&pool).await.unwrap();
        for insert in [
            "INSERT INTO users VALUES ('u', 'a@localhost', 'admin', '', 0)",
            "INSERT INTO files VALUES ('f', 'u', NULL, 'a.txt', 'text/plain', 1, '', 0)",
        ] {
            sqlx::query(insert).execute(&pool).await.unwrap();
        }
        run(&pool).await.unwrap();
        let jobs: Vec<(String, String)> =
            sqlx::query_as("SELECT file_id, state FROM replication_jobs")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert_eq!(jobs, [("f".to_owned(), "pending".to_owned())]);
    }

    #[test]
    fn every_file_is_listed() {
        let mut files: Vec<_> = std::fs::read_dir("../migrations")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|m| format!("{}.sql", m.1)).collect();
        assert_eq!(files, listed);
    }
}
