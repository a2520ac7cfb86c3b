//! A subscriber on a plain socket.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use tidings_wire::{Chunk, Decoder, Item};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::request::Head;

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;
/// The longest segment, as on an Ethernet. With those of the loopback interface, 64 KiB, the system's buffers hold more
/// than on any network.
const SEGMENT_BYTES: u32 = 1_460;
/// How many of many subscribers connect at the same time.
const CONNECTING: usize = 256;

/// An event as it came.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its type: `message` where none was sent.
    pub(crate) kind: String,
    pub(crate) data: String,
    pub(crate) id: String,
    /// The reconnection time that was told last.
    pub(crate) retry: Option<Duration>,
}

/// An open stream.
pub(crate) struct Stream {
    socket: TcpStream,
    decoder: Decoder,
    retry: Option<Duration>,
    /// Decoded and not yet given out.
    events: VecDeque<Event>,
}

impl Stream {
    /// Subscribes to a topic, and answers when the stream is open.
    pub(crate) async fn open(address: SocketAddr, topic: &str) -> Self {
        Self::open_with(address, &format!("topic={topic}")).await
    }

    /// Subscribes with a whole query.
    pub(crate) async fn open_with(address: SocketAddr, query: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        let request = format!(
            "GET /.well-known/mercure?{query} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let head = Head::read(&mut socket, &mut rest).await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("transfer-encoding"), None, "it ends with its connection");
        let mut stream =
            Self { socket, decoder: Decoder::new(), retry: None, events: VecDeque::new() };
        stream.decode(&rest);
        stream
    }

    /// The next event; none when the stream has ended, by a FIN and not by a reset.
    ///
    /// # Cancel safety
    /// Cancel safe: what has come is kept.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let mut piece = Vec::with_capacity(READ_BYTES);
            if self.socket.read_buf(&mut piece).await.unwrap() == 0 {
                return None;
            }
            self.decode(&piece);
        }
    }

    /// Ends the connection with a reset instead of a FIN.
    pub(crate) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }

    fn decode(&mut self, piece: &[u8]) {
        let mut input = Chunk::new(piece);
        while let Some(item) = self.decoder.decode(&mut input).unwrap() {
            match item {
                Item::Event(event) => self.events.push_back(Event {
                    kind: event.event_type.to_owned(),
                    data: event.data.to_owned(),
                    id: event.last_event_id.to_owned(),
                    retry: self.retry,
                }),
                Item::Retry(retry) => self.retry = Some(retry),
                Item::Comment(_) => {}
            }
        }
    }
}

/// Opens many streams for one topic.
pub(crate) async fn open_many(address: SocketAddr, topic: &str, count: usize) -> Vec<Stream> {
    let slots = Arc::new(Semaphore::new(CONNECTING));
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let topic = topic.to_owned();
        opening.spawn(async move {
            let stream = Stream::open(address, &topic).await;
            drop(slot);
            stream
        });
    }
    opening.join_all().await
}
