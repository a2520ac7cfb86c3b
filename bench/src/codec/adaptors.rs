//! The contenders, each used at its fastest: no socket and no runtime, the chunks lie in memory.

mod eventsource_stream;
mod floor;
mod format;
mod sse_codec;
mod sse_stream;
mod tidings;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::slice;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tidings_wire::Event;

use super::tally::{Counter, Tally};

/// Finds the events of a stream and hands them to a visitor.
type Visit<V> = fn(&[&[u8]], &mut V) -> anyhow::Result<()>;

/// One way to decode a stream, from its beginning.
pub(super) struct Decode {
    pub(super) name: &'static str,
    /// What one must know of it; empty where the name says it.
    pub(super) about: &'static str,
    pub(super) count: Visit<Counter>,
    /// The same, with a visitor that looks at what is found. `None` where there are no events to
    /// look at.
    pub(super) check: Option<Visit<Tally>>,
}

pub(super) const DECODERS: &[Decode] = &[
    Decode {
        name: "floor",
        about: "finds line ends and copies lines; no fields, no UTF-8",
        count: floor::copy_lines,
        check: None,
    },
    Decode {
        name: "tidings lent",
        about: "each event is looked at where it lies, as `tidings subscribe` does",
        count: tidings::visit,
        check: Some(tidings::visit),
    },
    Decode {
        name: "tidings owned",
        about: "each event is made owned, as the three crates do",
        count: tidings::own,
        check: Some(tidings::own),
    },
    Decode {
        name: "eventsource-stream",
        about: "",
        count: eventsource_stream::visit,
        check: Some(eventsource_stream::visit),
    },
    Decode {
        name: "sse-stream",
        about: "",
        count: sse_stream::visit,
        check: Some(sse_stream::visit),
    },
    Decode { name: "sse-codec", about: "", count: sse_codec::visit, check: Some(sse_codec::visit) },
];

/// Encodes events and hands over the bytes of each.
type EncodeEach = fn(&[Event], &mut dyn FnMut(&[u8])) -> anyhow::Result<()>;

/// One way to encode events, each to bytes of its own.
pub(super) struct Encode {
    pub(super) name: &'static str,
    /// What one must know of it; empty where the name says it.
    pub(super) about: &'static str,
    pub(super) each: EncodeEach,
}

/// eventsource-stream does not encode.
pub(super) const ENCODERS: &[Encode] = &[
    Encode {
        name: "tidings",
        about: "a buffer for each event, which is made and checked already, as the hub does",
        each: tidings::encode,
    },
    Encode {
        name: "tidings one buffer",
        about: "the same into one buffer",
        each: tidings::encode_into,
    },
    Encode {
        name: "tidings from texts",
        about: "the events are made and checked first, as with the other crates",
        each: tidings::encode_texts,
    },
    Encode { name: "format!", about: "by hand, for data of one line", each: format::encode },
    Encode { name: "sse-stream", about: "", each: sse_stream::encode },
    Encode { name: "sse-codec", about: "", each: sse_codec::encode },
];

/// The chunks as the stream that some crates want. Always ready.
struct Chunks<'a>(slice::Iter<'a, &'a [u8]>);

impl<'a> Stream for Chunks<'a> {
    type Item = Result<&'a [u8], Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(*chunk)))
    }
}

/// Takes everything out of a stream that is never pending.
fn drain<S: Stream>(
    stream: S,
    mut take: impl FnMut(S::Item) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut stream = pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(item)) = stream.as_mut().poll_next(&mut context) {
        take(item)?;
    }
    Ok(())
}

/// Decodes one buffer, to see what an encoder has made.
pub(super) fn decode(stream: &[u8], tally: &mut Tally) -> anyhow::Result<()> {
    tidings::visit(&[stream], tally)
}
