//! The frames of a replay in one piece, for the many that are given the same one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidings_hub::LoggedUpdate;

/// The replay that was given last, and its bytes once it was given twice.
#[derive(Debug, Default)]
pub(super) struct Joined {
    updates: Option<Arc<[Arc<LoggedUpdate>]>>,
    bytes: Option<Bytes>,
}

impl Joined {
    /// The frames of `updates` in one piece, if these very updates were given last: a piece is sent at less cost than a
    /// hundred, but to make it costs as much as is saved.
    pub(super) fn of(&mut self, updates: &Arc<[Arc<LoggedUpdate>]>) -> Option<&Bytes> {
        if !self.updates.as_ref().is_some_and(|known| Arc::ptr_eq(known, updates)) {
            (self.updates, self.bytes) = (Some(Arc::clone(updates)), None);
            return None;
        }
        Some(self.bytes.get_or_insert_with(|| {
            let length = updates.iter().map(|update| update.frame.len()).sum();
            let mut bytes = BytesMut::with_capacity(length);
            updates.iter().for_each(|update| bytes.extend_from_slice(&update.frame));
            bytes.freeze()
        }))
    }

    /// Lets go of what was given last.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
