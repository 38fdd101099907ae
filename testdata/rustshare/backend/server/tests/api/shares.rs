//! Files shared between accounts.

use axum::http::StatusCode;
use serde_json::{json, Value};

use crate::server::{bytes_of, json_of, text, Client, Server, ADMIN, VIEWER};

async fn received(server: &Server, client: &Client) -> Vec<Value> {
    let response = server.get("/api/v1/shares/received", Some(client)).await;
    assert_eq!(response.status(), StatusCode::OK);
    json_of(response).await["shares"]
        .as_array()
        .unwrap()
        .clone()
}

async fn share(server: &Server, owner: &Client, file: &str) -> Value {
    let body = json!({ "recipient_email": VIEWER.0, "permission": "View" });
    let path = format!("/api/v1/files/{file}/share");
    let response = server.post(&path, Some(owner), body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    json_of(response).await
}

#[tokio::test]
async fn a_shared_file_is_received_and_can_be_read_until_it_is_revoked() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login(ADMIN).await, server.login(VIEWER).await);
    let file = server.uploaded(&admin, b"shared").await;
    assert!(received(&server, &viewer).await.is_empty());

    let made = share(&server, &admin, &file).await;
    assert_eq!(share(&server, &admin, &file).await, made);
    let items = received(&server, &viewer).await;
    assert_eq!(items, std::slice::from_ref(&made));
    assert_eq!(items[0]["resource_id"], file);
    assert_eq!(items[0]["shared_by"], ADMIN.0);
    assert_eq!(items[0]["permission"], "View");
    assert!(received(&server, &admin).await.is_empty());
    let download = format!("/api/v1/files/{file}/download");
    let response = server.get(&download, Some(&viewer)).await;
    assert_eq!(bytes_of(response).await, b"shared");

    let revoke = format!("/api/v1/shares/{}/recipient", text(&made, "share_id"));
    let response = server.delete(&revoke, &admin).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(received(&server, &viewer).await.is_empty());
    let response = server.get(&download, Some(&viewer)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = server.delete(&revoke, &admin).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_recipient_may_drop_a_share_but_not_pass_it_on() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login(ADMIN).await, server.login(VIEWER).await);
    let file = server.uploaded(&admin, b"shared").await;
    let made = share(&server, &admin, &file).await;

    for (path, body) in [
        (
            "share",
            json!({ "recipient_email": ADMIN.0, "permission": "View" }),
        ),
        ("shares", json!({ "permissions": "View" })),
    ] {
        let path = format!("/api/v1/files/{file}/{path}");
        let response = server.post(&path, Some(&viewer), body).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let drop = format!("/api/v1/shares/{}/recipient", text(&made, "share_id"));
    let response = server.delete(&drop, &viewer).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(received(&server, &viewer).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_shared_is_told() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let file = server.uploaded(&admin, b"shared").await;
    for (file, recipient, permission, status) in [
        (file.as_str(), "nobody@localhost", "View", 404),
        ("no-such-file", VIEWER.0, "View", 404),
        (&file, ADMIN.0, "View", 400),
        (&file, VIEWER.0, "Edit", 400),
        (&file, VIEWER.0, "Own", 422),
    ] {
        let body = json!({ "recipient_email": recipient, "permission": permission });
        let path = format!("/api/v1/files/{file}/share");
        let response = server.post(&path, Some(&admin), body).await;
        assert_eq!(response.status(), status, "{recipient} {permission}");
        assert!(json_of(response).await["error"].is_string());
    }
}

#[tokio::test]
async fn a_share_ends_with_its_file() {
    let server = Server::start().await;
    let (admin, viewer) = (server.login(ADMIN).await, server.login(VIEWER).await);
    let folder = server.folder(&admin).await;
    let file = json_of(server.upload(&admin, &folder, b"shared").await).await;
    share(&server, &admin, &text(&file, "id")).await;
    let path = format!("/api/v1/folders/{folder}");
    let response = server.delete(&path, &admin).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(received(&server, &viewer).await.is_empty());
}
