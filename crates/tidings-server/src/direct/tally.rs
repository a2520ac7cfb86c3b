//! What a shard has handed over, counted for many deliveries before it is added to the metrics that all threads share.

use std::time::Duration;

use tidings_hub::LoggedUpdate;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Counts since the last [`flush`](Self::flush).
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: u64,
    replayed: u64,
    bytes: u64,
    /// How many updates were handed over so long after they were logged. Neighbours are mostly of the same update.
    lags: Vec<(Duration, u64)>,
}

impl Tally {
    /// Counts an update that was handed to a stream.
    pub(super) fn update(&mut self, update: &LoggedUpdate, opened_at: Instant, now: Instant) {
        self.delivered += 1;
        self.bytes += update.frame.len() as u64;
        if update.logged_at < opened_at {
            self.replayed += 1;
            return;
        }
        let lag = now.saturating_duration_since(update.logged_at);
        match self.lags.last_mut() {
            Some((last, count)) if *last == lag => *count += 1,
            _ => self.lags.push((lag, 1)),
        }
    }

    /// Adds everything to the metrics.
    pub(super) fn flush(&mut self, metrics: &Metrics) {
        metrics.delivered_many(self.delivered, self.replayed, self.lags.drain(..));
        metrics.bytes(self.bytes);
        (self.delivered, self.replayed, self.bytes) = (0, 0, 0);
    }
}
