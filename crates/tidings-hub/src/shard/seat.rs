//! One subscription of a shard, and where it stands.

use super::{Next, SeatKey};
use crate::position::{Epoch, Position};
use crate::subscription::Subscription;

/// One subscription of a shard.
pub(super) struct Seat<C> {
    pub(super) subscription: Subscription,
    /// Of which log the seqs below are.
    pub(super) epoch: Epoch,
    /// All updates up to this one are handed over, or noted in `owed`, or not for this subscription, as none is after its
    /// end.
    pub(super) through: u64,
    /// The cursor of one that is behind: the first update it is still owed.
    pub(super) owed: Option<u64>,
    /// It reads on from the log before it is handed anything.
    pub(super) is_behind: bool,
    /// It was told to end, and what came before that is handed over or noted in `owed`.
    pub(super) is_ending: bool,
    /// It was told to end at once.
    pub(super) ends_at_once: bool,
    /// Its first and its last delivery in the plan.
    pub(super) planned: Option<(u32, u32)>,
    pub(super) carrier: C,
}

impl<C> Seat<C> {
    /// Owes it what comes from an update on that it does not have.
    pub(super) fn owe(&mut self, key: SeatKey, first: Position, roused: &mut Vec<SeatKey>) {
        // What was noted before another log began is nothing to who has come since then.
        if first.epoch != self.epoch {
            return;
        }
        if !self.is_behind {
            self.is_behind = true;
            roused.push(key);
        }
        let from = first.seq.max(self.through.saturating_add(1));
        self.owed = Some(self.owed.map_or(from, |owed| owed.min(from)));
    }

    /// Has nothing more to read from the log.
    pub(super) fn rest(&mut self) -> Next {
        self.is_behind = false;
        Next::UpToDate
    }
}
