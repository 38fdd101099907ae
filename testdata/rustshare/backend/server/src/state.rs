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
            tokens: Tokens::new(config.jwt_secret.clone()),
            config: Arc::new(config),
            store,
            objects,
        }
    }
}
