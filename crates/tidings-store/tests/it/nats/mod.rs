//! The log on NATS JetStream, on real servers.
//!
//! - here: what every log must do.
//! - `away`: the server is killed, stalled, or not there at first.
//! - `lost`: the stream is deleted, purged, put back from a copy.
//! - `full`: there is no room, an update is too large, something is not allowed.
//! - `login`: passwords, tokens, files; TLS.
//! - `nodes`: two hubs on one stream, and the bus.
//! - `limits`: the stream's settings.

mod away;
mod full;
mod limits;
mod login;
mod lost;
mod nodes;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidings_hub::{AppendError, Appending, Bounds, Entry, Epoch, Follow, Log, Logged, Mode, News};
use tidings_store::Retention;
use tidings_store::nats::{NatsConfig, NatsLog};
use tokio::time::timeout;

use crate::contract::{FOREVER, ROOMY, Stand, contract};

#[path = "../../engine/nats.rs"]
mod engine;

use engine::Nats;

/// A server for one log.
struct OnNats(Nats);

impl Stand for OnNats {
    const ALL_OR_NONE: bool = false;
    const KEYS_LIVE_AS_UPDATES: bool = false;

    async fn new() -> Self {
        Self(Nats::new())
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        Arc::new(connect(NatsConfig::new(self.0.url(), retention)).await)
    }
}

contract!(OnNats);

async fn connect(config: NatsConfig) -> NatsLog {
    NatsLog::connect(config).await.unwrap()
}

/// Settings of a hub that loses its patience soon.
fn config(nats: &Nats) -> NatsConfig {
    NatsConfig { ack_timeout: Duration::from_millis(700), ..NatsConfig::new(nats.url(), ROOMY) }
}

async fn log(nats: &Nats) -> NatsLog {
    connect(config(nats)).await
}

/// Asks JetStream's API as an operator does.
async fn operate(nats: &Nats, what: &str, question: Value) -> Value {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let answer =
        client.request(format!("$JS.API.{what}"), question.to_string().into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(answer.get("error"), None, "{what}");
    answer
}

/// Appends one.
async fn append(log: &NatsLog, entry: Entry) -> Appending {
    log.append(vec![entry], Mode::Each).await.remove(0)
}

/// Appends one, again and again while the log is unavailable.
async fn append_at_last(log: &NatsLog, entry: Entry) -> (Epoch, u64) {
    let appending = async {
        loop {
            match append(log, entry.clone()).await {
                Ok(appended) => return (appended.epoch, appended.seq),
                Err(AppendError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    timeout(FOREVER, appending).await.unwrap()
}

/// Why an update was not appended.
fn refusal(appending: &Appending) -> String {
    match appending {
        Err(AppendError::Unavailable(why)) => why.to_string(),
        other => panic!("not unavailable: {other:?}"),
    }
}

/// What a follower tells next.
async fn news(follow: &mut Box<dyn Follow>) -> News {
    timeout(FOREVER, follow.next()).await.unwrap()
}

/// The next updates; whatever else is told before them must be nothing new.
async fn updates(follow: &mut Box<dyn Follow>) -> Vec<Logged> {
    loop {
        match news(follow).await {
            News::Updates(updates) => return updates,
            News::Away(_) | News::Back | News::Oldest(_) => {}
            News::Anew(bounds) => panic!("the log is told to be another: {bounds:?}"),
        }
    }
}

/// The bounds of the log that was begun anew, once that is told.
async fn anew(follow: &mut Box<dyn Follow>) -> Bounds {
    loop {
        if let News::Anew(bounds) = news(follow).await {
            return bounds;
        }
    }
}
