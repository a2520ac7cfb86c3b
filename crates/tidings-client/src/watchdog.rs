//! Notices a connection that brings nothing any more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// When the end of the time is noticed so much later than it came, nobody was asking for bytes then.
const LATE: Duration = Duration::from_millis(100);

/// What may have come in the meantime gets so long to be read.
const GRACE: Duration = Duration::from_secs(1);

/// Counts the time since bytes were first waited for in vain.
///
/// It counts only while somebody waits: a reader that is busy for an hour does not make its connection a silent one.
pub(crate) struct Watchdog {
    time: Duration,
    /// When the time is over; `None` while nobody waits.
    end: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the grace has been given since the last byte.
    graced: bool,
}

impl Watchdog {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, end: None, sleep: None, graced: false }
    }

    /// How long the silence may last.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Bytes have come.
    pub(crate) fn heard(&mut self) {
        self.end = None;
        self.graced = false;
    }

    /// Nothing has come: ready when that has been so for too long.
    pub(crate) fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if self.end.is_none() {
            // A time beyond the clock's end is none.
            let Some(end) = now.checked_add(self.time) else { return Poll::Pending };
            self.wait_until(end);
        }
        loop {
            let (Some(end), Some(sleep)) = (self.end, &mut self.sleep) else {
                return Poll::Pending;
            };
            std::task::ready!(sleep.as_mut().poll(context));
            if self.graced || now.saturating_duration_since(end) < LATE {
                return Poll::Ready(());
            }
            self.graced = true;
            self.wait_until(now + GRACE.min(self.time));
        }
    }

    fn wait_until(&mut self, end: Instant) {
        self.end = Some(end);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(end),
            none => *none = Some(Box::pin(sleep_until(end))),
        }
    }
}
