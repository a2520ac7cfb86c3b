//! Who subscribes through a balancer, with an event stream read as it comes, and what a browser does when it ends.

use std::{
    collections::VecDeque,
    fs,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use reqwest::{Certificate, Client, Response, StatusCode};
use tidings_wire::{Chunk, Decoder, Item};
use tokio::time::{sleep, timeout};

use crate::balancer::{Balancer, HOST};

/// How long an answer or a sign of life may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A machine with a browser.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    /// The hub's URL, as the world knows it.
    pub(crate) url: String,
}

/// What comes on a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    /// An event.
    Event {
        /// Its type: `message` where none was sent.
        kind: String,
        data: String,
    },
    /// A comment.
    Comment,
    /// The end, in order or not: a browser makes no difference.
    End,
}

/// An open stream.
pub(crate) struct Stream {
    response: Response,
    decoder: Decoder,
    /// Decoded and not yet given out.
    came: VecDeque<Came>,
    /// The last id that was told.
    last_id: Option<String>,
    /// The reconnection time that was told last.
    retry: Duration,
}

/// What a page that stays open has seen, however often its stream ended.
#[derive(Default)]
pub(crate) struct Seen {
    /// The data of the updates.
    pub(crate) updates: Vec<String>,
    /// How often it had to come back.
    pub(crate) returns: usize,
    /// The types of the hub's own events.
    pub(crate) told: Vec<String>,
}

impl Browser {
    /// On a machine with this address of the loopback interface. What it reaches is the balancer.
    pub(crate) fn new(balancer: &Balancer, from: Ipv4Addr) -> Self {
        let certificate = fs::read(balancer.certificate()).unwrap();
        let client = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .local_address(IpAddr::from(from))
            .resolve(HOST, balancer.address)
            .tls_certs_only([Certificate::from_pem(&certificate).unwrap()])
            .build()
            .unwrap();
        let port = balancer.address.port();
        Self { client, url: format!("https://{HOST}:{port}/events") }
    }

    /// Opens a stream as `EventSource` does. Any other answer would end that for ever, and ends the test.
    pub(crate) async fn open(&self, topic: &str) -> Stream {
        self.try_open(topic, None, &[]).await.unwrap()
    }

    /// The same, after an id and with more headers; none when there was no answer.
    pub(crate) async fn try_open(
        &self,
        topic: &str,
        last_id: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Option<Stream> {
        let mut request = self.client.get(format!("{}?topic={topic}", self.url));
        request = request.header("Accept", "text/event-stream");
        for (name, value) in headers.iter().copied().chain(last_id.map(|id| ("Last-Event-ID", id)))
        {
            request = request.header(name, value);
        }
        let response = timeout(PATIENCE, request.send()).await.expect("no answer").ok()?;
        assert_eq!(response.status(), StatusCode::OK, "an EventSource gives up");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Some(Stream {
            response,
            decoder: Decoder::new(),
            came: VecDeque::new(),
            last_id: last_id.map(str::to_owned),
            retry: Duration::ZERO,
        })
    }

    /// Reads a topic until an update with this data comes, and comes back whenever the stream ends.
    pub(crate) async fn read_until(self, topic: &'static str, last: String) -> Seen {
        let mut seen = Seen::default();
        let mut last_id = None;
        loop {
            let mut retry = Duration::from_millis(50);
            if let Some(mut stream) = self.try_open(topic, last_id.as_deref(), &[]).await {
                loop {
                    match stream.next().await {
                        Came::Event { kind, data } if kind == "message" => {
                            seen.updates.push(data);
                            if seen.updates.last() == Some(&last) {
                                return seen;
                            }
                        }
                        Came::Event { kind, .. } => seen.told.push(kind),
                        Came::Comment => {}
                        Came::End => break,
                    }
                }
                retry = stream.retry;
                last_id = stream.last_id;
            }
            seen.returns += 1;
            // As the hub told it to.
            sleep(retry).await;
        }
    }
}

impl Stream {
    /// What comes next. An id without an event is nothing that a page sees.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            if let Some(came) = self.came.pop_front() {
                return came;
            }
            let piece = timeout(PATIENCE, self.response.chunk()).await.expect("nothing came");
            let Ok(Some(piece)) = piece else { return Came::End };
            let mut input = Chunk::new(&piece);
            while let Some(item) = self.decoder.decode(&mut input).unwrap() {
                match item {
                    Item::Event(event) => self.came.push_back(Came::Event {
                        kind: event.event_type.to_owned(),
                        data: event.data.to_owned(),
                    }),
                    Item::Retry(retry) => self.retry = retry,
                    Item::Comment(_) => self.came.push_back(Came::Comment),
                }
            }
            let id = self.decoder.last_event_id();
            if !id.is_empty() {
                self.last_id = Some(id.to_owned());
            }
        }
    }

    /// The next event. Fails when the stream ends, or says only that it is there.
    pub(crate) async fn event(&mut self) -> (String, String) {
        let event = async {
            loop {
                match self.next().await {
                    Came::Event { kind, data } => return (kind, data),
                    Came::Comment => {}
                    Came::End => panic!("the stream has ended"),
                }
            }
        };
        timeout(PATIENCE, event).await.expect("no event came")
    }

    /// Whether it is one that the hub lets in, and not one that says to come back later.
    pub(crate) async fn is_open(&mut self) -> bool {
        match self.next().await {
            Came::Comment => true,
            Came::Event { kind, .. } if kind == "refused" => false,
            other => panic!("a stream does not begin with {other:?}"),
        }
    }
}
