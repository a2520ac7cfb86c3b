//! A subscriber that comes back with its last id, however often its stream ends, and ends it itself every now and then.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    ledger::{Entry, Ledger, Place},
    stream::{Stream, Unopened},
};

/// How long it waits before it comes back to a hub that was not there: up to so long.
const PAUSE: Duration = Duration::from_millis(100);

/// The data of the last update of all.
pub(crate) const LAST: &str = "the last one";

/// What a subscriber asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// The query.
    pub(crate) query: &'static str,
    /// What the topics that it is for begin with.
    pub(crate) prefixes: &'static [&'static str],
}

impl Wish {
    /// Whether an update is among what is asked for.
    pub(crate) fn covers(&self, update: &Entry) -> bool {
        let covers = |topic: &String| self.prefixes.iter().any(|prefix| topic.starts_with(prefix));
        update.topics.iter().any(covers)
    }
}

/// A subscriber.
pub(crate) struct Subscriber {
    pub(crate) name: String,
    pub(crate) wish: Wish,
    /// The hubs that it comes to, a random one each time.
    pub(crate) hubs: Arc<[SocketAddr]>,
    /// How long it stays at one, about; for as long as the stream lasts where that is none.
    pub(crate) stay: Option<Duration>,
    /// Who it is, unless it is anybody.
    pub(crate) token: Option<String>,
    pub(crate) random: fastrand::Rng,
    pub(crate) ledger: Arc<Ledger>,
}

/// What a subscriber has seen.
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) wish: Wish,
    /// In the order in which it came.
    pub(crate) updates: Vec<(u64, String)>,
    /// Its streams: how much it had seen when each began, and where it was.
    pub(crate) begun: Vec<(usize, String)>,
}

impl Seen {
    pub(crate) fn nothing(name: &str, wish: Wish) -> Self {
        Self { name: name.to_owned(), wish, updates: Vec::new(), begun: Vec::new() }
    }

    /// A stream is open, at a hub and after an id.
    pub(crate) fn begin(&mut self, hub: SocketAddr, after: &str) {
        self.begun.push((self.updates.len(), format!("{hub} after {after}")));
    }

    /// Takes an update as it comes, which must be later than all before; whether it is the last of all.
    pub(crate) fn take(&mut self, id: &str, data: String, ledger: &Ledger) -> bool {
        let name = &self.name;
        let seq = ledger.place(name, id);
        if let Some((before, earlier)) = self.updates.last()
            && *before >= seq
        {
            let stream = self.begun.last().map_or("no stream", |(_, stream)| stream);
            ledger.fault(format_args!(
                "{name} saw {data:.60} at {seq} after {earlier:.60} at {before}, on {stream}"
            ));
        }
        let is_last = data == LAST;
        self.updates.push((seq, data));
        is_last
    }
}

impl Subscriber {
    /// Reads from the beginning of the log to the last update of all. What is wrong is in the ledger.
    pub(crate) async fn read_until_the_last(mut self) -> Seen {
        let mut seen = Seen::nothing(&self.name, self.wish);
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut cursor = "earliest".to_owned();
        loop {
            let hub = self.hubs[self.random.usize(..self.hubs.len())];
            let mut headers = vec![("Last-Event-ID", cursor.as_str())];
            headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
            match Stream::open(hub, self.wish.query, &headers).await {
                Ok(stream) => {
                    seen.begin(hub, &cursor);
                    if self.read(stream, &mut seen, &mut cursor).await {
                        return seen;
                    }
                }
                Err(Unopened::Status(status)) => {
                    self.ledger
                        .fault(format_args!("{}: an EventSource gives up at {status}", self.name));
                }
                Err(Unopened::Ended) => {}
            }
            sleep(PAUSE.mul_f64(self.random.f64())).await;
        }
    }

    /// Reads one stream, until it ends or the stay is over; whether the last update of all has come.
    async fn read(&mut self, mut stream: Stream, seen: &mut Seen, cursor: &mut String) -> bool {
        let stay =
            self.stay.map_or(Duration::from_hours(1), |stay| stay.mul_f64(0.5 + self.random.f64()));
        let until = Instant::now() + stay;
        while let Ok(Some(event)) = timeout_at(until, stream.next()).await {
            match event.kind.as_str() {
                "message" => {
                    let is_last = seen.take(&event.id, event.data, &self.ledger);
                    *cursor = event.id;
                    if is_last {
                        return true;
                    }
                }
                // Come back later: an engine that is away cannot be asked, and a hub goes down.
                "refused" | "drain" => {}
                other => {
                    let (name, data) = (&self.name, &event.data);
                    self.ledger
                        .fault(format_args!("{name}, at {cursor}, was told {other}: {data}"));
                }
            }
        }
        // What a browser would come back with: ids come without events, too.
        if let Some(id) = stream.last_id() {
            let seq = self.ledger.place(&self.name, id);
            if Place::parse(cursor).is_none_or(|place| place.seq <= seq) {
                id.clone_into(cursor);
            } else {
                self.ledger
                    .fault(format_args!("{} at {cursor} was told to come back to {id}", self.name));
            }
        }
        false
    }
}
