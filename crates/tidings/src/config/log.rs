//! Where the log is kept, read from the settings.

use std::num::NonZeroU64;
use std::path::PathBuf;

use tidings_server::RelayMode;
use tidings_store::disk::Durability;

use super::error::ConfigError;
use super::resolve::Reader;
use super::settings::{Config, Engine, LogConfig, Store};

/// On how many servers JetStream keeps a stream at the most.
const MAX_REPLICAS: usize = 5;

impl Reader<'_> {
    pub(super) fn log(&self) -> Result<LogConfig, ConfigError> {
        let max_bytes =
            u64::try_from(self.at_least_one("log.max_bytes")?.get()).unwrap_or(u64::MAX);
        Ok(LogConfig {
            store: self.store()?,
            memory: self.at_least_one("log.memory")?,
            max_updates: self.at_least_one("log.max_updates")?,
            max_bytes: NonZeroU64::new(max_bytes).unwrap_or(NonZeroU64::MAX),
            max_age: self.optional_duration("log.max_age")?,
        })
    }

    fn store(&self) -> Result<Store, ConfigError> {
        const STORE: &str = "log.store";
        const KNOWN: &str =
            "\"disk\", \"memory\", or a redis://, rediss://, nats:// or tls:// URL with a host";
        // Read whatever the store is: what is wrong is told before somebody needs it.
        let directory = PathBuf::from(self.path("log.data")?);
        let durability = self.durability("log.durability")?;
        let (wait_replicas, replicas) = self.replicas()?;
        let name = self.name("log.name")?;
        let text = self.text(STORE)?;
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "memory" => Ok(Store::Memory),
                "disk" => Ok(Store::Disk { directory, durability }),
                _ => Err(self.wrong(STORE, KNOWN)),
            };
        };
        let host = rest.rsplit('@').next().unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) {
            return Err(self.wrong(STORE, KNOWN));
        }
        let engine = Engine {
            url: text.to_owned(),
            name,
            credentials_file: self.optional_path("log.credentials_file")?,
            ca_file: self.optional_path("log.ca_file")?,
        };
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" => Ok(Store::Redis { engine, wait_replicas }),
            "nats" | "tls" => Ok(Store::Nats { engine, replicas }),
            _ => Err(self.wrong(STORE, KNOWN)),
        }
    }

    fn durability(&self, name: &'static str) -> Result<Durability, ConfigError> {
        match self.text(name)? {
            "synced" => Ok(Durability::Synced),
            "process" => Ok(Durability::Process),
            _ => Err(self.wrong(name, "\"synced\" or \"process\"")),
        }
    }

    fn replicas(&self) -> Result<(u32, usize), ConfigError> {
        const WAIT: &str = "log.wait_replicas";
        const NATS: &str = "log.replicas";
        let wait = self.limit(WAIT)?.map_or(Ok(0), |count| u32::try_from(count.get()));
        let wait = wait.map_err(|_| self.wrong(WAIT, "a smaller number"))?;
        let replicas = self.at_least_one(NATS)?.get();
        if replicas > MAX_REPLICAS {
            return Err(self.wrong(NATS, "1 to 5"));
        }
        Ok((wait, replicas))
    }

    fn name(&self, name: &'static str) -> Result<String, ConfigError> {
        let text = self.text(name)?;
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if text.is_empty() || !text.chars().all(is_good) {
            return Err(self.wrong(name, "letters, digits, `-` and `_`"));
        }
        Ok(text.to_owned())
    }

    fn path(&self, name: &'static str) -> Result<&str, ConfigError> {
        let text = self.text(name)?;
        if text.is_empty() { Err(self.wrong(name, "a path")) } else { Ok(text) }
    }

    fn optional_path(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        match self.path(name) {
            Ok(path) => Ok(Some(path.into())),
            Err(ConfigError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Config {
    /// Checks what the settings of the log and others say together.
    pub(super) fn check_log(&self) -> Result<(), ConfigError> {
        let conflict = |name, rule, other| Err(ConfigError::Conflict { name, other, rule });
        let max_bytes = usize::try_from(self.log.max_bytes.get()).unwrap_or(usize::MAX);
        for (name, bytes) in [("log.max_bytes", max_bytes), ("log.memory", self.log.memory.get())] {
            if bytes < self.limits.update_bytes.get() {
                return conflict(name, "must not be less than", "limits.update_bytes");
            }
            if self.relays.iter().any(|relay| relay.config.event_bytes > bytes) {
                return conflict("relay.event_bytes", "must not be more than", name);
            }
        }
        let is_shared = matches!(self.log.store, Store::Redis { .. } | Store::Nats { .. });
        let shared_relay = self.relays.iter().find(|relay| relay.config.mode == RelayMode::Shared);
        if is_shared && let Some(relay) = shared_relay {
            return Err(ConfigError::RelayOnSharedLog { path: relay.config.path.clone() });
        }
        Ok(())
    }
}
