//! Accounts, folders, files, and how errors look.

use axum::body::Body;
use axum::http::{header, Method, StatusCode};
use serde_json::json;

use crate::server::{bytes_of, json_of, request, Server, ADMIN, VIEWER};

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let me = json_of(server.get("/api/v1/me", Some(&admin)).await).await;
    assert_eq!(me["email"], ADMIN.0);
    assert_eq!(me["role"], "admin");

    let folder = json!({ "name": "smoke", "parent_folder_id": null });
    let response = server.post("/api/v1/folders", Some(&admin), folder).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let folder = json_of(response).await["id"].as_str().unwrap().to_owned();

    let content = b"bytes \0 and \r\n lines";
    let response = server.upload(&admin, &folder, content).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let file = json_of(response).await;
    assert_eq!(file["name"], "b.txt");
    assert_eq!(file["size"], content.len());

    let listing = format!("/api/v1/folders/{folder}/contents");
    let contents = json_of(server.get(&listing, Some(&admin)).await).await;
    assert_eq!(contents["files"][0]["id"], file["id"]);
    let root = json_of(
        server
            .get("/api/v1/folders/root/contents", Some(&admin))
            .await,
    )
    .await;
    assert_eq!(root["folders"][0]["id"], folder);
    assert_eq!(root["files"], json!([]));

    let download = format!("/api/v1/files/{}/download", file["id"].as_str().unwrap());
    let response = server.get(&download, Some(&admin)).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain");
    assert_eq!(bytes_of(response).await, content);

    // Nobody else's, and gone with its folder.
    let viewer = server.login(VIEWER).await;
    let response = server.get(&download, Some(&viewer)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.objects_stored(), 1);
    let path = format!("/api/v1/folders/{folder}");
    let delete = || request(Method::DELETE, &path, Some(&admin), Body::empty());
    assert_eq!(server.send(delete()).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.send(delete()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.objects_stored(), 0);
}

#[tokio::test]
async fn a_refused_upload_leaves_nothing() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let response = server.upload(&admin, "", &[b'x'; 1001]).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = server.upload(&admin, "no-such-folder", b"x").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(response).await["error"], "folder not found");
    assert_eq!(server.objects_stored(), 0);
    let response = server.upload(&admin, "", b"").await;
    assert_eq!(response.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn changes_need_the_csrf_token_of_their_session() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let other = server.login(ADMIN).await;
    for csrf in ["", "x", &other.csrf] {
        let mut forged = admin.clone();
        forged.csrf = csrf.to_owned();
        for path in ["/api/v1/folders", "/api/v1/auth/logout"] {
            let response = server
                .post(path, Some(&forged), json!({ "name": "x" }))
                .await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
        }
        let response = server.upload(&forged, "", b"x").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    let root = json_of(
        server
            .get("/api/v1/folders/root/contents", Some(&admin))
            .await,
    )
    .await;
    assert_eq!(root["folders"], json!([]));
}

#[tokio::test]
async fn without_a_session_there_is_nothing() {
    let server = Server::start().await;
    for (email, password) in [(ADMIN.0, "wrong password"), ("nobody@localhost", ADMIN.1)] {
        let credentials = json!({ "email": email, "password": password });
        let response = server.post("/api/v1/auth/login", None, credentials).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().get(header::SET_COOKIE).is_none());
    }
    for path in ["/api/v1/me", "/api/v1/folders/root/contents"] {
        let response = server.get(path, None).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let admin = server.login(ADMIN).await;
    let response = server
        .post("/api/v1/auth/logout", Some(&admin), json!({}))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = server.get("/api/v1/me", Some(&admin)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn errors_are_json_and_never_the_servers_fault() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    for (path, body, status) in [
        ("/api/v1/folders", json!({ "name": "a/b" }), 400),
        ("/api/v1/folders", json!({ "nome": "a" }), 422),
        ("/api/v1/files/upload", json!({}), 400),
        ("/api/v1/no/such/thing", json!({}), 404),
    ] {
        let response = server.post(path, Some(&admin), body).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(json_of(response).await["error"].is_string(), "{path}");
    }
}

/// PostgreSQL keeps no NUL characters, and says so with an error of its own.
#[tokio::test]
async fn a_nul_character_is_the_clients_fault() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let file = server.uploaded(&admin, b"x").await;
    for (path, body) in [
        (
            "auth/login",
            json!({ "email": "a@\0", "password": "wrong password" }),
        ),
        ("folders", json!({ "name": "x", "parent_folder_id": "\0" })),
        ("folders", json!({ "name": "a\0b" })),
        (
            "notes",
            json!({ "title": "x", "content": "", "parent_folder_id": "\0" }),
        ),
        (
            &format!("files/{file}/share"),
            json!({ "recipient_email": "\0", "permission": "View" }),
        ),
    ] {
        let path = format!("/api/v1/{path}");
        let status = server.post(&path, Some(&admin), body).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
    for path in ["folders/%00/contents", "files/%00/download", "notes/%00"] {
        let path = format!("/api/v1/{path}");
        let status = server.get(&path, Some(&admin)).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
    for path in ["folders/%00", "shares/%00/recipient", "notes/%00"] {
        let path = format!("/api/v1/{path}");
        let status = server.delete(&path, &admin).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let status = server.upload(&admin, "\0", b"x").await.status();
    assert!(status.is_client_error(), "{status}");
    assert_eq!(server.objects_stored(), 1);
}

#[tokio::test]
async fn readiness_needs_the_object_store() {
    let server = Server::start().await;
    assert_eq!(server.get("/health", None).await.status(), StatusCode::OK);
    assert_eq!(
        server.get("/health/ready", None).await.status(),
        StatusCode::OK
    );

    std::fs::remove_dir_all(server.dir.path().join("objects")).unwrap();
    let response = server.get("/health/ready", None).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let checks = &json_of(response).await["checks"];
    assert_eq!(checks, &json!({ "database": "up", "object_store": "down" }));
    assert_eq!(server.get("/health", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_frontend_answers_every_other_path() {
    let server = Server::start().await;
    for path in ["/", "/index.html", "/some/view"] {
        let response = server.get(path, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff"
        );
        assert_eq!(bytes_of(response).await, b"<h1>RustShare</h1>");
    }
}
