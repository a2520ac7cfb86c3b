//! Who takes a subscriber's updates to it: a task of its own, or a shard.

use std::task::Waker;

use crate::index::ShardKey;
use crate::shard::SeatKey;

/// Who takes a subscriber's updates to it.
#[derive(Debug)]
pub(crate) enum Served {
    /// A task of its own.
    Alone {
        /// The cursor: the first update it is still owed.
        owed: Option<u64>,
        /// Who waits for it to be owed something.
        waker: Option<Waker>,
    },
    /// A shard, which has the cursor.
    InShard { shard: ShardKey, seat: SeatKey },
}

/// Where a subscriber stood when it was handed over to a shard.
#[derive(Debug, Default)]
pub(crate) struct Seated {
    /// The first update it is still owed.
    pub(crate) owed: Option<u64>,
    /// The newest update: later ones are noted for the shard. They are not for one that has only its end to read.
    pub(crate) through: u64,
    /// Whether it has something to read.
    pub(crate) is_behind: bool,
    /// Whether it was told to end.
    pub(crate) is_ending: bool,
    /// Whether it was told to end at once.
    pub(crate) ends_at_once: bool,
    /// Whom it woke before. To drop it may run code that uses the hub, so that is not for under the lock.
    pub(crate) waker: Option<Waker>,
}

impl Served {
    /// The cursor, where it is not with a shard.
    pub(crate) fn owed(&self) -> Option<u64> {
        match self {
            Self::Alone { owed, .. } => *owed,
            Self::InShard { .. } => None,
        }
    }

    /// Gives whom to wake of one that has a task of its own.
    pub(crate) fn rouse(&mut self) -> Option<Waker> {
        match self {
            Self::Alone { waker, .. } => waker.take(),
            Self::InShard { .. } => None,
        }
    }

    /// Sets the cursor of one that was up to date. Gives whom to wake.
    pub(crate) fn owe(&mut self, seq: u64) -> Option<Waker> {
        match self {
            Self::Alone { owed: owed @ None, waker } => {
                *owed = Some(seq);
                waker.take()
            }
            Self::Alone { .. } | Self::InShard { .. } => None,
        }
    }
}
