//! One client connection: its socket, the watch over its writes, and what became of it.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tidings_hub::CloseReason;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// What became of a connection. Its streams look here for the reason they ended, and can have it cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<Verdict>);

#[derive(Debug, Default)]
struct Verdict {
    /// The place of the noted reason among all of them. The first, the client, is what nothing was noted of.
    noted: AtomicU8,
    /// The client takes no bytes, and some wait for it.
    is_stalled: AtomicBool,
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

    /// Whether bytes wait that the client does not take.
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.is_stalled.load(Ordering::Relaxed)
    }

    fn note_stalled(&self, is_stalled: bool) {
        self.0.is_stalled.store(is_stalled, Ordering::Relaxed);
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
    socket: Socket,
    /// The first bytes, read to tell the protocol and not yet given out.
    first: BytesMut,
    fate: Fate,
    peer_timeout: Duration,
    /// Runs while the socket takes no bytes.
    stall: Option<Pin<Box<Sleep>>>,
}

/// A socket that the runtime does not know before there is something to wait for.
#[derive(Debug)]
enum Socket {
    /// With what was found when it was last read.
    Fresh(std::net::TcpStream, Found),
    Known(TcpStream),
    /// The runtime did not take it. Why, whoever used it was told.
    Lost,
}

/// What a fresh socket has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// More, perhaps.
    Something,
    /// No more, by all that is known.
    All,
    /// That was asked for, and put off: whoever has all it needs has a turn first. Most of those go to the direct lane.
    Waited,
}

/// What HTTP/2 with prior knowledge begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How many bytes are read at first: most requests' heads in one go.
const FIRST_BYTES: usize = 2 * 1024;

impl Connection {
    /// Takes over a socket.
    pub(crate) fn new(socket: std::net::TcpStream, peer_timeout: Duration) -> Self {
        Self {
            socket: Socket::Fresh(socket, Found::Something),
            first: BytesMut::new(),
            fate: Fate::default(),
            peer_timeout,
            stall: None,
        }
    }

    /// Takes the socket out. What was read of it and not given out is lost.
    ///
    /// # Errors
    /// When the runtime does not let go of it.
    pub(crate) fn into_socket(self) -> io::Result<std::net::TcpStream> {
        match self.socket {
            Socket::Fresh(socket, _) => Ok(socket),
            Socket::Known(socket) => socket.into_std(),
            Socket::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
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
        let mut first = BytesMut::with_capacity(FIRST_BYTES);
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            if self.socket.read_buf(&mut first).await? == 0 {
                break;
            }
        }
        self.first = first;
        if self.first.is_empty() {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(self.first.starts_with(PREFACE))
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
                if self.stall.take().is_some() {
                    self.fate.note_stalled(false);
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => {
                self.fate.note_error(&error, self.stall.is_some());
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let timeout = self.peer_timeout;
                if self.stall.is_none() {
                    self.fate.note_stalled(true);
                }
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
        if !self.first.is_empty() {
            let given = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(given));
            if self.first.is_empty() {
                self.first = BytesMut::new();
            }
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
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Socket {
    /// Does something at once if nothing has to be waited for, else once the runtime says that it can be done.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut at_once: impl FnMut(&mut std::net::TcpStream) -> io::Result<T>,
        mut waiting: impl FnMut(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Self::Fresh(socket, _) = self {
            loop {
                match at_once(socket) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    result => return Poll::Ready(result),
                }
            }
        }
        waiting(self.known()?, cx)
    }

    /// Enters the socket into the runtime, if that has not been done.
    fn known(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Self::Fresh(..) = self
            && let Self::Fresh(socket, _) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Known(TcpStream::from_std(socket)?);
        }
        match self {
            Self::Known(socket) => Ok(Pin::new(socket)),
            Self::Fresh(..) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Self::Fresh(socket, found) = &mut *self {
            match found {
                Found::Something => match socket.read(buf.initialize_unfilled()) {
                    Ok(read) => {
                        if read < buf.remaining() {
                            *found = Found::All;
                        }
                        buf.advance(read);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                        ) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Found::All => {
                    *found = Found::Waited;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Found::Waited => {}
            }
        }
        self.known()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |socket| socket.write(bytes), |socket, cx| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let waiting = |socket: Pin<&mut TcpStream>, cx: &mut Context<'_>| {
            socket.poll_write_vectored(cx, bytes)
        };
        self.poll(cx, |socket| socket.write_vectored(bytes), waiting)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let at_once = |socket: &mut std::net::TcpStream| socket.shutdown(Shutdown::Write);
        self.poll(cx, at_once, AsyncWrite::poll_shutdown)
    }
}
