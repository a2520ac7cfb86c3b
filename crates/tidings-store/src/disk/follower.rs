//! Following a log on disk: from memory for who keeps up, from the file for who does not.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tidings_hub::{Follow, News, Unavailable, Wanted};
use tokio::sync::watch;

use super::reader;
use super::shared::{Batch, Shared, View};

/// How much is read from the file at once.
const MAX_READ_UPDATES: usize = 1024;
const MAX_READ_BYTES: usize = 1024 * 1024;

/// How long after a failed read the next is tried.
const PAUSE: Duration = Duration::from_millis(500);

/// Who follows a log.
pub(super) struct Follower {
    shared: Arc<Shared>,
    view: watch::Receiver<View>,
    /// The next update.
    next: u64,
    /// Before which seq it is known that nothing is retained.
    oldest: u64,
    is_away: bool,
    was_told_of_end: bool,
}

/// Where the next news are to be had.
enum Source {
    Memory(Batch),
    File(u64),
    Later,
}

impl Follower {
    pub(super) fn new(shared: &Arc<Shared>, from: u64) -> Self {
        let view = shared.view.subscribe();
        let from = from.max(1);
        let oldest = from.min(view.borrow().oldest);
        Self {
            shared: shared.clone(),
            view,
            next: from,
            oldest,
            is_away: false,
            was_told_of_end: false,
        }
    }

    /// Passes over what has left, if this is not known yet.
    fn pass_over(&mut self, oldest: u64) -> Option<News> {
        if oldest <= self.oldest {
            return None;
        }
        self.oldest = oldest;
        self.next = self.next.max(oldest);
        Some(News::Oldest(oldest))
    }

    /// What was committed lately is told even where it has left since: it was in the log.
    fn source(&mut self) -> Result<Source, News> {
        let View { oldest, next, is_closed, .. } = *self.view.borrow_and_update();
        let batch = if self.next < next { self.shared.lately.lock().with(self.next) } else { None };
        if (oldest <= self.next || batch.is_none())
            && let Some(news) = self.pass_over(oldest)
        {
            return Err(news);
        }
        if is_closed && self.next >= next && !self.was_told_of_end {
            self.was_told_of_end = true;
            return Err(News::Away(Unavailable::new("the log was closed")));
        }
        Ok(match batch {
            Some(batch) => Source::Memory(batch),
            None if self.next < next => Source::File(next),
            None => Source::Later,
        })
    }

    fn updates(&mut self, updates: Vec<tidings_hub::Logged>) -> News {
        self.next = updates.last().map_or(self.next, |logged| logged.seq + 1);
        News::Updates(updates)
    }

    async fn read(&mut self, until: u64) -> Option<News> {
        let wanted = Wanted {
            from: self.next,
            until,
            topics: None,
            max_updates: MAX_READ_UPDATES,
            max_bytes: MAX_READ_BYTES,
        };
        match reader::page(self.shared.clone(), wanted).await {
            Ok(_) if std::mem::take(&mut self.is_away) => Some(News::Back),
            Ok(page) if page.oldest > self.next => self.pass_over(page.oldest),
            Ok(page) if page.updates.is_empty() => None,
            Ok(page) => Some(self.updates(page.updates)),
            Err(why) if self.is_away => {
                tracing::debug!("{why}");
                tokio::time::sleep(PAUSE).await;
                None
            }
            Err(why) => {
                self.is_away = true;
                Some(News::Away(why))
            }
        }
    }
}

impl Follow for Follower {
    fn next(&mut self) -> BoxFuture<'_, News> {
        Box::pin(async {
            loop {
                match self.source() {
                    Err(news) => return news,
                    Ok(Source::Memory(batch)) => {
                        let known = batch.updates.partition_point(|logged| logged.seq < self.next);
                        let updates = batch.updates.get(known..).unwrap_or_default().to_vec();
                        return self.updates(updates);
                    }
                    Ok(Source::File(until)) => {
                        if let Some(news) = self.read(until).await {
                            return news;
                        }
                    }
                    Ok(Source::Later) => {
                        if self.view.changed().await.is_err() {
                            // Nothing comes any more, and who follows is not told twice.
                            std::future::pending::<()>().await;
                        }
                    }
                }
            }
        })
    }
}
