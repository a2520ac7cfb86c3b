//! Presence: telling subscribers who else is subscribed. What such an update says is the edge's to decide.

use std::fmt;

use crate::subscriber::Subscriber;
use crate::update::Update;

/// Writes the updates that tell of a subscription's beginning and end.
///
/// Both are called without the hub's lock. An announcement that the hub cannot publish is left out.
pub trait Announcer: fmt::Debug + Send + Sync {
    /// What to publish just before a subscription begins.
    fn joined(&self, subscriber: &Subscriber) -> Vec<Update>;
    /// What to publish once it has ended.
    fn left(&self, subscriber: &Subscriber) -> Vec<Update>;
}
