//! Names one of the hubs that share a log, for as long as its process lives.

use std::fmt;
use std::num::NonZeroU64;

/// Names a hub among those that share a log: drawn anew by each process, so that one that comes back is another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(NonZeroU64);

impl NodeId {
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        loop {
            if let Some(id) = Self::new(getrandom::u64()?) {
                return Ok(id);
            }
        }
    }

    /// The node of this number; `None` for 0, which names nobody.
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
