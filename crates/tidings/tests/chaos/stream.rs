//! One connection of a subscriber, with everything that an `EventSource` would see of it.

use std::{collections::VecDeque, fmt::Write as _, io, net::SocketAddr};

use tidings_wire::{Chunk, Decoder, Item};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::request::Head;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// An event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type: `message` where none was sent.
    pub(crate) kind: String,
    pub(crate) data: String,
    pub(crate) id: String,
}

/// An open stream.
pub(crate) struct Stream {
    socket: TcpStream,
    decoder: Decoder,
    /// Decoded and not yet given out, each with the id from which to go on after it.
    events: VecDeque<Event>,
    /// The id that came last, with an event or without.
    last_id: String,
}

impl Stream {
    /// Subscribes with a whole query, and answers when the stream is open.
    pub(crate) async fn open(
        address: SocketAddr,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Unopened> {
        let mut socket = TcpStream::connect(address).await?;
        let mut request = format!(
            "GET /.well-known/mercure?{query} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n"
        );
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut rest = Vec::new();
        let head = Head::read(&mut socket, &mut rest).await.ok_or(Unopened::Ended)?;
        if head.status != 200 {
            return Err(Unopened::Status(head.status));
        }
        let mut stream = Self {
            socket,
            decoder: Decoder::new(),
            events: VecDeque::new(),
            last_id: String::new(),
        };
        stream.decode(&rest);
        Ok(stream)
    }

    /// The next event; none when the stream has ended, in order or not.
    ///
    /// # Cancel safety
    /// Cancel safe: what has come is kept.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let mut piece = Vec::with_capacity(READ_BYTES);
            if self.socket.read_buf(&mut piece).await.unwrap_or_default() == 0 {
                return None;
            }
            self.decode(&piece);
        }
    }

    /// The id that a browser would come back with, once all events so far are given out.
    pub(crate) fn last_id(&self) -> Option<&str> {
        let is_told = self.events.is_empty() && !self.last_id.is_empty();
        is_told.then_some(self.last_id.as_str())
    }

    fn decode(&mut self, piece: &[u8]) {
        let mut input = Chunk::new(piece);
        while let Some(item) = self.decoder.decode(&mut input).unwrap() {
            if let Item::Event(event) = item {
                self.events.push_back(Event {
                    kind: event.event_type.to_owned(),
                    data: event.data.to_owned(),
                    id: event.last_event_id.to_owned(),
                });
            }
        }
        self.decoder.last_event_id().clone_into(&mut self.last_id);
    }
}

/// Why a stream is not open.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// The hub says no.
    Status(u16),
    /// It does not answer.
    Ended,
}

impl From<io::Error> for Unopened {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}
