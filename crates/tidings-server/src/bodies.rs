//! The streams on the body lane, by subscriber, so that a connection can be cut whose client takes no bytes: nobody asks
//! its stream for more, so it cannot end by itself.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tidings_hub::SubscriberId;

use crate::connection::Fate;

/// The connections of the streams on the body lane.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Mutex<HashMap<SubscriberId, Fate>>);

/// A stream's entry, taken out when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    bodies: Arc<Bodies>,
    subscriber: SubscriberId,
}

impl Bodies {
    /// Enters a stream.
    pub(crate) fn enter(self: Arc<Self>, subscriber: SubscriberId, fate: Fate) -> Entry {
        self.0.lock().insert(subscriber, fate);
        Entry { bodies: self, subscriber }
    }

    /// What becomes of the connection that a stream is on, while the stream is open on this lane.
    pub(crate) fn fate(&self, subscriber: SubscriberId) -> Option<Fate> {
        self.0.lock().get(&subscriber).cloned()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.bodies.0.lock();
        let _fate = open.remove(&self.subscriber);
        // Thousands that have come and gone must not pin their memory for ever.
        if open.is_empty() {
            open.shrink_to_fit();
        }
    }
}
