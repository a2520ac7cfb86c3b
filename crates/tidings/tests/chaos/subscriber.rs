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

impl Subscriber {
    /// Reads from the beginning of the log to the last update of all. What is wrong is in the ledger.
    pub(crate) async fn read_until_the_last(mut self) -> Seen {
        let (name, wish) = (self.name.clone(), self.wish);
        let mut seen = Seen { name, wish, updates: Vec::new(), begun: Vec::new() };
        let mut cursor = "earliest".to_owned();
        loop {
            let hub = self.hubs[self.random.usize(..self.hubs.len())];
            match Stream::open(hub, self.wish.query, &[("Last-Event-ID", &cursor)]).await {
                Ok(stream) => {
                    seen.begun.push((seen.updates.len(), format!("{hub} after {cursor}")));
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
            let name = &self.name;
            match event.kind.as_str() {
                "message" => {
                    let seq = self.ledger.place(name, &event.id);
                    if let Some((before, data)) = seen.updates.last()
                        && *before >= seq
                    {
                        self.ledger.fault(format_args!(
                            "{name} saw {} at {seq} after {data} at {before}, coming from {cursor}",
                            event.data
                        ));
                    }
                    seen.updates.push((seq, event.data));
                    *cursor = event.id;
                    if seen.updates.last().is_some_and(|(_, data)| data == LAST) {
                        return true;
                    }
                }
                // Come back later: an engine that is away cannot be asked, and a hub goes down.
                "refused" | "drain" => {}
                other => {
                    let data = &event.data;
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
