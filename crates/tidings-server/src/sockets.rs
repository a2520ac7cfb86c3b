//! An epoll instance of a task's own, and how the task waits for it. Many sockets then cost the runtime one registration.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Registry};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How many happenings are taken from the kernel at once.
const EVENTS: usize = 1_024;

/// Sockets that are watched together.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// An epoll instance can itself be waited for: it is readable while it has something to tell.
    poll: AsyncFd<Poll>,
    events: Events,
}

impl Sockets {
    /// # Errors
    /// When the system has no epoll instance to give.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        #[expect(unsafe_code, reason = "the runtime has no safe way to wait for an epoll instance")]
        // SAFETY: the descriptor is `Poll`'s own, always the same, and open until `Poll` is dropped. `AsyncFd` owns it and
        // forgets the descriptor first.
        let poll = unsafe { AsyncFd::register_with_interest(poll, Interest::READABLE)? };
        Ok(Self { poll, events: Events::with_capacity(EVENTS) })
    }

    /// Where sockets are entered.
    pub(crate) fn registry(&self) -> &Registry {
        self.poll.get_ref().registry()
    }

    /// Waits until something has happened. Cancel safe.
    pub(crate) async fn happened(&self) {
        if let Ok(mut guard) = self.poll.readable().await {
            // Before the happenings are taken: what comes after that makes it ready again.
            guard.clear_ready();
        }
    }

    /// Takes the next happenings, if there are any.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn take(&mut self) -> io::Result<Option<(&Events, &Registry)>> {
        let poll = self.poll.get_mut();
        poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok((!self.events.is_empty()).then(|| (&self.events, poll.registry())))
    }
}
