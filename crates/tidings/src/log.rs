//! The log that the settings ask for, opened.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tidings_hub::Log;
use tidings_store::disk::{DiskConfig, DiskLog};
use tidings_store::nats::{NatsConfig, NatsLog};
use tidings_store::redis::{RedisBus, RedisConfig, RedisLog};
use tidings_store::{Bus, Retention};
use tracing::info;

use crate::config::{Engine, LogConfig, Store};

/// How long a hub that starts waits for an engine that is away. What starts it may try again; an operator who mistyped
/// a host wants to know soon.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What is behind the hub.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// None where the log is in memory.
    pub(crate) log: Option<Arc<dyn Log>>,
    /// What the hubs that share the log talk over.
    pub(crate) bus: Option<Arc<dyn Bus>>,
}

/// Opens the log.
///
/// # Errors
/// When it cannot be used, with what to do.
pub(crate) async fn open(config: &LogConfig) -> anyhow::Result<Opened> {
    let retention = Retention {
        max_updates: Some(config.max_updates.get() as u64),
        max_bytes: Some(config.max_bytes.get()),
        max_age: config.max_age,
    };
    match &config.store {
        Store::Memory => Ok(Opened::default()),
        Store::Disk { directory, durability } => {
            let config = DiskConfig { retention, durability: *durability };
            let log = DiskLog::open(directory, config).context("cannot open the log")?;
            // Absolute: started elsewhere, the hub would begin another log.
            let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
            info!(directory = %directory.display(), "the log is on disk");
            Ok(Opened { log: Some(Arc::new(log)), bus: None })
        }
        Store::Redis { engine, wait_replicas } => {
            let Engine { url, name, credentials_file, ca_file } = engine.clone();
            let config = RedisConfig {
                credentials_file,
                ca_file,
                name,
                retention,
                wait_replicas: *wait_replicas,
                patience: CONNECT_WITHIN,
                ..RedisConfig::new(url)
            };
            let log = RedisLog::connect(config.clone()).await.context("cannot open the log")?;
            let bus = RedisBus::connect(config).await.context("cannot reach the other hubs")?;
            Ok(Opened { log: Some(Arc::new(log)), bus: Some(Arc::new(bus)) })
        }
        Store::Nats { engine, replicas } => {
            let Engine { url, name, credentials_file, ca_file } = engine.clone();
            let config = NatsConfig {
                credentials_file,
                ca_file,
                name,
                replicas: *replicas,
                connect_within: CONNECT_WITHIN,
                ..NatsConfig::new(url, retention)
            };
            let log = NatsLog::connect(config).await.context("cannot open the log")?;
            let log = Arc::new(log);
            Ok(Opened { log: Some(log.clone()), bus: Some(log) })
        }
    }
}
