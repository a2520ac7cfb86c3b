//! Notices a connection that brings nothing any more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Counts the time since bytes were first waited for in vain.
///
/// It counts from then on only: a reader that is busy for an hour does not make its connection a silent one. Bytes are to
/// be looked for before the watchdog is asked, so that what came meanwhile counts.
pub(crate) struct Watchdog {
    time: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the time runs.
    is_running: bool,
}

impl Watchdog {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, sleep: None, is_running: false }
    }

    /// How long the silence may last.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Bytes have come.
    pub(crate) fn heard(&mut self) {
        self.is_running = false;
    }

    /// Nothing has come: ready when that has been so for too long.
    pub(crate) fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A time beyond the clock's end is none.
        let Some(end) = Instant::now().checked_add(self.time) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if !self.is_running {
            sleep.as_mut().reset(end);
            self.is_running = true;
        }
        sleep.as_mut().poll(context)
    }
}
