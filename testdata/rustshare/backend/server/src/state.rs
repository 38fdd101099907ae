use std::sync::Arc;

use rustshare_core::tokens::Tokens;
use rustshare_core::{Config, Objects, Store};

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub store: Store,
    pub objects: Objects,
    pub tokens: Tokens,
}

impl AppState {
    pub fn new(config: Config, store: Store, objects: Objects) -> Self {
        Self {
            tokens: Tokens::new(
                config.jwt_secret.clone(),
                config.secret_encryption_key.clone(),
            ),
            config: Arc::new(config),
            store,
            objects,
        }
    }

    /// Writes down what somebody did to a resource. It has been done: an entry
    /// that cannot be written goes to the log instead.
    pub async fn audit(&self, actor: &str, action: &str, resource_id: &str) {
        if let Err(err) = self.store.record(actor, action, resource_id).await {
            tracing::error!(%err, actor, action, resource_id, "the audit entry is lost");
        }
    }
}
