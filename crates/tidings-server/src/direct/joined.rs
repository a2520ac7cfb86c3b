//! The frames of a replay in one piece, for the many that are given the same one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidings_hub::LoggedUpdate;
use tokio::time::Instant;

/// The replay that was given last, and its piece once it was given twice.
#[derive(Debug, Default)]
pub(super) struct Joined {
    updates: Option<Arc<[Arc<LoggedUpdate>]>>,
    piece: Option<Piece>,
}

/// The frames of several updates in one piece.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// When the newest of them was logged.
    pub(super) newest: Option<Instant>,
}

impl Joined {
    /// The frames of `updates` in one piece, if these very updates were given last: a piece is sent at less cost than a
    /// hundred, but to make it costs as much as is saved.
    pub(super) fn of(&mut self, updates: &Arc<[Arc<LoggedUpdate>]>) -> Option<&Piece> {
        if !self.updates.as_ref().is_some_and(|known| Arc::ptr_eq(known, updates)) {
            (self.updates, self.piece) = (Some(Arc::clone(updates)), None);
            return None;
        }
        Some(self.piece.get_or_insert_with(|| Piece::new(updates)))
    }

    /// Lets go of what was given last.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Piece {
    fn new(updates: &[Arc<LoggedUpdate>]) -> Self {
        let length = updates.iter().map(|update| update.frame.len()).sum();
        let mut bytes = BytesMut::with_capacity(length);
        for update in updates {
            bytes.extend_from_slice(&update.frame);
        }
        let newest = updates.iter().map(|update| update.logged_at).max();
        Self { bytes: bytes.freeze(), newest }
    }
}
