//! Public links, from both sides.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{json, Value};

use crate::server::{
    bearer, bytes_of, json_of, multipart, request, text, Client, Server, ADMIN, VIEWER,
};

async fn link(server: &Server, owner: &Client, resource: &str, body: Value) -> String {
    let path = format!("/api/v1/{resource}/shares");
    let response = server.post(&path, Some(owner), body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let made = json_of(response).await;
    assert!(made["id"].is_string());
    // The owner can look it up again; nobody else can.
    let listed = json_of(server.get("/api/v1/shares", Some(owner)).await).await;
    assert!(listed["shares"].as_array().unwrap().contains(&made));
    let viewer = server.login(VIEWER).await;
    let listed = json_of(server.get("/api/v1/shares", Some(&viewer)).await).await;
    assert_eq!(listed, json!({ "shares": [] }));
    format!("/api/v1/public/share/{}", text(&made, "share_token"))
}

async fn session(server: &Server, link: &str) -> String {
    let response = server
        .post(&format!("{link}/session"), None, json!({}))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    text(&json_of(response).await, "session_token")
}

async fn read(server: &Server, link: &str, session: &str) -> Response {
    let path = format!("{link}/file");
    let request = request(Method::GET, &path, None, Body::empty());
    server.send(bearer(request, session)).await
}

async fn send(server: &Server, link: &str, session: &str, fields: &[(&str, &str)]) -> Response {
    let path = format!("{link}/folder/upload");
    let request = multipart(&path, None, fields, b"from outside");
    server.send(bearer(request, session)).await
}

#[tokio::test]
async fn a_link_shows_its_file_to_who_opens_a_session() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let file = server.uploaded(&admin, b"public").await;
    let resource = format!("files/{file}");
    let ours = link(&server, &admin, &resource, json!({ "permissions": "View" })).await;

    let response = server.get(&format!("{ours}/info"), None).await;
    let expected =
        json!({ "resource_type": "file", "password_protected": false, "upload_only": false });
    assert_eq!(json_of(response).await, expected);

    let visitor = session(&server, &ours).await;
    let response = read(&server, &ours, &visitor).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(bytes_of(response).await, b"public");

    // A session is for one link, and a link to a file takes nothing.
    let other = link(&server, &admin, &resource, json!({ "permissions": "View" })).await;
    for session in ["", "x", admin.session.as_str()] {
        let response = read(&server, &ours, session).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let response = read(&server, &other, &visitor).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let response = server.get(&format!("{ours}/file"), Some(&admin)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let response = send(&server, &ours, &visitor, &[("uploader_name", "Ada")]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_link_with_a_password_wants_it() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let file = server.uploaded(&admin, b"public").await;
    let body = json!({ "permissions": "View", "password": "heather-anchor-94" });
    let link = link(&server, &admin, &format!("files/{file}"), body).await;
    let info = json_of(server.get(&format!("{link}/info"), None).await).await;
    assert_eq!(info["password_protected"], true);

    let path = format!("{link}/session");
    for body in [json!({}), json!({ "password": "wrong" })] {
        let response = server.post(&path, None, body).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    let right = json!({ "password": "heather-anchor-94" });
    let opened = json_of(server.post(&path, None, right).await).await;
    let response = read(&server, &link, &text(&opened, "session_token")).await;
    assert_eq!(bytes_of(response).await, b"public");
}

#[tokio::test]
async fn an_upload_only_link_takes_files_and_shows_none() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let folder = server.folder(&admin).await;
    let body = json!({ "permissions": "Edit", "upload_only": true });
    let link = link(&server, &admin, &format!("folders/{folder}"), body).await;
    let info = json_of(server.get(&format!("{link}/info"), None).await).await;
    let expected =
        json!({ "resource_type": "folder", "password_protected": false, "upload_only": true });
    assert_eq!(info, expected);

    let visitor = session(&server, &link).await;
    // Where it goes is not the visitor's to say.
    let fields = [
        ("uploader_name", "Ada"),
        ("name", "b.txt"),
        ("parent_folder_id", "null"),
    ];
    let response = send(&server, &link, &visitor, &fields).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let sent = json_of(response).await;
    let path = format!("/api/v1/folders/{folder}/contents");
    let contents = json_of(server.get(&path, Some(&admin)).await).await;
    assert_eq!(contents["files"].as_array().unwrap().len(), 1);
    assert_eq!(contents["files"][0]["id"], sent["id"]);
    assert_eq!(contents["files"][0]["uploader_name"], "Ada");
    let download = format!("/api/v1/files/{}/download", text(&sent, "id"));
    let response = server.get(&download, Some(&admin)).await;
    assert_eq!(bytes_of(response).await, b"from outside");

    for fields in [&[][..], &[("uploader_name", "a\nb")]] {
        let response = send(&server, &link, &visitor, fields).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    let response = send(&server, &link, "", &[("uploader_name", "Ada")]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let response = read(&server, &link, &visitor).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.objects_stored(), 1);
}

#[tokio::test]
async fn links_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let (file, folder) = (
        format!("files/{}", server.uploaded(&admin, b"x").await),
        format!("folders/{}", server.folder(&admin).await),
    );
    for (resource, body, status) in [
        (file.as_str(), json!({ "permissions": "Edit" }), 400),
        (
            &file,
            json!({ "permissions": "View", "upload_only": true }),
            400,
        ),
        (&file, json!({ "permissions": "View", "password": "" }), 400),
        (&file, json!({}), 422),
        (&folder, json!({ "permissions": "View" }), 400),
        (&folder, json!({ "permissions": "Edit" }), 400),
        ("files/none", json!({ "permissions": "View" }), 404),
    ] {
        let path = format!("/api/v1/{resource}/shares");
        let response = server.post(&path, Some(&admin), body.clone()).await;
        assert_eq!(response.status(), status, "{path} {body}");
    }
    for token in ["x", "%FF", "%00", &"0".repeat(64)] {
        for path in ["info", "file"] {
            let path = format!("/api/v1/public/share/{token}/{path}");
            let status = server.get(&path, None).await.status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
        let path = format!("/api/v1/public/share/{token}/session");
        let status = server.post(&path, None, json!({})).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_link_ends_with_its_file() {
    let server = Server::start().await;
    let admin = server.login(ADMIN).await;
    let folder = server.folder(&admin).await;
    let file = json_of(server.upload(&admin, &folder, b"x").await).await;
    let resource = format!("files/{}", text(&file, "id"));
    let link = link(&server, &admin, &resource, json!({ "permissions": "View" })).await;
    let visitor = session(&server, &link).await;
    server
        .delete(&format!("/api/v1/folders/{folder}"), &admin)
        .await;
    let response = read(&server, &link, &visitor).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
