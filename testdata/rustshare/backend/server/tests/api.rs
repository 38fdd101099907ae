//! The HTTP surface as a client sees it, on SQLite and a local object store.

use axum::body::Body;
use axum::http::{header, Method, Request, StatusCode};
use axum::response::Response;
use axum::Router;
use rustshare_core::store::Role;
use rustshare_core::{Config, Objects, Store};
use rustshare_server::{app, AppState};
use serde_json::{json, Value};
use tower::ServiceExt;

const ADMIN: (&str, &str) = ("admin@localhost", "tulip-anchor-92");
const VIEWER: (&str, &str) = ("viewer@localhost", "daffodil-anchor-93");

struct Server {
    app: Router,
    dir: tempfile::TempDir,
}

/// A browser's worth of state: the two tokens.
#[derive(Clone)]
struct Client {
    session: String,
    csrf: String,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        std::fs::create_dir(dir.path().join("frontend")).unwrap();
        std::fs::write(dir.path().join("frontend/index.html"), "<h1>RustShare</h1>").unwrap();
        let config = Config::from_lookup(|name| {
            Some(match name {
                "DATABASE_URL" => format!("sqlite://{path}/test.db"),
                "STORAGE_DIR" => format!("{path}/objects"),
                "FRONTEND_DIST_DIR" => format!("{path}/frontend"),
                "JWT_SECRET" => "0f9c3b7e5d1a48629b0e7c5f3d2a1846".into(),
                "RUSTSHARE_SECRET_ENCRYPTION_KEY" => "7d2a18460f9c3b7e5d1a48629b0e7c5f".into(),
                "RUSTSHARE_ADMIN_PASSWORD" => ADMIN.1.into(),
                "RUSTSHARE_DEMO_VIEWER_PASSWORD" => VIEWER.1.into(),
                "MAX_UPLOAD_BYTES" => "1000".into(),
                "SESSION_COOKIE_SECURE" => "true".into(),
                _ => return None,
            })
        })
        .unwrap();
        let store = Store::open(&config.database_url).await.unwrap();
        let objects = Objects::open(&config.object_store_url).await.unwrap();
        store.seed_user(&config.admin, Role::Admin).await.unwrap();
        let viewer = config.viewer.as_ref().unwrap();
        store.seed_user(viewer, Role::Viewer).await.unwrap();
        Self {
            app: app(AppState::new(config, store, objects)),
            dir,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, client: Option<&Client>) -> Response {
        self.send(request(Method::GET, path, client, Body::empty()))
            .await
    }

    async fn post(&self, path: &str, client: Option<&Client>, body: Value) -> Response {
        self.send(request(Method::POST, path, client, body.to_string().into()))
            .await
    }

    async fn upload(&self, client: &Client, folder: &str, content: &[u8]) -> Response {
        let mut body = Vec::new();
        // The file first: nothing may depend on the order of the fields.
        body.extend(
            b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n",
        );
        body.extend(b"Content-Type: text/plain\r\n\r\n");
        body.extend(content);
        for (name, value) in [("name", "b.txt"), ("parent_folder_id", folder)] {
            let part = format!(
                "\r\n--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}"
            );
            body.extend(part.bytes());
        }
        body.extend(b"\r\n--X--\r\n");
        let mut request = request(
            Method::POST,
            "/api/v1/files/upload",
            Some(client),
            body.into(),
        );
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            "multipart/form-data; boundary=X".parse().unwrap(),
        );
        self.send(request).await
    }

    async fn login(&self, (email, password): (&str, &str)) -> Client {
        let credentials = json!({ "email": email, "password": password });
        let response = self.post("/api/v1/auth/login", None, credentials).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookies: Vec<String> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        assert!(cookies[0].contains("; HttpOnly"));
        assert!(!cookies[1].contains("; HttpOnly"));
        let value = |index: usize, name: &str| {
            let cookie = &cookies[index];
            assert!(cookie.contains("; SameSite=Lax") && cookie.contains("; Secure"));
            let pair = cookie.split(';').next().unwrap();
            pair.strip_prefix(name).unwrap()[1..].to_owned()
        };
        let client = Client {
            session: value(0, "rustshare_session"),
            csrf: value(1, "rustshare_csrf_token"),
        };
        assert_eq!(json_of(response).await["user"]["email"], email);
        client
    }

    fn objects_stored(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("objects/files")).map_or(0, Iterator::count)
    }
}

fn request(method: Method, path: &str, client: Option<&Client>, body: Body) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(Client { session, csrf }) = client {
        request = request
            .header(header::COOKIE, format!("x=y; rustshare_session={session}"))
            .header("X-Rustshare-Csrf", csrf);
    }
    request.body(body).unwrap()
}

async fn bytes_of(response: Response) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap()
        .to_vec()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&bytes_of(response).await).unwrap()
}

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
