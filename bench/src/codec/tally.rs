//! What a contender found, so that all can be seen to have found the same.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::black_box;

/// Is given the events that a contender finds.
pub(super) trait Visitor {
    /// An event: its type (`message` where none is named), its data and its id.
    fn event(&mut self, event_type: &str, data: &str, id: &str);
}

/// Counts, and touches nothing: what is timed is the contender.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) events: usize,
}

impl Visitor for Counter {
    #[inline]
    fn event(&mut self, event_type: &str, data: &str, id: &str) {
        black_box((event_type, data, id));
        self.events += 1;
    }
}

/// The number of events, the bytes of their data, and a hash over all of their fields.
#[derive(Debug, Default)]
pub(super) struct Tally {
    events: usize,
    data_bytes: usize,
    hasher: DefaultHasher,
}

impl Visitor for Tally {
    fn event(&mut self, event_type: &str, data: &str, id: &str) {
        self.events += 1;
        self.data_bytes += data.len();
        (event_type, data, id).hash(&mut self.hasher);
    }
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        let parts = |tally: &Self| (tally.events, tally.data_bytes, tally.hasher.finish());
        parts(self) == parts(other)
    }
}
