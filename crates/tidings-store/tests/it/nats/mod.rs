//! The log on NATS JetStream, on real servers.
//!
//! - `contract` (here): what every log must do.

use std::sync::Arc;

use tidings_hub::Log;
use tidings_store::Retention;
use tidings_store::nats::{NatsConfig, NatsLog};

use crate::contract::{Stand, contract};

#[path = "../../engine/nats.rs"]
#[expect(dead_code, reason = "other crates' tests use the rest")]
mod engine;

use engine::Nats;

/// A server for one log.
struct OnNats(Nats);

impl Stand for OnNats {
    const ALL_OR_NONE: bool = false;
    const KEYS_LIVE_AS_UPDATES: bool = false;

    async fn new() -> Self {
        Self(Nats::new())
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        Arc::new(connect(NatsConfig::new(self.0.url(), retention)).await)
    }
}

async fn connect(config: NatsConfig) -> NatsLog {
    NatsLog::connect(config).await.unwrap()
}

contract!(OnNats);
