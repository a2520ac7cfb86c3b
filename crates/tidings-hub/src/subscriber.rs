//! Who subscribes: what a subscription is opened with, and what others may know of it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::grants::Grants;
use crate::selector::Selector;

/// Names one subscription: a random (version 4) UUID, written as a URN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(u128);

impl SubscriberId {
    const PREFIX: &'static str = "urn:uuid:";

    /// Draws a new id from the system's randomness.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let bits = u128::from_be_bytes(bytes);
        // RFC 9562 section 5.4: version 4, variant 10.
        Ok(Self(bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62)))
    }
}

impl fmt::Display for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{}{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            Self::PREFIX,
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff,
        )
    }
}

impl fmt::Debug for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who subscribes to what.
#[derive(Debug)]
pub struct Subscriber {
    /// Names the subscription.
    pub id: SubscriberId,
    /// What it asks for.
    pub selectors: Vec<Selector>,
    /// What private updates it may receive.
    pub grants: Grants,
    /// Whom the limit per user counts it for.
    pub user: Option<Arc<str>>,
    /// What the limit per address counts it for.
    pub address: Option<IpAddr>,
    /// What the subscriber's token says about it, as JSON text.
    pub payload: Option<Arc<str>>,
}

/// Where in the log a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the next update.
    #[default]
    Live,
    /// With the oldest update that the log retains.
    Earliest,
    /// With the first update after the one that has this id.
    After(String),
}
