//! What came in, over all streams: events, comments, latencies, faults.

use super::ledger::{Fault, Ledger};
use crate::{histogram::Histogram, marker::Marker};

/// The sums of a run.
pub(crate) struct Tally {
    /// The run whose updates count.
    pub(crate) run: u32,
    pub(crate) ledger: Ledger,
    /// From publish to delivery, in nanoseconds.
    pub(crate) latency: Histogram,
    /// Streams that answered 200.
    pub(crate) opened: usize,
    pub(crate) delivered: u64,
    pub(crate) comments: u64,
    /// What came on streams: heads, framing and all.
    pub(crate) bytes: u64,
    /// The first fault, and how many there were.
    pub(crate) fault: Option<String>,
    pub(crate) faults: u64,
}

impl Tally {
    pub(crate) fn new(run: u32) -> Self {
        Self {
            run,
            ledger: Ledger::default(),
            latency: Histogram::new(),
            opened: 0,
            delivered: 0,
            comments: 0,
            bytes: 0,
            fault: None,
            faults: 0,
        }
    }

    /// Notes that something is wrong; only the first words are kept.
    pub(crate) fn fault(&mut self, words: impl FnOnce() -> String) {
        self.faults += 1;
        if self.fault.is_none() {
            self.fault = Some(words());
        }
    }

    /// Enters an update that a stream got after so many others.
    pub(crate) fn deliver(&mut self, marker: Marker, topic: u32, before: u32, now: u64) {
        if marker.run != self.run || marker.topic != topic {
            let Marker { run, topic: other, seq, .. } = marker;
            self.fault(|| format!("run {run:x}, topic {other}, update {seq} on topic {topic}"));
            return;
        }
        let Marker { seq, sent, .. } = marker;
        match self.ledger.deliver(marker, before) {
            Ok(()) => {
                self.delivered += 1;
                self.latency.record(now.saturating_sub(sent));
            }
            Err(Fault::Doubled) => {
                self.fault(|| format!("topic {topic}: update {seq} came twice"));
            }
            Err(Fault::Unknown) => {
                self.fault(|| format!("topic {topic}: update {seq} was never published"));
            }
            Err(Fault::OutOfOrder { expected }) => self
                .fault(|| format!("topic {topic}: update {seq} came where {expected} was to come")),
        }
    }
}
