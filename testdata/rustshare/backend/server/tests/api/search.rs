use axum::http::StatusCode;
use serde_json::json;

use crate::server::{id_of, json_of, multipart, text, Client, Server, ADMIN, VIEWER};

/// The titles that a query finds.
async fn find(server: &Server, client: &Client, query: &str) -> Vec<String> {
    let body = json!({ "query": query, "limit": 10 });
    let response = server.post("/api/v1/search", Some(client), body).await;
    assert_eq!(response.status(), StatusCode::OK);
    json_of(response).await["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| text(hit, "title"))
        .collect()
}

async fn note(server: &Server, client: &Client, title: &str, content: &str) -> String {
    let body = json!({ "title": title, "content": content });
    id_of(server.post("/api/v1/notes", Some(client), body).await).await
}

async fn file(server: &Server, client: &Client, name: &str) -> String {
    let path = "/api/v1/files/upload";
    let upload = multipart(path, Some(client), &[("name", name)], b"x");
    id_of(server.send(upload).await).await
}

#[tokio::test]
async fn a_note_is_found_once_the_index_has_it() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let id = note(&server, &admin, "Übersicht", "needle-7F3A_100% sure").await;
    assert!(find(&server, &admin, "needle-7f3a").await.is_empty());
    server.background().await;
    for query in ["needle-7f3a", " NEEDLE", "übersicht", "7F3A_100%"] {
        assert_eq!(find(&server, &admin, query).await, ["Übersicht"], "{query}");
    }
    for query in ["needle%sure", "needle-7F3A 100", "haystack"] {
        assert!(find(&server, &admin, query).await.is_empty(), "{query}");
    }

    let path = format!("/api/v1/notes/{id}");
    server
        .put(&path, Some(&admin), json!({ "content": "thread" }))
        .await;
    assert!(find(&server, &admin, "thread").await.is_empty());
    server.background().await;
    assert_eq!(find(&server, &admin, "thread").await.len(), 1);
    assert!(find(&server, &admin, "needle").await.is_empty());

    server.delete(&path, &admin).await;
    assert!(find(&server, &admin, "thread").await.is_empty());
}

/// The one thing a search must never do.
#[tokio::test]
async fn nobody_finds_what_is_not_his_or_shared_with_him() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login(ADMIN).await, server.login(VIEWER).await);
    note(&server, &admin, "admin's needle", "").await;
    note(&server, &viewer, "viewer's needle", "").await;
    let shared = file(&server, &admin, "shared needle").await;
    file(&server, &admin, "private needle").await;
    server.background().await;

    let sorted = |mut titles: Vec<String>| {
        titles.sort();
        titles
    };
    let (admins, viewers) = (
        ["admin's needle", "private needle", "shared needle"],
        ["viewer's needle"],
    );
    assert_eq!(sorted(find(&server, &admin, "needle").await), admins);
    assert_eq!(find(&server, &viewer, "needle").await, viewers);

    let body = json!({ "recipient_email": VIEWER.0, "permission": "View" });
    let path = format!("/api/v1/files/{shared}/share");
    let share = json_of(server.post(&path, Some(&admin), body).await).await;
    let with_share = ["shared needle", "viewer's needle"];
    assert_eq!(sorted(find(&server, &viewer, "needle").await), with_share);

    // At once, not when the index gets round to it.
    let path = format!("/api/v1/shares/{}/recipient", text(&share, "share_id"));
    server.delete(&path, &admin).await;
    assert_eq!(find(&server, &viewer, "needle").await, viewers);
}

#[tokio::test]
async fn a_search_has_its_limits() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    for number in 0..3 {
        note(&server, &admin, &format!("note {number}"), "").await;
    }
    server.background().await;
    for (limit, found) in [(2, 2), (0, 1), (-1, 1), (i64::MAX, 3)] {
        let body = json!({ "query": "note", "limit": limit });
        let response = server.post("/api/v1/search", Some(&admin), body).await;
        let hits = json_of(response).await;
        assert_eq!(hits["results"].as_array().unwrap().len(), found, "{limit}");
    }
    for (body, status) in [
        (json!({ "query": "" }), 400),
        (json!({ "query": "x".repeat(256) }), 400),
        (json!({ "query": "a\0b" }), 400),
        (json!({ "limit": 1 }), 422),
        (json!({ "query": "x", "limit": "many" }), 422),
    ] {
        let response = server.post("/api/v1/search", Some(&admin), body).await;
        assert_eq!(response.status(), status);
    }
    let response = server
        .post("/api/v1/search", None, json!({ "query": "note" }))
        .await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
