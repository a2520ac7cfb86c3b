//! Sockets that the runtime does not know one by one: an epoll instance of a task's own, and a listener.

use std::io;
use std::net::SocketAddr;
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

    /// Takes some of what has happened. Gives whether there may be more, too.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn take(&mut self) -> io::Result<(&Events, &Registry, bool)> {
        let poll = self.poll.get_mut();
        poll.poll(&mut self.events, Some(Duration::ZERO))?;
        let is_full = self.events.iter().count() == EVENTS;
        Ok((&self.events, poll.registry(), is_full))
    }
}

/// A listener that leaves the sockets it accepts out of the runtime.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<mio::net::TcpListener>);

impl Listener {
    /// # Errors
    /// When the runtime does not take it.
    pub(crate) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        let listener = mio::net::TcpListener::from_std(listener);
        #[expect(unsafe_code, reason = "the runtime's own listener enters what it accepts")]
        // SAFETY: as above. The descriptor is the listener's own until it is dropped.
        let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE)? };
        Ok(Self(listener))
    }

    /// Accepts a connection, whose socket does not block. Cancel safe.
    ///
    /// # Errors
    /// When one could not be accepted. Others can be, later.
    pub(crate) async fn accept(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        loop {
            let mut ready = self.0.readable().await?;
            let accepted = ready.try_io(|listener| listener.get_ref().accept());
            if let Ok(accepted) = accepted {
                return accepted.map(|(socket, peer)| (socket.into(), peer));
            }
        }
    }
}
