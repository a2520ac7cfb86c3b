//! One client connection: its socket options, the watch over its writes, and what became of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tidings_hub::CloseReason;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// What became of a connection. Its streams look here for the reason they ended, and can have it cut.
#[derive(Clone, Debug, Default)]
pub struct Fate(Arc<Verdict>);

#[derive(Debug, Default)]
struct Verdict {
    /// The place of the noted reason among all of them. The first, the client, is what nothing was noted of.
    noted: AtomicU8,
    cut: Notify,
}

impl Fate {
    /// The reason for streams that end with the connection: the client, unless something else was noted.
    pub(crate) fn close_reason(&self) -> CloseReason {
        let noted = usize::from(self.0.noted.load(Ordering::Relaxed));
        CloseReason::ALL.get(noted).copied().unwrap_or(CloseReason::Client)
    }

    /// Notes why the connection ends. What was noted first is the cause, the rest follows from it.
    pub(crate) fn note(&self, reason: CloseReason) {
        let place = CloseReason::ALL.iter().position(|known| *known == reason);
        let noted = place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default();
        let _noted_before =
            self.0.noted.compare_exchange(0, noted, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Has the connection closed for the end of one of its streams, though bytes still wait to be taken.
    pub(crate) fn cut(&self, reason: CloseReason) {
        self.note(reason);
        self.0.cut.notify_one();
    }

    /// Waits for one of the streams to have the connection closed.
    ///
    /// # Cancel safety
    /// Cancel safe. Only one task may wait.
    pub(crate) async fn is_cut(&self) {
        self.0.cut.notified().await;
    }

    pub(crate) fn note_error(&self, error: &io::Error, stalled: bool) {
        match error.kind() {
            io::ErrorKind::TimedOut if stalled => self.note(CloseReason::Slow),
            // TCP_USER_TIMEOUT has run out: bytes were sent and nobody acknowledged them.
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => {
                self.note(CloseReason::HalfOpen);
            }
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => {}
            _ => self.note(CloseReason::WriteError),
        }
    }
}

/// A client's socket. A write that makes no progress for the peer timeout fails.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    /// The first bytes, read to tell the protocol and not yet given out.
    first: First,
    fate: Fate,
    peer_timeout: Duration,
    /// Runs while the socket takes no bytes.
    stall: Option<Pin<Box<Sleep>>>,
}

/// What HTTP/2 with prior knowledge begins with (RFC 9113, 3.4).
const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_BYTES: usize = 24;

#[derive(Clone, Copy, Debug, Default)]
struct First {
    bytes: [u8; PREFACE_BYTES],
    read: usize,
    given: usize,
}

impl First {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.given..self.read).unwrap_or_default()
    }
}

impl Connection {
    /// Takes over a socket and sets its options.
    ///
    /// # Errors
    /// When the kernel refuses an option: the connection is already gone then.
    pub(crate) fn new(socket: TcpStream, peer_timeout: Duration) -> io::Result<Self> {
        // An event is one small write that must not wait for an acknowledgement of the one before.
        socket.set_nodelay(true)?;
        SockRef::from(&socket).set_tcp_user_timeout(Some(peer_timeout))?;
        Ok(Self {
            socket,
            first: First::default(),
            fate: Fate::default(),
            peer_timeout,
            stall: None,
        })
    }

    /// Takes the socket out. What was read of it and not given out is lost.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }

    pub(crate) fn fate(&self) -> Fate {
        self.fate.clone()
    }

    /// Reads the first bytes and tells whether the client speaks HTTP/2. It reads all of the preface, so that a client
    /// has no more time for it than for the first byte.
    ///
    /// # Errors
    /// When the socket fails, or ends before the first byte.
    pub(crate) async fn speaks_http2(&mut self) -> io::Result<bool> {
        while self.first.read < PREFACE_BYTES && PREFACE.starts_with(self.first.left()) {
            let rest = self.first.bytes.get_mut(self.first.read..).unwrap_or_default();
            match self.socket.read(rest).await? {
                0 => break,
                read => self.first.read += read,
            }
        }
        if self.first.read == 0 {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(self.first.left() == PREFACE)
        }
    }

    /// Watches over one write: notes errors, and lets it fail when the socket has taken nothing for too long.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(Ok(written)) => {
                self.stall = None;
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => {
                self.fate.note_error(&error, self.stall.is_some());
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let timeout = self.peer_timeout;
                let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                ready!(stall.as_mut().poll(cx));
                let error = io::Error::from(io::ErrorKind::TimedOut);
                self.fate.note_error(&error, true);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = self.first;
        let left = first.left();
        if !left.is_empty() {
            let given = left.len().min(buf.remaining());
            buf.put_slice(left.get(..given).unwrap_or_default());
            self.first.given += given;
            return Poll::Ready(Ok(()));
        }
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buf));
        if let Err(error) = &read {
            let stalled = self.stall.is_some();
            self.fate.note_error(error, stalled);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
