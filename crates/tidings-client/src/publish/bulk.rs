//! Many updates published: batches of NDJSON one after the other, with the results in order.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::batch::{Batch, Published};
use super::error::PublishError;
use super::key;
use super::publisher::Publisher;
use super::update::Update;

/// How many updates have keys that are made of the same one: the updates' numbers, and not the requests they happen to go
/// in, say which key they have.
const BLOCK_UPDATES: usize = 1_000;

/// How large a request gets before it is sent. Proxies often take no more than a mebibyte, and the last update goes beyond.
const ENOUGH_BYTES: usize = 512 << 10;

/// The results of many updates, one each, in order: the update's id, or why there is none.
///
/// It publishes while it is read, in requests of up to 1,000 updates: what is kept in memory is one of them. Dropping it
/// ends the publish; of a request that is under way any part may be published then.
///
/// Updates are published in order. Only where the hub refuses one for a while, since its log is away, and takes those after
/// it in the same request, the one comes later than they.
pub struct Results {
    publisher: Publisher,
    updates: Pin<Box<dyn Stream<Item = Update> + Send>>,
    /// All updates have been taken.
    taken: bool,
    key: String,
    /// How many updates went into batches so far.
    count: usize,
    batch: Batch,
    publishing: Option<Pin<Box<dyn Future<Output = Published> + Send>>>,
    /// Results that are not handed out yet.
    ready: VecDeque<Result<String, PublishError>>,
    failed: bool,
}

impl Results {
    pub(crate) fn new(
        publisher: Publisher,
        updates: impl Stream<Item = Update> + Send + 'static,
    ) -> Self {
        Self {
            publisher,
            updates: Box::pin(updates),
            taken: false,
            key: key::random(),
            count: 0,
            batch: Batch::default(),
            publishing: None,
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// Sets what the idempotency keys are made of, before the first result is read: the same updates published again with it,
    /// by this program or the next, are published once. 1 to 200 ASCII characters. Default: a random one.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// The next update's result; `None` after the last.
    ///
    /// # Errors
    /// A [`PublishError`] for an update that was refused ([`LineRefused`](crate::PublishFailure::LineRefused)); the next ones
    /// follow. Any other is one for the whole publish, after which there are no more results. Some of the updates without a
    /// result may be published then: publish them again from here on with the same key, and they are published once.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<String, PublishError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Takes the updates that are there, up to what one request holds. Ready when there is something to publish, or nothing
    /// any more.
    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.taken {
            let place = self.count + self.batch.len();
            let is_full = place > 0 && place.is_multiple_of(BLOCK_UPDATES);
            if self.batch.len() > 0 && (is_full || self.batch.bytes() >= ENOUGH_BYTES) {
                break;
            }
            match self.updates.as_mut().poll_next(context) {
                Poll::Ready(Some(update)) => self.batch.push(&update),
                Poll::Ready(None) => self.taken = true,
                // Whoever sends one now and then does not want it to wait for others.
                Poll::Pending if self.batch.len() > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl Stream for Results {
    type Item = Result<String, PublishError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(result) = this.ready.pop_front() {
                return Poll::Ready(Some(result));
            }
            if this.failed {
                return Poll::Ready(None);
            }
            let Some(publishing) = &mut this.publishing else {
                ready!(this.poll_gather(context));
                if this.batch.len() == 0 {
                    return Poll::Ready(None);
                }
                let batch = std::mem::take(&mut this.batch);
                let (block, offset) = (this.count / BLOCK_UPDATES, this.count % BLOCK_UPDATES);
                this.count += batch.len();
                let key = format!("{}/{block}", this.key);
                this.publishing =
                    Some(Box::pin(batch.publish(this.publisher.clone(), key, offset)));
                continue;
            };
            let Published { results, error } = ready!(publishing.as_mut().poll(context));
            this.publishing = None;
            this.failed = error.is_some();
            this.ready.extend(results);
            this.ready.extend(error.map(Err));
        }
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}
