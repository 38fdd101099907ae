-- One dialect for PostgreSQL and SQLite: ids are UUIDs as text, times are Unix
-- seconds. Migrations are forward-only; a released file never changes again.

CREATE TABLE users (
    id            TEXT   PRIMARY KEY,
    email         TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);

-- Only a keyed digest of the session token is kept: whoever reads this table
-- cannot log in with it.
CREATE TABLE sessions (
    token_digest TEXT   PRIMARY KEY,
    user_id      TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

CREATE INDEX sessions_expires_at ON sessions (expires_at);
