//! The body of a response: whole, an event stream, or results as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::relay::PassThrough;
use crate::stream::EventStream;

/// The body of a response.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
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
        let piece = match &mut self.0 {
            Kind::Whole(whole) => Poll::Ready(whole.take()),
            Kind::Stream(stream) => stream.poll_bytes(cx),
            Kind::PassThrough(stream) => stream.poll_bytes(cx),
            Kind::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(Piece::into_bytes)),
        };
        piece.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
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
