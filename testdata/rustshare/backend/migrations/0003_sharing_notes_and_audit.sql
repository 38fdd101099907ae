-- A share lets one other user see a file.
CREATE TABLE shares (
    id           TEXT   PRIMARY KEY,
    file_id      TEXT   NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    recipient_id TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    UNIQUE (file_id, recipient_id)
);

CREATE INDEX shares_by_recipient ON shares (recipient_id);

-- A link is for people without an account: it shows one file, or takes uploads
-- for one folder and shows nothing of it. Its token is derived from the id with
-- RUSTSHARE_SECRET_ENCRYPTION_KEY: whoever reads this table cannot use a link.
CREATE TABLE links (
    id            TEXT   PRIMARY KEY,
    file_id       TEXT   REFERENCES files (id) ON DELETE CASCADE,
    folder_id     TEXT   REFERENCES folders (id) ON DELETE CASCADE,
    password_hash TEXT,
    created_at    BIGINT NOT NULL,
    CHECK ((file_id IS NULL) <> (folder_id IS NULL))
);

CREATE INDEX links_by_file ON links (file_id);
CREATE INDEX links_by_folder ON links (folder_id);

CREATE TABLE link_sessions (
    token_digest TEXT   PRIMARY KEY,
    link_id      TEXT   NOT NULL REFERENCES links (id) ON DELETE CASCADE,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX link_sessions_expires_at ON link_sessions (expires_at);

-- What somebody with an upload-only link called himself.
ALTER TABLE files ADD COLUMN uploader_name TEXT;

-- The revision counts changes: the search index knows by it what it has seen.
CREATE TABLE notes (
    id               TEXT   PRIMARY KEY,
    owner_id         TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    parent_folder_id TEXT   REFERENCES folders (id) ON DELETE CASCADE,
    title            TEXT   NOT NULL,
    content          TEXT   NOT NULL,
    revision         BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE INDEX notes_by_owner ON notes (owner_id);

-- The search index: the text of a note or a file in lower case. It says nothing
-- about who may see it; a search asks the resource itself for that.
CREATE TABLE search_documents (
    note_id  TEXT   UNIQUE REFERENCES notes (id) ON DELETE CASCADE,
    file_id  TEXT   UNIQUE REFERENCES files (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    text     TEXT   NOT NULL,
    CHECK ((note_id IS NULL) <> (file_id IS NULL))
);

-- Every stored file version has one job: see that the object store has it.
CREATE TABLE replication_jobs (
    file_id    TEXT   PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    state      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX replication_jobs_by_state ON replication_jobs (state, updated_at);

INSERT INTO replication_jobs (file_id, state, updated_at)
SELECT id, 'pending', 0 FROM files;

CREATE TABLE replication_targets (
    name       TEXT   PRIMARY KEY,
    state      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL
);

INSERT INTO replication_targets (name, state, updated_at)
VALUES ('object-store', 'unknown', 0);

-- Plain text throughout: an entry outlives what it tells of. The time is in
-- microseconds, since entries are read in order.
CREATE TABLE audit_entries (
    id          TEXT   PRIMARY KEY,
    actor       TEXT   NOT NULL,
    action      TEXT   NOT NULL,
    resource_id TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE INDEX audit_entries_created_at ON audit_entries (created_at);
