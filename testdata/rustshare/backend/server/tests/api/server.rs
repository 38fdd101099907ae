//! A server for one test, and the clients that ask it.

use std::process::Command;

use axum::body::Body;
use axum::http::{header, Method, Request, StatusCode};
use axum::response::Response;
use axum::Router;
use rustshare_core::store::{new_id, Role};
use rustshare_core::{Config, Objects, Store};
use rustshare_server::{app, background, AppState};
use serde_json::{json, Value};
use tower::ServiceExt;

pub const ADMIN: (&str, &str) = ("admin@localhost", "tulip-anchor-92");
pub const VIEWER: (&str, &str) = ("viewer@localhost", "daffodil-anchor-93");

pub struct Server {
    app: Router,
    state: AppState,
    pub dir: tempfile::TempDir,
}

/// A browser's worth of state: the two tokens.
#[derive(Clone)]
pub struct Client {
    pub session: String,
    pub csrf: String,
}

impl Server {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        std::fs::create_dir(dir.path().join("frontend")).unwrap();
        std::fs::write(dir.path().join("frontend/index.html"), "<h1>RustShare</h1>").unwrap();
        let database = database(&path);
        let config = Config::from_lookup(|name| {
            Some(match name {
                "DATABASE_URL" => database.clone(),
                "STORAGE_DIR" => format!("{path}/objects"),
                "FRONTEND_DIST_DIR" => format!("{path}/frontend"),
                "JWT_SECRET" => "0f9c3b7e5d1a48629b0e7c5f3d2a1846".into(),
                "RUSTSHARE_SECRET_ENCRYPTION_KEY" => "7d2a18460f9c3b7e5d1a48629b0e7c5f".into(),
                "RUSTSHARE_ADMIN_PASSWORD" => ADMIN.1.into(),
                "RUSTSHARE_DEMO_VIEWER_PASSWORD" => VIEWER.1.into(),
                "RUSTSHARE_CHAT_WEBHOOK_SECRET" => "1a48629b0e7c5f3d2a18460f9c3b7e5d".into(),
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
        let state = AppState::new(config, store, objects);
        Self {
            app: app(state.clone()),
            state,
            dir,
        }
    }

    /// What the server does in the background, when the test says so.
    pub async fn background(&self) {
        background::index(&self.state).await.unwrap();
        background::replicate(&self.state).await.unwrap();
    }

    pub async fn send(&self, request: Request<Body>) -> Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str, client: Option<&Client>) -> Response {
        self.send(request(Method::GET, path, client, Body::empty()))
            .await
    }

    pub async fn post(&self, path: &str, client: Option<&Client>, body: Value) -> Response {
        self.send(request(Method::POST, path, client, body.to_string().into()))
            .await
    }

    pub async fn put(&self, path: &str, client: Option<&Client>, body: Value) -> Response {
        self.send(request(Method::PUT, path, client, body.to_string().into()))
            .await
    }

    pub async fn delete(&self, path: &str, client: &Client) -> Response {
        self.send(request(Method::DELETE, path, Some(client), Body::empty()))
            .await
    }

    pub async fn upload(&self, client: &Client, folder: &str, content: &[u8]) -> Response {
        let path = "/api/v1/files/upload";
        let fields = [("name", "b.txt"), ("parent_folder_id", folder)];
        self.send(multipart(path, Some(client), &fields, content))
            .await
    }

    /// A file in the root of the client's, by its id.
    pub async fn uploaded(&self, client: &Client, content: &[u8]) -> String {
        id_of(self.upload(client, "", content).await).await
    }

    /// A folder in the root of the client's, by its id.
    pub async fn folder(&self, client: &Client) -> String {
        let folder = json!({ "name": "smoke", "parent_folder_id": null });
        id_of(self.post("/api/v1/folders", Some(client), folder).await).await
    }

    pub async fn login(&self, (email, password): (&str, &str)) -> Client {
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

    pub fn objects_stored(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("objects/files")).map_or(0, Iterator::count)
    }
}

pub fn request(method: Method, path: &str, client: Option<&Client>, body: Body) -> Request<Body> {
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

pub async fn bytes_of(response: Response) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap()
        .to_vec()
}

pub async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&bytes_of(response).await).unwrap()
}

/// A multipart request with the file first: nothing may depend on the order of
/// the fields.
pub fn multipart(
    path: &str,
    client: Option<&Client>,
    fields: &[(&str, &str)],
    content: &[u8],
) -> Request<Body> {
    let mut body = Vec::new();
    body.extend(b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n");
    body.extend(b"Content-Type: text/plain\r\n\r\n");
    body.extend(content);
    for (name, value) in fields {
        let part =
            format!("\r\n--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
        body.extend(part.bytes());
    }
    body.extend(b"\r\n--X--\r\n");
    let mut request = request(Method::POST, path, client, body.into());
    request.headers_mut().insert(
        header::CONTENT_TYPE,
        "multipart/form-data; boundary=X".parse().unwrap(),
    );
    request
}

/// A request of a visitor's.
pub fn bearer(mut request: Request<Body>, session: &str) -> Request<Body> {
    request.headers_mut().insert(
        header::AUTHORIZATION,
        format!("Bearer {session}").parse().unwrap(),
    );
    request
}

/// The id of what was made.
pub async fn id_of(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::CREATED);
    text(&json_of(response).await, "id")
}

pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().expect(field).to_owned()
}

/// A SQLite file, or a new database of the PostgreSQL server that
/// `RUSTSHARE_TEST_POSTGRES_URL` names.
fn database(dir: &str) -> String {
    let Ok(server) = std::env::var("RUSTSHARE_TEST_POSTGRES_URL") else {
        return format!("sqlite://{dir}/test.db");
    };
    let name = format!("test_{}", new_id().replace('-', ""));
    let created = Command::new("psql")
        .args([&server, "-qc", &format!("CREATE DATABASE {name}")])
        .status()
        .expect("psql runs (apt-get install postgresql-client)");
    assert!(created.success());
    let (address, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{address}/{name}")
}
