//! The configuration, read once from the environment.
//!
//! Reading collects every problem instead of stopping at the first, so that an
//! operator fixes a new installation in one go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::secrets::{weakness, Secret, MIN_KEY_CHARS, MIN_PASSWORD_CHARS};

#[derive(Debug, Clone)]
pub struct Account {
    pub email: String,
    pub password: Secret,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub bind_addr: SocketAddr,
    pub frontend_dist_dir: PathBuf,
    /// Carries the database password.
    pub database_url: Secret,
    /// `file:///directory` or `s3://bucket`.
    pub object_store_url: String,
    pub max_upload_bytes: u64,
    pub session_ttl: Duration,
    pub session_cookie_secure: bool,
    pub jwt_secret: Secret,
    /// What the tokens of public links are derived from: they work as long as
    /// it stays the same.
    pub secret_encryption_key: Secret,
    /// The chat is on when there is one.
    pub chat_webhook_secret: Option<Secret>,
    pub admin: Account,
    pub viewer: Option<Account>,
}

/// One sentence that names the variable and never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(String);

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Config {
    pub fn from_env() -> Result<Self, Vec<Problem>> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// The same, from any source of variables.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut env = Reader {
            lookup,
            problems: Vec::new(),
        };

        let storage_dir = env.text("STORAGE_DIR", "/data/objects");
        let database_url = env.required("DATABASE_URL");
        let object_store_url = env.text("OBJECT_STORE_URL", &format!("file://{storage_dir}"));
        let jwt_secret = env.secret("JWT_SECRET", MIN_KEY_CHARS);
        let encryption_key = env.secret("RUSTSHARE_SECRET_ENCRYPTION_KEY", MIN_KEY_CHARS);
        let admin = Account {
            email: env.email("ADMIN_EMAIL", "admin@localhost"),
            password: env.secret("RUSTSHARE_ADMIN_PASSWORD", MIN_PASSWORD_CHARS),
        };
        let viewer_email = env.email("VIEWER_EMAIL", "viewer@localhost");
        let viewer = env
            .optional_secret("RUSTSHARE_DEMO_VIEWER_PASSWORD", MIN_PASSWORD_CHARS)
            .map(|password| Account {
                email: viewer_email,
                password,
            });

        if !["postgres://", "postgresql://", "sqlite:"]
            .iter()
            .any(|scheme| database_url.starts_with(scheme))
            && !database_url.is_empty()
        {
            env.problem("DATABASE_URL must begin with postgres:// or sqlite://");
        }
        if !object_store_url.starts_with("file:///") && !object_store_url.starts_with("s3://") {
            env.problem("OBJECT_STORE_URL must begin with file:/// or s3://");
        }
        if !jwt_secret.expose().is_empty() && jwt_secret == encryption_key {
            env.problem("JWT_SECRET and RUSTSHARE_SECRET_ENCRYPTION_KEY must differ");
        }
        if viewer.as_ref().is_some_and(|v| v.email == admin.email) {
            env.problem("VIEWER_EMAIL must differ from ADMIN_EMAIL");
        }

        let config = Self {
            bind_addr: env.parsed("BIND_ADDR", "0.0.0.0:8080", "an address and a port"),
            frontend_dist_dir: env.text("FRONTEND_DIST_DIR", "/app/frontend-build").into(),
            database_url: Secret::new(database_url),
            object_store_url,
            max_upload_bytes: env.parsed("MAX_UPLOAD_BYTES", "1073741824", "a number of bytes"),
            session_ttl: Duration::from_secs(
                3600 * u64::from(env.parsed::<u32>("SESSION_TTL_HOURS", "12", "a number of hours")),
            ),
            session_cookie_secure: env.parsed("SESSION_COOKIE_SECURE", "false", "true or false"),
            jwt_secret,
            secret_encryption_key: encryption_key,
            chat_webhook_secret: env
                .optional_secret("RUSTSHARE_CHAT_WEBHOOK_SECRET", MIN_KEY_CHARS),
            admin,
            viewer,
        };
        if env.problems.is_empty() {
            Ok(config)
        } else {
            Err(env.problems)
        }
    }
}

/// Reads variables and keeps what is wrong with them. A variable that is set to
/// nothing counts as not set: that is what compose files pass on.
struct Reader<F> {
    lookup: F,
    problems: Vec<Problem>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn problem(&mut self, sentence: impl std::fmt::Display) {
        self.problems.push(Problem(format!("{sentence}.")));
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    fn required(&mut self, name: &str) -> String {
        self.get(name).unwrap_or_else(|| {
            self.problem(format_args!("{name} is not set"));
            String::new()
        })
    }

    fn email(&mut self, name: &str, default: &str) -> String {
        let email = self.text(name, default).to_lowercase();
        if !email.contains('@') {
            self.problem(format_args!("{name} is not an e-mail address"));
        }
        email
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, default: &str, what: &str) -> T
    where
        T::Err: std::fmt::Debug,
    {
        self.text(name, default).parse().unwrap_or_else(|_| {
            self.problem(format_args!("{name} is not {what}"));
            default.parse().expect("a default that parses")
        })
    }

    fn optional_secret(&mut self, name: &str, min_chars: usize) -> Option<Secret> {
        let value = self.get(name)?;
        if let Some(reason) = weakness(&value, min_chars) {
            self.problem(format_args!("{name} {reason}"));
        }
        Some(Secret::new(value))
    }

    fn secret(&mut self, name: &str, min_chars: usize) -> Secret {
        self.optional_secret(name, min_chars).unwrap_or_else(|| {
            self.problem(format_args!("{name} is not set"));
            Secret::new("")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const GOOD: &[(&str, &str)] = &[
        ("DATABASE_URL", "sqlite:///data/rustshare.db"),
        ("JWT_SECRET", "0f9c3b7e5d1a48629b0e7c5f3d2a1846"),
        (
            "RUSTSHARE_SECRET_ENCRYPTION_KEY",
            "7d2a18460f9c3b7e5d1a48629b0e7c5f",
        ),
        ("RUSTSHARE_ADMIN_PASSWORD", "tulip-anchor-92"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let vars: HashMap<&str, &str> = GOOD.iter().chain(changes).copied().collect();
        Config::from_lookup(|name| vars.get(name).map(|v| v.to_string()))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults() {
        let config = read(&[("RUSTSHARE_DEMO_VIEWER_PASSWORD", "")]).unwrap();
        assert_eq!(config.bind_addr.port(), 8080);
        assert_eq!(config.object_store_url, "file:///data/objects");
        assert_eq!(config.admin.email, "admin@localhost");
        assert!(config.viewer.is_none());
        assert!(config.chat_webhook_secret.is_none());
        assert!(!config.session_cookie_secure);
    }

    #[test]
    fn every_problem_is_told_at_once_and_without_values() {
        let problems = read(&[
            ("JWT_SECRET", "changeme-changeme-changeme-changeme"),
            ("RUSTSHARE_SECRET_ENCRYPTION_KEY", ""),
            ("RUSTSHARE_ADMIN_PASSWORD", "tiny"),
            (
                "RUSTSHARE_CHAT_WEBHOOK_SECRET",
                "abababababababababababababababab",
            ),
            ("SESSION_COOKIE_SECURE", "maybe"),
        ])
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "JWT_SECRET is a known placeholder.",
                "RUSTSHARE_SECRET_ENCRYPTION_KEY is not set.",
                "RUSTSHARE_ADMIN_PASSWORD is shorter than 12 characters.",
                "SESSION_COOKIE_SECURE is not true or false.",
                "RUSTSHARE_CHAT_WEBHOOK_SECRET repeats a few characters over and over.",
            ]
        );
    }

    #[test]
    fn the_two_keys_must_differ() {
        let problems = read(&[("RUSTSHARE_SECRET_ENCRYPTION_KEY", GOOD[1].1)]).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("must differ"));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let shown = format!("{:?}", read(&[]).unwrap());
        for (_, value) in GOOD {
            assert!(!shown.contains(value), "{shown}");
        }
    }
}
