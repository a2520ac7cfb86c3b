//! Whether this hub can speak and hear: the bus brings it what it says itself, as it does to all others.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::members::FORGOTTEN_AFTER;

/// How long after it has begun to hear itself a hub has heard of all others: they beat once a second.
const ACQUAINTED_AFTER: Duration = Duration::from_millis(1_200);

/// Since when this hub hears itself.
#[derive(Debug)]
pub(super) struct Hearing(watch::Sender<Option<Heard>>);

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Since when there was no silence in which others would have been forgotten.
    since: Instant,
    last: Instant,
}

impl Hearing {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Notes that this hub has heard itself.
    pub(super) fn hear(&self, now: Instant) {
        self.0.send_modify(|heard| {
            let since = heard.filter(|heard| !heard.is_over(now)).map_or(now, |heard| heard.since);
            *heard = Some(Heard { since, last: now });
        });
    }

    /// Waits until this hub hears itself, and has done so for as long as it takes to hear of all others.
    pub(super) async fn acquainted(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let now = Instant::now();
            let heard = *changes.borrow_and_update();
            match heard.filter(|heard| !heard.is_over(now)) {
                Some(Heard { since, .. }) if now >= since + ACQUAINTED_AFTER => return,
                Some(Heard { since, .. }) => sleep_until(since + ACQUAINTED_AFTER).await,
                // The sender lives as long as this is borrowed.
                None => drop(changes.changed().await),
            }
        }
    }
}

impl Heard {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    async fn is_acquainted(hearing: &Hearing) -> bool {
        timeout(Duration::ZERO, hearing.acquainted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_hears_itself_for_a_beat_knows_the_others_and_who_was_deaf_begins_anew() {
        let hearing = Hearing::new();
        assert!(!is_acquainted(&hearing).await);
        hearing.hear(Instant::now());
        assert!(!is_acquainted(&hearing).await);
        advance(ACQUAINTED_AFTER).await;
        assert!(is_acquainted(&hearing).await);
        advance(FORGOTTEN_AFTER).await;
        assert!(!is_acquainted(&hearing).await);
        hearing.hear(Instant::now());
        assert!(!is_acquainted(&hearing).await);
        advance(ACQUAINTED_AFTER).await;
        assert!(is_acquainted(&hearing).await);
    }
}
