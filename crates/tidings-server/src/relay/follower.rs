//! The task behind a channel: connects to the upstream, publishes what comes, and connects again.

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use reqwest::Url;
use tidings_hub::{Hub, IdScope, Position, PublishError, Receipt, Update};
use tidings_wire::{
    Chunk, DecodeError, Decoder, Event, EventId, EventRef, EventType, Item, Limits,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::field::display;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::channel::{Channel, Status};
use super::error::UpstreamError;
use super::routes::{Relay, Route};
use super::snapshot::Draft;
use super::upstream::{self, Question};
use crate::mercure;
use crate::metrics::Metrics;

/// For how long those who come after a first connection has failed are told the same, and the upstream is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How long an upstream may take for the head of its answer. Who waits for it is refused long before; but there are those,
/// Spring WebFlux among them, that send the head with the first event, which would be lost if they were given up.
const PATIENCE: Duration = Duration::from_mins(10);
/// For how long the log is told of one loss of an upstream, and of none that follow.
const QUIET: Duration = Duration::from_secs(10);
/// The longest own id that is kept, in bytes: as of publishers.
const MAX_ID_BYTES: usize = 1_024;
/// A connection that was open for so long has worked, even if nothing came.
const HEALTHY: Duration = Duration::from_secs(5);

/// The task behind a channel.
pub(super) struct Follower {
    relay: Arc<Relay>,
    url: Url,
    topic: String,
    channel: Arc<Channel>,
    hub: Hub,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    backoff: Backoff,
    /// When the log was last told that the upstream is lost.
    told_at: Option<Instant>,
    keys: Option<Keys>,
    _room: OwnedSemaphorePermit,
}

/// Idempotency keys for events, which nobody else uses.
#[derive(Debug)]
struct Keys {
    prefix: u64,
    given: u64,
}

/// One of its connections.
#[derive(Debug)]
struct Connection {
    is_first: bool,
    opened_at: Instant,
    /// How many events of the snapshot are still to come.
    snapshot_left: usize,
    draft: Draft,
}

/// Why a connection was over.
#[derive(Debug)]
enum End {
    /// The upstream has ended its answer.
    Ended,
    /// The connection broke.
    Broken,
    TooLarge(DecodeError),
    /// The hub takes no more updates.
    HubClosed,
}

impl Follower {
    pub(super) fn new(
        route: &Route,
        topic: String,
        channel: &Arc<Channel>,
        last: Option<&EventId>,
        hub: &Hub,
        metrics: &Arc<Metrics>,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, getrandom::Error> {
        let bytes = route.config().event_bytes;
        let limits = Limits { max_line_bytes: bytes, max_event_bytes: bytes };
        let decoder = Decoder::new().with_limits(limits);
        let keys = hub.has_log().then(Keys::new).transpose()?;
        Ok(Self {
            relay: Arc::clone(&route.relay),
            url: route.url.clone(),
            topic,
            channel: Arc::clone(channel),
            hub: hub.clone(),
            metrics: Arc::clone(metrics),
            decoder: last.into_iter().fold(decoder, Decoder::with_last_event_id),
            backoff: Backoff::new(),
            told_at: None,
            keys,
            _room: room,
        })
    }

    /// Runs until nobody listens any more, or the upstream gives no stream at first.
    pub(super) async fn run(mut self) {
        let (channel, relay) = (Arc::clone(&self.channel), Arc::clone(&self.relay));
        let topic = self.topic.clone();
        let mut attended = pin!(self.attend());
        loop {
            tokio::select! {
                end = &mut attended => {
                    if let Err(error) = end {
                        channel.status.send_replace(Status::Failed(relay.tell(error)));
                        tokio::time::sleep(FAILURE_PAUSE).await;
                    }
                    relay.channels.remove(&topic);
                    return;
                }
                () = channel.is_deserted(relay.config.linger) => {
                    if relay.channels.let_go(&topic, &channel) {
                        return;
                    }
                }
            }
        }
    }

    /// Connects, and connects again whenever the connection is lost, until the hub closes.
    async fn attend(&mut self) -> Result<(), UpstreamError> {
        let (mut response, was_late) = self.connect().await?;
        self.channel.open(self.hub.newest(), was_late).await;
        let mut is_first = true;
        loop {
            let count = self.metrics.upstream_opened();
            let end = self.read(response, is_first).await;
            drop(count);
            self.decoder.finish();
            if matches!(end, End::HubClosed) {
                return Ok(());
            }
            is_first = false;
            response = self.connect_again(end.to_string()).await;
        }
    }

    /// Connects. Tells the log, and its caller, when that takes longer than those may wait who come for it.
    async fn connect(&self) -> Result<(reqwest::Response, bool), UpstreamError> {
        let mut asked = pin!(self.ask());
        let answer_timeout = self.relay.config.answer_timeout;
        if let Ok(response) = tokio::time::timeout(answer_timeout, &mut asked).await {
            return Ok((response?, false));
        }
        let late = self.relay.tell(UpstreamError::NoAnswer);
        self.metrics.upstream_failed(late.reason());
        Ok((asked.await?, true))
    }

    async fn ask(&self) -> Result<reqwest::Response, UpstreamError> {
        let last = self.decoder.last_event_id();
        let last = (!last.is_empty()).then(|| HeaderValue::from_bytes(last.as_bytes()).ok());
        let question = Question { last_event_id: last.flatten(), ..Question::default() };
        let own = &self.relay.config.headers;
        let asked = upstream::ask(&self.relay.client, self.url.clone(), own, &question, PATIENCE);
        let answer = asked.await.inspect_err(|error| self.metrics.upstream_failed(error.reason()));
        Ok(answer?.response)
    }

    /// Connects after a loss, however long that takes. The subscribers stay.
    async fn connect_again(&mut self, mut why: String) -> reqwest::Response {
        // One that ends each answer after a moment would fill the log.
        let is_told = self.told_at.is_none_or(|at| at.elapsed() >= QUIET);
        if is_told {
            self.told_at = Some(Instant::now());
        }
        loop {
            let pause = self.backoff.pause();
            let (relay, upstream) = (self.relay.config.path.as_str(), self.relay.target.origin());
            let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            if is_told {
                warn!(relay, upstream, retry_ms, "lost the upstream, connecting again: {why}");
            }
            tokio::time::sleep(pause).await;
            match self.connect().await {
                Ok((response, _)) => {
                    if is_told {
                        info!(relay, upstream, "the upstream is back");
                    }
                    return response;
                }
                Err(error) => why = error.for_operators(),
            }
        }
    }

    /// Publishes what comes over one connection.
    async fn read(&mut self, mut response: reqwest::Response, is_first: bool) -> End {
        let mut connection = Connection {
            is_first,
            opened_at: Instant::now(),
            snapshot_left: self.relay.config.snapshot,
            draft: Draft::default(),
        };
        let end = loop {
            let end = match response.chunk().await {
                Ok(Some(bytes)) => self.take(&bytes, &mut connection).await.err(),
                Ok(None) => Some(End::Ended),
                Err(_) => Some(End::Broken),
            };
            if let Some(end) = end {
                break end;
            }
        };
        if connection.opened_at.elapsed() >= HEALTHY && !matches!(end, End::TooLarge(_)) {
            self.backoff.reset();
        }
        end
    }

    /// Publishes what some bytes bring.
    async fn take(&mut self, bytes: &[u8], connection: &mut Connection) -> Result<(), End> {
        let mut chunk = Chunk::new(bytes);
        let mut updates = Vec::new();
        let result = loop {
            match self.decoder.decode(&mut chunk) {
                Ok(Some(Item::Event(event))) => {
                    let event = owned(event);
                    self.backoff.reset();
                    if connection.snapshot_left > 0 {
                        connection.snapshot_left -= 1;
                        self.keep(&event, connection).await?;
                    } else {
                        updates.push(self.update(event));
                    }
                }
                Ok(Some(Item::Retry(retry))) => self.backoff.set_retry(retry),
                Ok(Some(Item::Comment(_))) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(End::TooLarge(error)),
            }
        };
        self.publish(updates).await?;
        result
    }

    /// Publishes updates in their order. While the log is away they wait for it, and so does the upstream. Where only its
    /// answer was lost, the log knows them by their keys.
    async fn publish(&self, mut updates: Vec<Update>) -> Result<Vec<Receipt>, End> {
        let mut receipts = Vec::with_capacity(updates.len());
        let mut is_told = false;
        loop {
            let results = self.hub.publish_all(updates.iter().cloned()).await;
            let mut unsettled = Vec::new();
            for (update, result) in updates.into_iter().zip(results) {
                match result {
                    Err(error @ PublishError::Unavailable(_)) => {
                        if !std::mem::replace(&mut is_told, true) {
                            let relay = self.relay.config.path.as_str();
                            let cause = error.source().map(display);
                            warn!(relay, %error, cause, "events of an upstream wait for the log");
                        }
                        unsettled.push(update);
                    }
                    result => receipts.extend(self.check(result)?),
                }
            }
            if unsettled.is_empty() {
                return Ok(receipts);
            }
            updates = unsettled;
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }

    /// Keeps an event of the snapshot. On the first connection those who wait get it like any other.
    async fn keep(&mut self, event: &Event, connection: &mut Connection) -> Result<(), End> {
        let channel = Arc::clone(&self.channel);
        let mut snapshot = channel.snapshot.lock().await;
        if connection.is_first {
            let update = self.update(event.clone());
            for receipt in self.publish(vec![update]).await? {
                snapshot.add(event, receipt.position);
            }
        } else if connection.draft.add(event, self.relay.config.snapshot) {
            snapshot.replace(std::mem::take(&mut connection.draft), self.hub.newest());
        }
        Ok(())
    }

    fn update(&mut self, event: Event) -> Update {
        Update {
            topics: vec![self.topic.clone()],
            data: event.data,
            id: event.id,
            id_scope: IdScope::Topic,
            event_type: event.event_type,
            private: true,
            idempotency_key: self.keys.as_mut().map(Keys::next),
            ..Update::default()
        }
    }

    /// Sees to an update that was not taken. One that the log cannot hold is told of and left out; the others go on.
    fn check(&self, published: Result<Receipt, PublishError>) -> Result<Option<Receipt>, End> {
        match published {
            Ok(receipt) => Ok(Some(receipt)),
            Err(PublishError::Closed) => Err(End::HubClosed),
            Err(error) => {
                let (relay, upstream) =
                    (self.relay.config.path.as_str(), self.relay.target.origin());
                warn!(relay, upstream, %error, "left out an event that the log does not take");
                Ok(None)
            }
        }
    }
}

impl Keys {
    fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { prefix: getrandom::u64()?, given: 0 })
    }

    fn next(&mut self) -> Arc<str> {
        self.given += 1;
        format!("relay {:016x} {}", self.prefix, self.given).into()
    }
}

/// An event as it came. Its id is its own if it has one: not one that an event before it had, not one that looks like a
/// hub's, which would be taken for a place in this hub's log, and not one that a client could not send back.
fn owned(event: EventRef<'_>) -> Event {
    let id = event.last_event_id;
    let is_place = id.starts_with(Position::MARK) || id == mercure::EARLIEST;
    let is_own = event.has_id && !is_place && can_be_sent_back(id);
    let event_type = (event.event_type != "message").then(|| EventType::new(event.event_type).ok());
    Event {
        id: is_own.then(|| EventId::new(id).ok()).flatten(),
        event_type: event_type.flatten(),
        retry: None,
        data: event.data.to_owned(),
    }
}

/// Whether an id comes back from a client as it is: in a header, whose value has no spaces at its ends (RFC 9110, 5.5).
fn can_be_sent_back(id: &str) -> bool {
    id.len() <= MAX_ID_BYTES
        && id.trim_ascii() == id
        && HeaderValue::from_bytes(id.as_bytes()).is_ok()
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it has ended its answer"),
            Self::Broken => f.write_str("the connection broke"),
            Self::TooLarge(error) => {
                write!(f, "{error}: send smaller events, or raise the relay's event_bytes")
            }
            Self::HubClosed => f.write_str("the hub is closing"),
        }
    }
}
