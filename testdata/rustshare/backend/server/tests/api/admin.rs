//! Audit, replication and the chat's status.

use axum::http::StatusCode;
use serde_json::{json, Value};

use crate::server::{json_of, text, Client, Server, ADMIN, VIEWER};

async fn audit(server: &Server, admin: &Client, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/admin/audit{query}");
    let response = server.get(&path, Some(admin)).await;
    assert_eq!(response.status(), StatusCode::OK);
    json_of(response).await["entries"]
        .as_array()
        .unwrap()
        .clone()
}

async fn replication(server: &Server, admin: &Client) -> Value {
    let path = "/api/v1/admin/replication/summary";
    json_of(server.get(path, Some(admin)).await).await
}

#[tokio::test]
async fn the_audit_tells_who_did_what_newest_first() {
    let server = Server::start().await;
    let wrong = json!({ "email": ADMIN.0, "password": "wrong password" });
    server.post("/api/v1/auth/login", None, wrong).await;
    let admin = server.login(ADMIN).await;
    let folder = server.folder(&admin).await;
    let file = json_of(server.upload(&admin, &folder, b"x").await).await;
    let file = text(&file, "id");
    let share = json!({ "recipient_email": VIEWER.0, "permission": "View" });
    let path = format!("/api/v1/files/{file}/share");
    server.post(&path, Some(&admin), share).await;
    server
        .delete(&format!("/api/v1/folders/{folder}"), &admin)
        .await;

    let told: Vec<(String, String, String)> = audit(&server, &admin, "?per_page=20")
        .await
        .iter()
        .map(|entry| {
            (
                text(entry, "actor"),
                text(entry, "action"),
                text(entry, "resource_id"),
            )
        })
        .collect();
    let expected = [
        (ADMIN.0, "folder.delete", folder.as_str()),
        (ADMIN.0, "file.share", &file),
        (ADMIN.0, "file.upload", &file),
        (ADMIN.0, "folder.create", &folder),
        (ADMIN.0, "account.login", ADMIN.0),
        ("anonymous", "account.login_refused", ADMIN.0),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(audit(&server, &admin, "?per_page=2").await.len(), 2);
    assert_eq!(audit(&server, &admin, "").await.len(), 6);
    for bad in ["0", "-1", "x", "", "201", "99999999999999999999"] {
        let path = format!("/api/v1/admin/audit?per_page={bad}");
        let response = server.get(&path, Some(&admin)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn a_version_is_stored_once_the_object_store_says_so() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let nothing = json!({
        "job_states": {}, "version_states": {}, "target_states": { "unknown": 1 },
    });
    assert_eq!(replication(&server, &admin).await, nothing);

    server.uploaded(&admin, b"x").await;
    let summary = replication(&server, &admin).await;
    assert_eq!(summary["job_states"], json!({ "pending": 1 }));
    assert_eq!(summary["version_states"], json!({ "unconfirmed": 1 }));

    server.background().await;
    let stored = json!({
        "job_states": { "done": 1 },
        "version_states": { "stored": 1 },
        "target_states": { "healthy": 1 },
    });
    assert_eq!(replication(&server, &admin).await, stored);

    let lost = server.uploaded(&admin, b"y").await;
    std::fs::remove_file(server.dir.path().join("objects/files").join(lost)).unwrap();
    server.background().await;
    let summary = replication(&server, &admin).await;
    assert_eq!(summary["job_states"], json!({ "done": 1, "failed": 1 }));
    assert_eq!(
        summary["version_states"],
        json!({ "stored": 1, "missing": 1 })
    );
}

#[tokio::test]
async fn administration_is_for_admins() {
    let server = Server::start().await;
    let viewer = server.login(VIEWER).await;
    for path in ["audit", "replication/summary"] {
        let path = format!("/api/v1/admin/{path}");
        let response = server.get(&path, Some(&viewer)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let response = server.get(&path, None).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_chat_is_on_when_it_has_a_secret() {
    let server = Server::start().await;
    let viewer = server.login(VIEWER).await;
    let path = "/api/v1/applications/chat/status";
    let response = server.get(path, Some(&viewer)).await;
    assert_eq!(json_of(response).await, json!({ "chat_enabled": true }));
    let response = server.get(path, None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
