//! A histogram of the time from an update's entry into the log to its being handed to a stream. Many deliveries are
//! counted at once, and without a lock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The upper bounds of the buckets, in microseconds: from a tenth of a millisecond to ten seconds.
const BOUNDS_MICROS: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000];

/// Lags that were counted by one thread.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    /// As in the histogram.
    buckets: [u64; BOUNDS_MICROS.len() + 1],
    sum_micros: u64,
}

impl Lags {
    /// Counts a delivery that took so long.
    pub(crate) fn observe(&mut self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.sum_micros = self.sum_micros.saturating_add(micros);
    }
}

/// Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct LagHistogram(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// How many there were up to each bound and over the one before; the last is for those over all bounds.
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

impl LagHistogram {
    /// Adds what was counted elsewhere.
    pub(crate) fn add(&self, lags: &Lags) {
        for (bucket, count) in self.0.buckets.iter().zip(lags.buckets) {
            if count > 0 {
                bucket.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.0.sum_micros.fetch_add(lags.sum_micros, Ordering::Relaxed);
    }
}

impl EncodeMetric for LagHistogram {
    #[expect(clippy::cast_precision_loss, reason = "2^52 microseconds are 140 years")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let bounds = BOUNDS_MICROS.map(seconds).into_iter().chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.0.sum_micros.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn deliveries_are_counted_under_the_first_bound_that_they_do_not_exceed() {
        let lag = LagHistogram::default();
        for micros in [[100, 100], [100, 101], [60_000_000, 60_000_000]] {
            let mut lags = Lags::default();
            for micros in micros {
                lags.observe(Duration::from_micros(micros));
            }
            lag.add(&lags);
        }
        let mut registry = Registry::default();
        registry.register("lag", "Lag", lag);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "lag_sum 120.000401",
            "lag_count 6",
            "lag_bucket{le=\"0.0001\"} 3",
            "lag_bucket{le=\"0.00025\"} 4",
            "lag_bucket{le=\"10.0\"} 4",
            "lag_bucket{le=\"+Inf\"} 6",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in {text}");
        }
    }
}
