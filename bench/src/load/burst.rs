//! Updates to publish: how many, on which topics, at which pace.

use std::time::Duration;

/// Updates to publish.
pub(crate) struct Burst<'a> {
    /// The number of each update's topic.
    pub(crate) topic: &'a mut dyn FnMut(u64) -> u32,
    pub(crate) updates: u64,
    /// After this time no further update is begun.
    pub(crate) at_most: Duration,
    pub(crate) pace: Pace,
    pub(crate) data_bytes: usize,
    /// Until when all must be delivered.
    pub(crate) limit: Duration,
}

/// When the next update is published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// While fewer than so many are not yet with every subscriber; as many connections publish.
    Window(usize),
    /// So many each second, whatever is delivered; so many connections publish.
    Rate(f64, usize),
}

/// What was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) updates: u64,
    pub(crate) deliveries: u64,
    pub(crate) nanos: u64,
}
