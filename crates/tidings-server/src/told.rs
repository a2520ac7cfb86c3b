//! What the log was told of lately: where something fails, everybody asks for it again and again.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the log is not told of the same again.
const PAUSE: Duration = Duration::from_secs(1);

/// The last failure that the log was told of, and when.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Option<(Instant, String)>>);

impl Told {
    /// Whether a failure is to be told: it is another than the last, or that was a while ago. Notes that it is.
    pub(crate) fn is_news(&self, failure: &str) -> bool {
        let mut last = self.0.lock();
        let is_known =
            last.as_ref().is_some_and(|(at, known)| known == failure && at.elapsed() < PAUSE);
        if !is_known {
            *last = Some((Instant::now(), failure.to_owned()));
        }
        !is_known
    }

    /// It works again: the next failure is news.
    pub(crate) fn forget(&self) {
        self.0.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_once_in_a_while_and_another_at_once() {
        let told = Told::default();
        assert!(told.is_news("a") && !told.is_news("a"));
        assert!(told.is_news("b") && told.is_news("a"));
        tokio::time::advance(PAUSE).await;
        assert!(told.is_news("a") && !told.is_news("a"));
        told.forget();
        assert!(told.is_news("a"));
    }
}
