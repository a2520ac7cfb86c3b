//! A subscriber of `tidings-client`, which comes back by itself.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tidings_client::{Events, Signal, Subscribe};
use tokio::time::sleep;

use super::impatient;
use crate::{
    ledger::Ledger,
    subscriber::{Seen, Wish},
};

/// Of how many events a restless subscriber goes away and comes back after one.
const STAY: u32 = 100;
/// Of how many events a sleepy one falls asleep after one, and for how long: the hub is killed in the middle of events then.
const AWAKE: u32 = 2_000;
const NAP: Duration = Duration::from_millis(500);

/// What a subscriber does besides reading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Habit {
    /// Nothing.
    Steady,
    /// It ends streams itself, too, and begins anew with the last id, as a program does that is started again.
    Restless,
    /// It does not read for a while, until the hub cannot write any more.
    Sleepy,
}

/// A subscriber.
pub(super) struct Subscribing {
    pub(super) name: String,
    pub(super) wish: Wish,
    pub(super) hub: SocketAddr,
    /// Who it is, unless it is anybody.
    pub(super) token: Option<String>,
    pub(super) habit: Habit,
    pub(super) random: fastrand::Rng,
    pub(super) ledger: Arc<Ledger>,
}

impl Subscribing {
    /// Reads from the beginning of the log to the last update of all. What is wrong is in the ledger.
    pub(super) async fn read_until_the_last(mut self) -> Seen {
        let mut seen = Seen::nothing(&self.name, self.wish);
        let mut events = self.open("earliest");
        while let Some(signal) = events.next_signal().await {
            match signal {
                Signal::Opened(_) => seen.begin(self.hub, events.last_event_id()),
                Signal::Event(event) if event.from_hub().is_some() => {
                    self.fault(&format!("was told {event:?}"));
                }
                Signal::Event(event) => {
                    if seen.take(&event.last_event_id, event.data, &self.ledger) {
                        return seen;
                    }
                    match self.habit {
                        Habit::Restless if self.random.u32(..STAY) == 0 => {
                            if self.random.bool() {
                                events.reconnect();
                            } else {
                                events = self.open(events.last_event_id());
                            }
                        }
                        Habit::Sleepy if self.random.u32(..AWAKE) == 0 => sleep(NAP).await,
                        _ => {}
                    }
                }
                Signal::Stopped(why) => self.fault(&format!("stopped: {why:?}")),
                _ => {}
            }
        }
        seen
    }

    fn open(&self, after: &str) -> Events {
        let url = format!("http://{}/events?{}", self.hub, self.wish.query);
        let mut subscribe = Subscribe::new(url).with_last_event_id(after).with_backoff(impatient());
        if let Some(token) = &self.token {
            subscribe = subscribe.with_header("authorization", format!("Bearer {token}"));
        }
        subscribe.open()
    }

    fn fault(&self, fault: &str) {
        self.ledger.fault(format_args!("{} {fault}", self.name));
    }
}
