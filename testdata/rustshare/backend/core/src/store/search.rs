use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{checked_line, Store};
use crate::{Error, Result};

/// What one pass of the indexer takes at most, of notes and of files.
const BATCH: i64 = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// `note` or `file`.
    pub resource_type: String,
    pub resource_id: String,
    /// The note's title or the file's name.
    pub title: String,
}

impl FromRow<'_, AnyRow> for Hit {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            resource_type: row.try_get("resource_type")?,
            resource_id: row.try_get("resource_id")?,
            title: row.try_get("title")?,
        })
    }
}

impl Store {
    /// Notes and files that have the query in their text, whatever the case,
    /// the last changed first. Who may see a hit is asked at the very moment:
    /// own notes, own files and files shared with the user, for every role.
    pub async fn search(&self, user_id: &str, query: &str, limit: i64) -> Result<Vec<Hit>> {
        let query = checked_line("query", query)?;
        Ok(sqlx::query_as(
            "SELECT 'note' AS resource_type, notes.id AS resource_id, notes.title AS title,
                    notes.updated_at AS changed_at
             FROM search_documents JOIN notes ON notes.id = search_documents.note_id
             WHERE search_documents.text LIKE $1 ESCAPE '!' AND notes.owner_id = $2
             UNION ALL
             SELECT 'file', files.id, files.name, files.created_at
             FROM search_documents JOIN files ON files.id = search_documents.file_id
             WHERE search_documents.text LIKE $1 ESCAPE '!'
               AND (files.owner_id = $2 OR EXISTS (
                   SELECT 1 FROM shares WHERE file_id = files.id AND recipient_id = $2))
             ORDER BY changed_at DESC, resource_id
             LIMIT $3",
        )
        .bind(pattern(query))
        .bind(user_id)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Takes up what was made or changed since the last time: titles and
    /// contents of notes, names of files.
    pub async fn index(&self) -> Result<()> {
        let notes: Vec<(String, i64, String, String)> = sqlx::query_as(
            "SELECT notes.id, notes.revision, notes.title, notes.content
             FROM notes LEFT JOIN search_documents ON search_documents.note_id = notes.id
             WHERE search_documents.revision IS NULL
                OR search_documents.revision <> notes.revision
             LIMIT $1",
        )
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?;
        for (id, revision, title, content) in notes {
            let text = format!("{title}\n{content}").to_lowercase();
            self.index_document(Some(&id), None, revision, &text)
                .await?;
        }

        let files: Vec<(String, String)> = sqlx::query_as(
            "SELECT files.id, files.name
             FROM files LEFT JOIN search_documents ON search_documents.file_id = files.id
             WHERE search_documents.revision IS NULL
             LIMIT $1",
        )
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?;
        for (id, name) in files {
            self.index_document(None, Some(&id), 1, &name.to_lowercase())
                .await?;
        }
        Ok(())
    }

    async fn index_document(
        &self,
        note_id: Option<&str>,
        file_id: Option<&str>,
        revision: i64,
        text: &str,
    ) -> Result<()> {
        let written = sqlx::query(
            "INSERT INTO search_documents (note_id, file_id, revision, text)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (note_id) DO UPDATE SET revision = excluded.revision, text = excluded.text",
        )
        .bind(note_id)
        .bind(file_id)
        .bind(revision)
        .bind(text)
        .execute(&self.pool)
        .await;
        match written.map_err(Error::from) {
            // Deleted since it was read.
            Err(Error::NotFound(_)) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The query as a `LIKE` pattern that takes no character for a wildcard.
fn pattern(query: &str) -> String {
    let mut pattern = String::from("%");
    for character in query.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pattern_has_no_wildcards_of_the_users() {
        assert_eq!(super::pattern("100% A_b!"), "%100!% a!_b!!%");
    }
}
