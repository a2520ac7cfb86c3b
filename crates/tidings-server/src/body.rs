//! The body of a response: whole, an event stream, or results as they come.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::relay::PassThrough;
use crate::stream::EventStream;

/// The body of a response: for hosts on `http` an [`http_body::Body`], for others a [`Stream`] of the same pieces, which never
/// fails. An event stream goes on until it is dropped, or the hub ends it. It is `Send`, and `Unpin`.
///
/// ```
/// use futures_core::Stream;
/// use std::pin::pin;
/// use tidings_hub::HubConfig;
/// use tidings_server::auth::Identity;
/// use tidings_server::{Peer, Server, ServerConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
/// let mut request = http::Request::get("/events?topic=news").body(String::new())?;
/// request.extensions_mut().insert(Identity::anonymous());
/// let response = server.handle(request, Peer::default()).await;
/// let mut body = pin!(response.into_body());
/// let first = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
/// // The opening: a comment, a reconnection time, and a place to resume from.
/// assert!(first.unwrap()?.starts_with(b":"));
/// # Ok(()) }
/// ```
pub struct Body(Kind);

enum Kind {
    /// All of it.
    Whole(Option<Bytes>),
    /// Events as they come: the body lane.
    Stream(Box<EventStream>),
    /// An upstream's bytes as they come.
    PassThrough(Box<PassThrough>),
    /// Pieces from a task that reads the request meanwhile.
    Pieces(mpsc::Receiver<Piece>),
}

/// Some results, and the room they take while they wait.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    room: OwnedSemaphorePermit,
}

impl Piece {
    pub(crate) fn new(bytes: Bytes, room: OwnedSemaphorePermit) -> Self {
        Self { bytes, room }
    }

    /// The bytes alone: their room is free again.
    fn into_bytes(self) -> Bytes {
        drop(self.room);
        self.bytes
    }
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    pub(crate) fn stream(stream: EventStream) -> Self {
        Self(Kind::Stream(Box::new(stream)))
    }

    pub(crate) fn pass_through(stream: PassThrough) -> Self {
        Self(Kind::PassThrough(Box::new(stream)))
    }

    /// The event stream, if it is one that a lane can carry.
    pub(crate) fn into_stream(self) -> Option<EventStream> {
        match self.0 {
            Kind::Stream(stream) => Some(*stream),
            Kind::Whole(_) | Kind::PassThrough(_) | Kind::Pieces(_) => None,
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }

    pub(crate) fn pieces(pieces: mpsc::Receiver<Piece>) -> Self {
        Self(Kind::Pieces(pieces))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.0 {
            Kind::Whole(whole) => Poll::Ready(whole.take()),
            Kind::Stream(stream) => stream.poll_bytes(cx),
            Kind::PassThrough(stream) => stream.poll_bytes(cx),
            Kind::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(Piece::into_bytes)),
        }
    }
}

/// Without what it says, and what it is about.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Kind::Whole(_) => "whole",
            Kind::Stream(_) => "an event stream",
            Kind::PassThrough(_) => "an upstream's event stream",
            Kind::Pieces(_) => "results as they come",
        };
        f.debug_tuple("Body").field(&format_args!("{kind}")).finish()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Self {
        let whole = whole.into();
        Self(Kind::Whole((!whole.is_empty()).then_some(whole)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Stream(_) | Kind::PassThrough(_) | Kind::Pieces(_) => SizeHint::default(),
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_bytes(cx).map(|bytes| bytes.map(Ok))
    }
}
