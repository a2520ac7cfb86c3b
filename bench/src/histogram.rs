//! Latencies, counted in buckets whose width grows with the value: under 1 % of error, no memory per sample.

/// Buckets for each doubling of the value: 128 make the error at most 1/128.
const STEPS_BITS: u32 = 7;
const STEPS: u64 = 1 << STEPS_BITS;
/// Values are nanoseconds in 64 bits.
const BUCKETS: usize = (64 - STEPS_BITS as usize + 1) << STEPS_BITS;

/// How often each value came.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        (self.total, self.max) = (0, 0);
    }

    pub(crate) fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The value that this share of the samples does not exceed, in per mille; 0 without samples.
    pub(crate) fn per_mille(&self, share: u64) -> u64 {
        let wanted = (self.total * share).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(index).min(self.max);
            }
        }
        self.max
    }
}

/// The bucket of a value: the value itself below 256, then 128 for each doubling.
fn bucket(value: u64) -> usize {
    let doublings = (64 - STEPS_BITS).saturating_sub(value.leading_zeros() + 1);
    let step = value >> doublings;
    usize::try_from(u64::from(doublings) * STEPS + step).unwrap_or(usize::MAX)
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    let step = bucket - doublings * STEPS;
    ((u128::from(step) + 1) << doublings).saturating_sub(1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_samples() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.per_mille(500), 0);
        for value in 1..=100 {
            histogram.record(value);
        }
        assert_eq!(histogram.per_mille(500), 50);
        assert_eq!(histogram.per_mille(990), 99);
        assert_eq!(histogram.per_mille(1_000), 100);
        assert_eq!(histogram.max(), 100);
        histogram.clear();
        assert_eq!((histogram.max(), histogram.per_mille(990)), (0, 0));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_one_percent(value: u64) {
            let highest = highest(bucket(value));
            prop_assert!(highest >= value);
            prop_assert!(highest - value <= value / 100 + 1);
            prop_assert!(bucket(value) < BUCKETS);
        }

        #[test]
        fn percentiles_of_any_samples_are_within_one_percent(
            mut samples in prop::collection::vec(0..10_000_000_000_u64, 1..200),
            share in 1..=1_000_u64,
        ) {
            let mut histogram = Histogram::new();
            for sample in &samples {
                histogram.record(*sample);
            }
            samples.sort_unstable();
            let rank = (samples.len() as u64 * share).div_ceil(1_000).max(1) - 1;
            let exact = samples[usize::try_from(rank).unwrap()];
            let told = histogram.per_mille(share);
            prop_assert!(told >= exact && told - exact <= exact / 100 + 1, "{} {}", told, exact);
        }
    }
}
