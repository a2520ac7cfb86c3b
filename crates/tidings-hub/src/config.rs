//! What a hub may hold.

use std::time::Duration;

/// How much of the log is retained. An update leaves the log as soon as any of the three asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many updates at the most.
    pub max_updates: usize,
    /// How many bytes of memory at the most: frames, topics and what the indexes need for them.
    pub max_bytes: usize,
    /// How old an update may become; `None` for any age.
    pub max_age: Option<Duration>,
}

/// How many subscriptions may be open at once. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In the whole hub.
    pub streams: Option<usize>,
    /// Of one user, with those elsewhere that the hub was told of ([`Hub::add_elsewhere`](crate::Hub::add_elsewhere)).
    pub per_user: Option<usize>,
    /// From one address.
    pub per_address: Option<usize>,
    /// To one selector.
    pub per_topic: Option<usize>,
    /// How many selectors one subscription may have.
    pub selectors: usize,
}

/// The settings of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubConfig {
    /// How much of the log is retained.
    pub retention: Retention,
    /// How many subscriptions may be open.
    pub limits: Limits,
}

impl Default for HubConfig {
    /// 100,000 updates, 64 MiB, one hour; 100,000 streams, 100 per user, 1,000 per address, any number per topic,
    /// 1,000 selectors.
    fn default() -> Self {
        Self {
            retention: Retention {
                max_updates: 100_000,
                max_bytes: 64 * 1024 * 1024,
                max_age: Some(Duration::from_hours(1)),
            },
            limits: Limits {
                streams: Some(100_000),
                per_user: Some(100),
                per_address: Some(1_000),
                per_topic: None,
                selectors: 1_000,
            },
        }
    }
}
