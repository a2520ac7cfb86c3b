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
    /// Updates in memory: all that are retained, or the newest of those that the log behind the hub retains.
    pub updates: usize,
    /// What they weigh, in bytes.
    pub bytes: usize,
    /// Topics that have an update in memory.
    pub topics: usize,
    /// Where the oldest retained update is.
    pub oldest: Option<Position>,
    /// Where the newest retained update is.
    pub newest: Option<Position>,
    /// Whether there is a log behind the hub, and it cannot be reached.
    pub log_is_away: bool,
    /// Whether somebody has come or gone since the newest update without being announced, because the log behind the hub
    /// did not take it.
    pub is_unannounced: bool,
}
