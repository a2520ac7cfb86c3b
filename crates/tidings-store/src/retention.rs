//! How much a log retains.

use std::time::Duration;

/// How much a log retains. An update leaves it as soon as any of the three asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many updates at the most; `None` for any number.
    pub max_updates: Option<u64>,
    /// How many bytes they may take where they are kept; `None` for any number.
    pub max_bytes: Option<u64>,
    /// How old an update may become; `None` for any age.
    pub max_age: Option<Duration>,
}
