//! When a shard has to look at which of its streams: for a keep-alive, or an end.
//!
//! One timer serves all. Each stream has one appointment; those that are replaced stay in the calendar until their time
//! and are told by their tick.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_hub::SeatKey;
use tokio::time::Instant;

/// A moment, in milliseconds since the calendar was made.
pub(super) type Tick = u64;

/// Appointments by time.
#[derive(Debug)]
pub(super) struct Calendar {
    begun: Instant,
    appointments: BTreeMap<Tick, Vec<SeatKey>>,
}

impl Calendar {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), appointments: BTreeMap::new() }
    }

    /// The first tick that is not before `moment`.
    pub(super) fn tick(&self, moment: Instant) -> Tick {
        let since = moment.saturating_duration_since(self.begun);
        let whole = since.as_nanos().div_ceil(1_000_000);
        Tick::try_from(whole).unwrap_or(Tick::MAX)
    }

    /// Makes an appointment.
    pub(super) fn put(&mut self, tick: Tick, key: SeatKey) {
        self.appointments.entry(tick).or_default().push(key);
    }

    /// When the next appointment is.
    pub(super) fn next(&self) -> Option<Instant> {
        let (tick, _) = self.appointments.first_key_value()?;
        Some(self.begun + Duration::from_millis(*tick))
    }

    /// Takes the appointments of the first tick that has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Tick, Vec<SeatKey>)> {
        let first = self.appointments.first_entry()?;
        let is_due = self.begun + Duration::from_millis(*first.key()) <= now;
        is_due.then(|| first.remove_entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn appointments_come_in_order_and_never_early() {
        let mut calendar = Calendar::new();
        let now = Instant::now();
        let at = |micros| now + Duration::from_micros(micros);
        for (key, micros) in [(1, 20_000), (2, 9_001), (3, 20_000), (4, 0)] {
            let tick = calendar.tick(at(micros));
            calendar.put(tick, key);
        }
        assert_eq!(calendar.take_due(now), Some((0, vec![4])));
        assert_eq!(calendar.next(), Some(at(10_000)), "the first millisecond that is not before");
        assert_eq!(calendar.take_due(at(9_999)), None);
        assert_eq!(calendar.take_due(at(30_000)), Some((10, vec![2])));
        assert_eq!(calendar.take_due(at(30_000)), Some((20, vec![1, 3])));
        assert_eq!((calendar.take_due(at(30_000)), calendar.next()), (None, None));
    }
}
