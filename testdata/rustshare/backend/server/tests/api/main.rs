//! The HTTP surface as a client sees it, with a local object store, on SQLite
//! or, with `RUSTSHARE_TEST_POSTGRES_URL=postgres://…/postgres`, on PostgreSQL.

mod admin;
mod basics;
mod links;
mod notes;
mod search;
mod server;
mod shares;
