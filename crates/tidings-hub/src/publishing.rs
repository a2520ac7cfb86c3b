//! A publish under way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;

/// A publish under way: a future whose output is the result.
///
/// What was published is on its way to the log when this is made; to drop it takes nothing back. A hub whose log is in
/// memory has the result at once, and the future waits for nothing.
#[must_use = "the update is in the log, and nobody is told of an error, only when this is awaited"]
pub struct Publishing<T>(Stage<T>);

enum Stage<T> {
    Done(Option<T>),
    Later(BoxFuture<'static, T>),
}

impl<T> Publishing<T> {
    pub(crate) fn done(result: T) -> Self {
        Self(Stage::Done(Some(result)))
    }

    pub(crate) fn later(result: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Stage::Later(Box::pin(result)))
    }
}

impl<T: Unpin> Future for Publishing<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // Polled again after its end: as with any future, nothing more comes.
            Stage::Done(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Stage::Later(result) => {
                let result = std::task::ready!(result.as_mut().poll(cx));
                self.0 = Stage::Done(None);
                Poll::Ready(result)
            }
        }
    }
}

impl<T> fmt::Debug for Publishing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What is there at once.
    pub(crate) trait Now: Future + Sized {
        #[track_caller]
        fn now(self) -> Self::Output {
            match std::pin::pin!(self).poll(&mut Context::from_waker(std::task::Waker::noop())) {
                Poll::Ready(output) => output,
                Poll::Pending => panic!("a hub in memory waits for nothing"),
            }
        }
    }

    impl<F: Future> Now for F {}
}
