//! What a hub holds at one moment.

use crate::position::Position;

/// A hub's counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Open subscriptions.
    pub subscribers: usize,
    /// Updates published since the hub began, presence included.
    pub published: u64,
    /// Gaps told since the hub began.
    pub gaps: u64,
    /// Retained updates.
    pub updates: usize,
    /// What the retained updates weigh, in bytes.
    pub bytes: usize,
    /// Topics that have a retained update.
    pub topics: usize,
    /// Where the oldest retained update is.
    pub oldest: Option<Position>,
    /// Where the newest retained update is.
    pub newest: Option<Position>,
}
