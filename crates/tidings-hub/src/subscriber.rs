//! Who subscribes: what a subscription is opened with, and what others may know of it.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::grants::Grants;
use crate::selector::Selector;

/// How many ids' worth of randomness is asked for at once: when thousands come, each would be a call of the system.
const DRAWN_AT_ONCE: usize = 32;

/// Random bits that were drawn and not used yet.
struct Drawn {
    bits: [u128; DRAWN_AT_ONCE],
    left: usize,
}

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bits: [0; DRAWN_AT_ONCE], left: 0 }) };
}

impl Drawn {
    /// # Errors
    /// When the system has no randomness to give.
    fn next(&mut self) -> Result<u128, getrandom::Error> {
        loop {
            let last = self.left.checked_sub(1).and_then(|last| self.bits.get(last).copied());
            if let Some(bits) = last {
                self.left -= 1;
                return Ok(bits);
            }
            let mut bytes = [[0; 16]; DRAWN_AT_ONCE];
            getrandom::fill(bytes.as_flattened_mut())?;
            self.bits = bytes.map(u128::from_be_bytes);
            self.left = DRAWN_AT_ONCE;
        }
    }
}

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
        let bits = DRAWN.with_borrow_mut(Drawn::next)?;
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

/// Reads what `Display` writes, and nothing else.
impl FromStr for SubscriberId {
    type Err = NoSubscriberId;

    fn from_str(urn: &str) -> Result<Self, NoSubscriberId> {
        let hex = urn.strip_prefix(Self::PREFIX).ok_or(NoSubscriberId)?.replace('-', "");
        let id = u128::from_str_radix(&hex, 16).map(Self).map_err(|_| NoSubscriberId)?;
        // Whatever else stands for the same number is another name.
        if id.to_string() == urn { Ok(id) } else { Err(NoSubscriberId) }
    }
}

/// A text that names no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSubscriberId;

impl fmt::Display for NoSubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no subscriber's URN: write it as the log and the active subscriptions do, urn:uuid:…",
        )
    }
}

impl std::error::Error for NoSubscriberId {}

impl fmt::Debug for SubscriberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who subscribes to what.
pub struct Subscriber {
    /// Names the subscription.
    pub id: SubscriberId,
    /// What it asks for.
    pub selectors: Vec<Selector>,
    /// What private updates it may receive.
    pub grants: Grants,
    /// Whom the limit per user counts it for.
    pub user: Option<Arc<str>>,
    /// Which of the user's sessions it belongs to, so that it can end with it.
    pub session: Option<Arc<str>>,
    /// What the limit per address counts it for.
    pub address: Option<IpAddr>,
    /// What the subscriber's token says about it, as JSON text.
    pub payload: Option<Arc<str>>,
}

impl fmt::Debug for Subscriber {
    /// Without the session, whose name may be its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("id", &self.id)
            .field("selectors", &self.selectors)
            .field("grants", &self.grants)
            .field("user", &self.user)
            .field("address", &self.address)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
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
    /// With the first update after the newest one on a topic asked for that has this id in the scope of its topic
    /// ([`IdScope::Topic`](crate::IdScope::Topic)), or else as [`After`](Self::After), which looks there last.
    AfterOnTopic(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_its_urn_and_from_nothing_else() {
        let id = SubscriberId::random().unwrap();
        let urn = id.to_string();
        assert_eq!(urn.parse(), Ok(id));
        let small = SubscriberId(7).to_string();
        assert_eq!(small.parse(), Ok(SubscriberId(7)));
        for other in [
            "",
            "urn:uuid:",
            "urn:uuid:7",
            urn.trim_start_matches("urn:uuid:"),
            &urn.to_uppercase(),
            &urn.replacen('-', "", 1),
            &format!("{urn}0"),
            &small.replacen("urn:uuid:0", "urn:uuid:+", 1),
        ] {
            assert_eq!(other.parse::<SubscriberId>(), Err(NoSubscriberId), "{other}");
        }
    }
}
