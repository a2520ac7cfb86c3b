//! Many updates published: NDJSON, with the results in order.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::error::PublishError;
use super::publisher::Publisher;
use super::update::Update;

/// The results of many updates, one each, in order: the update's id, or why there is none.
pub struct Results {
    key: Option<String>,
}

impl Results {
    pub(crate) fn new(
        _publisher: Publisher,
        _updates: impl Iterator<Item = Update> + Send + 'static,
    ) -> Self {
        Self { key: None }
    }

    pub(crate) fn of_stream(
        _publisher: Publisher,
        _updates: impl Stream<Item = Update> + Send + 'static,
    ) -> Self {
        Self { key: None }
    }

    /// Sets what the idempotency keys are made of: the same updates published again with it, by this program or the next,
    /// are published once. 1 to 200 ASCII characters. Default: a random one.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The next update's result; `None` after the last.
    ///
    /// # Errors
    /// A [`PublishError`] for an update that was refused; the next ones follow. One for the whole publish, after which there
    /// are no more results.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<String, PublishError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Results {
    type Item = Result<String, PublishError>;

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("key", &self.key).finish_non_exhaustive()
    }
}
