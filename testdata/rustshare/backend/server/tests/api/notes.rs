use axum::http::StatusCode;
use serde_json::json;

use crate::server::{id_of, json_of, text, Server, ADMIN, VIEWER};

#[tokio::test]
async fn a_note_goes_round() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let folder = server.folder(&admin).await;
    let body = json!({ "title": "List", "content": "milk", "parent_folder_id": folder });
    let response = server.post("/api/v1/notes", Some(&admin), body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let made = json_of(response).await;
    let path = format!("/api/v1/notes/{}", text(&made, "id"));
    assert_eq!(json_of(server.get(&path, Some(&admin)).await).await, made);
    assert_eq!(made["content"], "milk");
    assert_eq!(made["parent_folder_id"], folder);

    let change = json!({ "content": "milk\nbread" });
    let response = server.put(&path, Some(&admin), change).await;
    assert_eq!(response.status(), StatusCode::OK);
    let changed = json_of(response).await;
    assert_eq!(changed["content"], "milk\nbread");
    assert_eq!(changed["title"], "List");
    let list = json_of(server.get("/api/v1/notes", Some(&admin)).await).await;
    assert_eq!(list, json!({ "notes": [changed] }));

    let response = server.delete(&path, &admin).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    for response in [
        server.get(&path, Some(&admin)).await,
        server.put(&path, Some(&admin), json!({})).await,
        server.delete(&path, &admin).await,
    ] {
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_note_is_its_owners_alone() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login(ADMIN).await, server.login(VIEWER).await);
    let body = json!({ "title": "Diary", "content": "secret" });
    let note = id_of(server.post("/api/v1/notes", Some(&admin), body).await).await;
    let path = format!("/api/v1/notes/{note}");
    for response in [
        server.get(&path, Some(&viewer)).await,
        server
            .put(&path, Some(&viewer), json!({ "content": "" }))
            .await,
        server.delete(&path, &viewer).await,
    ] {
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    let list = json_of(server.get("/api/v1/notes", Some(&viewer)).await).await;
    assert_eq!(list, json!({ "notes": [] }));
    let note = json_of(server.get(&path, Some(&admin)).await).await;
    assert_eq!(note["content"], "secret");
}

#[tokio::test]
async fn a_note_goes_with_its_folder() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let folder = server.folder(&admin).await;
    let body = json!({ "title": "List", "content": "", "parent_folder_id": folder });
    let note = id_of(server.post("/api/v1/notes", Some(&admin), body).await).await;
    server
        .delete(&format!("/api/v1/folders/{folder}"), &admin)
        .await;
    let response = server
        .get(&format!("/api/v1/notes/{note}"), Some(&admin))
        .await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bad_notes_are_refused() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    for (body, status) in [
        (json!({ "title": " ", "content": "" }), 400),
        (json!({ "title": "x".repeat(256), "content": "" }), 400),
        (json!({ "title": "x", "content": "\0" }), 400),
        (json!({ "title": "x" }), 422),
        (
            json!({ "title": "x", "content": "", "parent_folder_id": "none" }),
            404,
        ),
        (json!({ "title": "x", "content": "x".repeat(3 << 20) }), 413),
    ] {
        let response = server.post("/api/v1/notes", Some(&admin), body).await;
        assert_eq!(response.status(), status);
        assert!(json_of(response).await["error"].is_string());
    }
    let mut forged = admin.clone();
    forged.csrf.clear();
    let body = json!({ "title": "x", "content": "" });
    let response = server.post("/api/v1/notes", Some(&forged), body).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
