//! The log on Redis Streams, on real servers.
//!
//! - here: the contract that every log keeps.
//! - `failing`: a server that crashes, stands still, is full.
//! - `losing`: a log that is deleted, or has lost its end.
//! - `access`: users, passwords, TLS, and what an operator is told.
//! - `sharing`: two hubs on one server.
//! - `told`: what is in the hub's own log.
//!
//! `engine` starts servers, `proxy` leads to one and then to another, `heard` is who follows.

mod access;
mod failing;
mod heard;
mod losing;
mod proxy;
mod sharing;
mod told;

#[path = "../../engine/redis.rs"]
pub(crate) mod engine;

use std::sync::Arc;

use tidings_hub::Log;
use tidings_store::Retention;
use tidings_store::redis::{RedisConfig, RedisLog};

use self::engine::Redis;
use crate::contract::{Stand, contract};

/// A server of its own for each log.
struct OnRedis(Redis);

impl Stand for OnRedis {
    // It trims exactly, but a little later where nobody publishes.
    const LIMIT_BYTES: u64 = 200_000;

    async fn new() -> Self {
        Self(Redis::new())
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        Arc::new(open(&self.0, retention).await)
    }
}

contract!(OnRedis);

/// The log on a server.
async fn open(redis: &Redis, retention: Retention) -> RedisLog {
    RedisLog::connect(RedisConfig { retention, ..RedisConfig::new(redis.url()) }).await.unwrap()
}
