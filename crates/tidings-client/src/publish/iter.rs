//! An iterator of updates as a stream of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

/// Gives what the iterator gives, at once.
pub(super) struct Iter<I>(pub(super) I);

impl<I: Iterator + Unpin> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.get_mut().0.next())
    }
}
