//! One stream's socket on the direct lane: what it takes, and what it leaves for later.

use std::borrow::Borrow;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::iter;
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;
use tidings_hub::{CloseReason, LoggedUpdate, SeatKey};
use tokio::time::Instant;
use tracing::debug;

use super::calendar::Tick;
use super::joined::Piece;
use super::tally::Tally;
use super::{Newcomer, Place};
use crate::script::Script;

/// How many frames go out with one call at the most; the kernel takes no more than 1,024.
const MAX_SLICES: usize = 512;

/// A stream's socket.
#[derive(Debug)]
pub(super) struct Carrier {
    socket: TcpStream,
    pub(super) script: Script,
    /// What the socket did not take of what it was given last. Nothing else is given to it before that is gone.
    rest: Bytes,
    /// What is to be sent behind the rest.
    tail: Bytes,
    /// Since when the socket takes no bytes, while it takes none.
    pub(super) stalled_since: Option<Instant>,
    /// Why the stream ends once the rest is gone.
    pub(super) ending: Option<CloseReason>,
    /// The connection is of no use any more.
    pub(super) is_dead: bool,
    /// It waits to be read for.
    pub(super) is_ready: bool,
    /// The kernel tells when the socket takes bytes again.
    awaits_room: bool,
    /// Its appointment in the calendar.
    pub(super) appointment: Tick,
    _place: Place,
}

impl Carrier {
    /// Takes over a newcomer's socket, and gives what else came with it: its subscription, and the response's head.
    pub(super) fn new(newcomer: Newcomer) -> (Self, tidings_hub::Subscription, Bytes) {
        let Newcomer { socket, head, subscription, script, place } = newcomer;
        let carrier = Self {
            socket: TcpStream::from_std(socket),
            script,
            rest: Bytes::new(),
            tail: Bytes::new(),
            stalled_since: None,
            ending: None,
            is_dead: false,
            is_ready: false,
            awaits_room: false,
            appointment: Tick::MAX,
            _place: place,
        };
        (carrier, subscription, head)
    }

    /// Whether the socket takes no more for now.
    pub(super) fn is_blocked(&self) -> bool {
        self.stalled_since.is_some()
    }

    /// Has the kernel tell what happens on the socket: that bytes come or that it ends, and once it was full that it takes
    /// bytes again.
    pub(super) fn register(&mut self, registry: &Registry, key: SeatKey) {
        if let Err(error) = registry.register(&mut self.socket, Token(key), Interest::READABLE) {
            self.fail(&error);
        }
    }

    fn register_again(&mut self, registry: &Registry, key: SeatKey) {
        let interest = if self.awaits_room {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        if let Err(error) = registry.reregister(&mut self.socket, Token(key), interest) {
            self.fail(&error);
        }
    }

    /// Hands over updates, in order; `joined` is their frames in one piece, where there is one. Gives how many were taken:
    /// the socket may have taken part of the last of them only.
    pub(super) fn send<U: Borrow<LoggedUpdate>>(
        &mut self,
        updates: &[U],
        joined: Option<&Piece>,
        (registry, key): (&Registry, SeatKey),
        tally: &mut Tally,
        now: Instant,
    ) -> usize {
        if self.is_dead {
            // What it is owed no longer matters.
            return updates.len();
        }
        if self.is_blocked() || self.ending.is_some() || self.script.is_expired() {
            return 0;
        }
        let mut taken = 0;
        let together = if joined.is_some() { updates.len() } else { MAX_SLICES };
        for some in updates.chunks(together.max(1)) {
            let written = match joined {
                Some(joined) => self.write_slices(iter::once(&joined.bytes)),
                None => self.write_frames(some),
            };
            let mut left = match written {
                Ok(written) => written,
                Err(error) => {
                    self.fail(&error);
                    return updates.len();
                }
            };
            let held = left.min(self.rest.len());
            self.rest.advance(held);
            left -= held;
            if let Some(joined) = joined
                && left == joined.bytes.len()
                && joined.newest.is_some_and(|newest| newest < self.script.opened_at())
            {
                // As it mostly is after a reconnect: none of them needs a look of its own.
                tally.replay(some.len(), left);
                if let Some(last) = some.last() {
                    self.script.told(last.borrow(), now);
                }
                return some.len();
            }
            let mut of_these = 0_usize;
            for update in some.iter().map(Borrow::borrow) {
                let length = update.frame.len();
                if left == 0 {
                    break;
                }
                if left < length {
                    self.rest = update.frame.slice(left..);
                }
                left -= left.min(length);
                of_these += 1;
                tally.update(update, self.script.opened_at(), now);
            }
            if let Some(last) = of_these.checked_sub(1).and_then(|last| some.get(last)) {
                self.script.told(last.borrow(), now);
            }
            taken += of_these;
            if of_these < some.len() || !self.rest.is_empty() {
                self.block(registry, key, now);
                break;
            }
        }
        taken
    }

    /// Keeps the stream's first bytes, to be sent with the first update.
    pub(super) fn hold(&mut self, bytes: Bytes) {
        self.rest = bytes;
    }

    /// Gives the socket bytes of which it keeps what it does not take at once.
    pub(super) fn give(&mut self, bytes: Bytes, registry: &Registry, key: SeatKey, now: Instant) {
        if self.rest.is_empty() {
            self.rest = bytes;
        } else if self.tail.is_empty() {
            self.tail = bytes;
        } else {
            // The hub's own words, which are short.
            self.tail = [&*self.tail, &*bytes].concat().into();
        }
        if !self.is_blocked() {
            self.flush(registry, key, now);
        }
    }

    /// Goes on with the rest, as the socket takes bytes again.
    pub(super) fn resume(&mut self, registry: &Registry, key: SeatKey, now: Instant) {
        let Some(since) = self.stalled_since.take() else { return };
        let before = self.rest.len();
        self.flush(registry, key, now);
        if self.is_blocked() && self.rest.len() == before {
            self.stalled_since = Some(since);
        }
    }

    /// Sends the rest, if there is one.
    pub(super) fn flush(&mut self, registry: &Registry, key: SeatKey, now: Instant) {
        while !self.rest.is_empty() {
            match retried(|| self.socket.write(&self.rest)) {
                Ok(0) => return self.block(registry, key, now),
                Ok(written) => self.rest.advance(written),
                Err(error) => return self.fail(&error),
            }
            if self.rest.is_empty() {
                self.rest = std::mem::take(&mut self.tail);
            }
        }
        self.rest = Bytes::new();
    }

    fn write_frames<U: Borrow<LoggedUpdate>>(&mut self, updates: &[U]) -> io::Result<usize> {
        if let [update] = updates
            && self.rest.is_empty()
        {
            return retried(|| self.socket.write(&update.borrow().frame));
        }
        self.write_slices(updates.iter().map(|update| &update.borrow().frame))
    }

    /// Writes the rest and what follows it.
    fn write_slices<'a>(&mut self, bytes: impl Iterator<Item = &'a Bytes>) -> io::Result<usize> {
        let rest = iter::once(IoSlice::new(&self.rest));
        let slices: Vec<IoSlice<'_>> = rest.chain(bytes.map(|bytes| IoSlice::new(bytes))).collect();
        retried(|| self.socket.write_vectored(&slices))
    }

    /// Waits for the socket to take bytes again.
    fn block(&mut self, registry: &Registry, key: SeatKey, now: Instant) {
        self.stalled_since = Some(now);
        if !self.awaits_room {
            self.awaits_room = true;
            self.register_again(registry, key);
        }
    }

    /// Reads what the client sends, which is nothing it should: only the end is of interest.
    pub(super) fn read(&mut self, scratch: &mut [u8], registry: &Registry, key: SeatKey) {
        match retried(|| self.socket.read(scratch)) {
            Ok(0) => {}
            // More may be there. To ask anew is told at once then, after the others had their turn.
            Ok(read) if read == scratch.len() => self.register_again(registry, key),
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Notes why the connection has failed.
    pub(super) fn break_off(&mut self) {
        if let Ok(Some(error)) = self.socket.take_error() {
            self.fail(&error);
        }
        self.is_dead = true;
    }

    fn fail(&mut self, error: &io::Error) {
        self.script.fate().note_error(error, self.is_blocked());
        self.is_dead = true;
    }

    /// Ends the stream: with its last bytes if the socket takes them.
    pub(super) fn end(
        &mut self,
        reason: CloseReason,
        registry: &Registry,
        key: SeatKey,
        now: Instant,
    ) {
        self.ending = Some(reason);
        match self.script.end(reason, now) {
            Some(farewell) => self.give(farewell, registry, key, now),
            // What was held back goes out, too.
            None if !self.is_blocked() => self.flush(registry, key, now),
            None => {}
        }
    }

    /// Closes the connection so that the client gets the last bytes: what it has sent meanwhile would make the kernel
    /// throw them away.
    pub(super) fn close(&mut self, scratch: &mut [u8]) {
        if !self.is_dead && self.socket.shutdown(Shutdown::Write).is_ok() {
            let _thrown_away = self.socket.read(scratch);
        }
    }

    /// Breaks the stream off, with what the kernel has not sent of it yet.
    pub(super) fn cut(&mut self, reason: CloseReason) {
        if let Err(error) = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)) {
            debug!(%error, "what a socket has not sent goes out before it is closed");
        }
        self.script.fate().note(reason);
        self.is_dead = true;
    }

    /// Gives up a client that takes no bytes.
    pub(super) fn give_up(&mut self) {
        self.script.fate().note(CloseReason::Slow);
        self.is_dead = true;
    }

    /// Whether there is something to see to, as there is not when a socket has taken all it was given.
    pub(super) fn needs_a_look(&self) -> bool {
        self.is_dead || self.is_blocked()
    }

    /// Whether the stream has ended, and all its bytes are with the kernel.
    pub(super) fn is_done(&self) -> bool {
        self.is_dead || (self.ending.is_some() && self.rest.is_empty())
    }
}

/// Calls again when a signal came in between; a socket that takes or has nothing now gives 0.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            result => return result,
        }
    }
}
