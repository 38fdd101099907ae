-- A parent or folder that is NULL is the owner's root.

CREATE TABLE folders (
    id               TEXT   PRIMARY KEY,
    owner_id         TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    parent_folder_id TEXT   REFERENCES folders (id) ON DELETE CASCADE,
    name             TEXT   NOT NULL,
    created_at       BIGINT NOT NULL
);

CREATE INDEX folders_by_parent ON folders (owner_id, parent_folder_id);

-- The bytes are in the object store, under a key made of the id.
CREATE TABLE files (
    id               TEXT   PRIMARY KEY,
    owner_id         TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    parent_folder_id TEXT   REFERENCES folders (id) ON DELETE CASCADE,
    name             TEXT   NOT NULL,
    content_type     TEXT   NOT NULL,
    size             BIGINT NOT NULL,
    sha256           TEXT   NOT NULL,
    created_at       BIGINT NOT NULL
);

CREATE INDEX files_by_parent ON files (owner_id, parent_folder_id);
