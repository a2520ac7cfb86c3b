//! A shared relay: one upstream connection for all who ask for the same, its events in the log.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use http::{HeaderValue, Method, Response};
use parking_lot::Mutex;
use reqwest::Url;
use tidings_hub::{
    Grants, Hub, IdScope, Position, PublishError, Receipt, Resume, Selector, Start, SubscribeError,
    Subscriber, SubscriberId, Subscription, Update,
};
use tidings_wire::{
    Chunk, DecodeError, Decoder, Event, EventId, EventRef, EventType, Item, Limits,
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::error::UpstreamError;
use super::exactly;
use super::routes::{Relay, Route};
use super::snapshot::{Draft, Snapshot};
use super::upstream::{self, Question};
use crate::address::limit_key;
use crate::auth::Identity;
use crate::body::Body;
use crate::mercure;
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::server::Call;
use crate::subscribe::{Opened, head_only, stream};

/// For how long those who come after a first connection has failed are told the same, and the upstream is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How long an upstream that was lost may take for the head of its answer, if that is more than at first: nobody waits
/// for it, and one that sends its head with its first event would be given up again and again.
const PATIENCE_WHEN_LOST: Duration = Duration::from_mins(10);
/// A connection that was open for so long has worked, even if nothing came.
const HEALTHY: Duration = Duration::from_secs(5);

/// The upstream connections of a relay, by topic.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<String, Arc<Channel>>>);

/// One upstream connection, and who listens to it.
#[derive(Debug)]
struct Channel {
    selector: Selector,
    /// What its subscribers may read: this channel. Its updates are private, so that nobody meets them under `*` who could
    /// not ask for them here.
    grants: Grants,
    /// Each subscriber holds a receiver, so that it is known when the last one has gone.
    status: watch::Sender<Status>,
    snapshot: Mutex<Snapshot>,
}

/// How far a channel is, as its subscribers see it: one that has been open stays so while its upstream is lost.
#[derive(Clone, Debug)]
enum Status {
    Connecting,
    /// All that the upstream has sent is behind this position.
    Open {
        since: Position,
    },
    Failed(UpstreamError),
}

/// Keeps the upstream connection of a stream open.
#[derive(Debug)]
pub(crate) struct Lease {
    _status: watch::Receiver<Status>,
}

/// Who has come to a channel.
struct Newcomer {
    channel: Arc<Channel>,
    status: watch::Receiver<Status>,
    /// The id that it saw last was passed on to the upstream: what came after it comes from there.
    is_resumed_upstream: bool,
}

/// Opens a stream.
pub(super) async fn answer(
    call: &Call<'_>,
    route: Route,
    topic: String,
    identity: Identity,
) -> Result<Response<Body>, Refusal> {
    if call.parts.method == Method::HEAD {
        return Ok(head_only());
    }
    let shared = call.shared();
    let cursor = mercure::cursor(call.parts.uri.query().unwrap_or_default(), &call.parts.headers);
    let newcomer = join(&route, topic, cursor.as_deref(), &shared.hub, &shared.metrics)
        .map_err(|error| route.relay.tell(error))?;
    let Newcomer { channel, mut status, is_resumed_upstream } = newcomer;
    let came_early = matches!(*status.borrow(), Status::Connecting);
    let since = match &*is_settled(&mut status).await? {
        Status::Open { since } => *since,
        Status::Failed(error) => return Err(error.clone().into()),
        Status::Connecting => return Err(Refusal::Internal),
    };
    let expires_at = identity.expiry();
    let subscriber = Subscriber {
        id: SubscriberId::random().map_err(|_| Refusal::Internal)?,
        selectors: vec![channel.selector.clone()],
        grants: channel.grants.clone(),
        user: identity.user,
        address: Some(limit_key(call.address)),
        payload: identity.payload,
    };
    let replay = route.config().snapshot_replay;
    let (subscription, greeting) = match &cursor {
        Some(id) if !is_resumed_upstream => {
            let start = if id == mercure::EARLIEST {
                Start::Earliest
            } else {
                Start::AfterOnTopic(id.clone())
            };
            (shared.hub.subscribe(subscriber, start)?, None)
        }
        // It has waited for the upstream, so all that came is for it, the snapshot too.
        _ if came_early => {
            (shared.hub.subscribe(subscriber, Start::After(since.to_string()))?, None)
        }
        _ => channel.greet(&shared.hub, subscriber, replay)?,
    };
    let resume = if cursor.is_some() { subscription.resume() } else { Resume::Live };
    let lease = Some(Lease { _status: status });
    Ok(stream(call, Opened { subscription, resume, cursor, expires_at, greeting, lease }))
}

/// Waits until it is known whether the upstream gives a stream.
async fn is_settled(
    status: &mut watch::Receiver<Status>,
) -> Result<watch::Ref<'_, Status>, SubscribeError> {
    let settled = status.wait_for(|status| !matches!(status, Status::Connecting)).await;
    // Without a word it ends with the hub only.
    settled.map_err(|_| SubscribeError::Closed)
}

/// Finds the channel of a topic, or opens it.
fn join(
    route: &Route,
    topic: String,
    cursor: Option<&str>,
    hub: &Hub,
    metrics: &Arc<Metrics>,
) -> Result<Newcomer, UpstreamError> {
    let relay = &route.relay;
    let mut channels = relay.channels.0.lock();
    if let Some(channel) = channels.get(&topic) {
        let status = channel.status.subscribe();
        return Ok(Newcomer { channel: Arc::clone(channel), status, is_resumed_upstream: false });
    }
    let limit = relay.config.upstreams;
    let room = Arc::clone(&relay.room).try_acquire_owned();
    let room = room.map_err(|_| UpstreamError::Limit { limit })?;
    let (sender, status) = watch::channel(Status::Connecting);
    let selector = exactly(&topic);
    let channel = Arc::new(Channel {
        grants: Grants::new([selector.clone()]),
        selector,
        status: sender,
        snapshot: Mutex::new(Snapshot::new()),
    });
    // What the log has of this stream, it goes on after. If it has nothing, as after a restart, the upstream may know more.
    let known = hub.newest_topic_id(&topic);
    let foreign = cursor.filter(|id| known.is_none() && id.parse::<Position>().is_err());
    let foreign = foreign.filter(|id| *id != mercure::EARLIEST);
    let is_resumed_upstream = foreign.is_some();
    let last = known.or_else(|| foreign.and_then(|id| EventId::new(id).ok()));
    let upstream = Upstream::new(route, topic.clone(), &channel, last.as_ref(), hub, metrics, room);
    channels.insert(topic, Arc::clone(&channel));
    drop(channels);
    tokio::spawn(upstream.run());
    Ok(Newcomer { channel, status, is_resumed_upstream })
}

impl Channels {
    /// Takes a channel out that nobody listens to; `false` if somebody has come. Whoever comes takes the same lock.
    fn let_go(&self, topic: &str, channel: &Channel) -> bool {
        let mut channels = self.0.lock();
        let is_deserted = channel.status.receiver_count() == 0;
        if is_deserted {
            channels.remove(topic);
        }
        is_deserted
    }

    fn remove(&self, topic: &str) {
        self.0.lock().remove(topic);
    }
}

impl Channel {
    /// Subscribes one who has seen nothing, and gives the snapshot that it is to be sent first.
    fn greet(
        &self,
        hub: &Hub,
        subscriber: Subscriber,
        replay: bool,
    ) -> Result<(Subscription, Option<bytes::Bytes>), SubscribeError> {
        // Held meanwhile, so that an event of the snapshot comes with it or after it, and not both.
        let snapshot = self.snapshot.lock();
        let taken_at = snapshot.taken_at().filter(|_| replay);
        let start = taken_at.map_or(Start::Live, |position| Start::After(position.to_string()));
        Ok((hub.subscribe(subscriber, start)?, snapshot.frames()))
    }

    /// Waits until nobody has listened for so long. Somebody may have come since.
    async fn is_deserted(&self, linger: Duration) {
        loop {
            self.status.closed().await;
            tokio::time::sleep(linger).await;
            if self.status.receiver_count() == 0 {
                return;
            }
        }
    }
}

/// The task behind a channel.
struct Upstream {
    relay: Arc<Relay>,
    url: Url,
    topic: String,
    channel: Arc<Channel>,
    hub: Hub,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    backoff: Backoff,
    _room: OwnedSemaphorePermit,
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

impl Upstream {
    fn new(
        route: &Route,
        topic: String,
        channel: &Arc<Channel>,
        last: Option<&EventId>,
        hub: &Hub,
        metrics: &Arc<Metrics>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let bytes = route.config().event_bytes;
        let limits = Limits { max_line_bytes: bytes, max_event_bytes: bytes };
        let decoder = Decoder::new().with_limits(limits);
        Self {
            relay: Arc::clone(&route.relay),
            url: route.url.clone(),
            topic,
            channel: Arc::clone(channel),
            hub: hub.clone(),
            metrics: Arc::clone(metrics),
            decoder: last.into_iter().fold(decoder, Decoder::with_last_event_id),
            backoff: Backoff::new(),
            _room: room,
        }
    }

    /// Runs until nobody listens any more, or the upstream gives no stream at first.
    async fn run(mut self) {
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
        let patience = self.relay.config.answer_timeout;
        let mut response = self.connect(patience).await?;
        let since = self.hub.newest();
        self.channel.status.send_replace(Status::Open { since });
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
            response = self.connect_again(end.to_string(), patience.max(PATIENCE_WHEN_LOST)).await;
        }
    }

    async fn connect(&self, patience: Duration) -> Result<reqwest::Response, UpstreamError> {
        let last = self.decoder.last_event_id();
        let last = (!last.is_empty()).then(|| HeaderValue::from_bytes(last.as_bytes()).ok());
        let question = Question { last_event_id: last.flatten(), ..Question::default() };
        let own = &self.relay.config.headers;
        let asked = upstream::ask(&self.relay.client, self.url.clone(), own, &question, patience);
        asked.await.inspect_err(|error| self.metrics.upstream_failed(error.reason()))
    }

    /// Connects after a loss, however long that takes. The subscribers stay.
    async fn connect_again(&mut self, mut why: String, patience: Duration) -> reqwest::Response {
        loop {
            let pause = self.backoff.pause();
            let (relay, upstream) = (self.relay.config.path.as_str(), self.relay.target.origin());
            let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            warn!(relay, upstream, retry_ms, "lost the upstream, connecting again: {why}");
            tokio::time::sleep(pause).await;
            match self.connect(patience).await {
                Ok(response) => {
                    info!(relay, upstream, "the upstream is back");
                    return response;
                }
                Err(error) => why = error.to_string(),
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
                Ok(Some(bytes)) => self.take(&bytes, &mut connection).err(),
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
    fn take(&mut self, bytes: &[u8], connection: &mut Connection) -> Result<(), End> {
        let mut chunk = Chunk::new(bytes);
        let mut updates = Vec::new();
        let result = loop {
            match self.decoder.decode(&mut chunk) {
                Ok(Some(Item::Event(event))) => {
                    let event = owned(event);
                    self.backoff.reset();
                    if connection.snapshot_left > 0 {
                        connection.snapshot_left -= 1;
                        self.keep(&event, connection)?;
                    } else {
                        updates.push(update(&self.topic, event));
                    }
                }
                Ok(Some(Item::Retry(retry))) => self.backoff.set_retry(retry),
                Ok(Some(Item::Comment(_))) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(End::TooLarge(error)),
            }
        };
        for published in self.hub.publish_all(updates) {
            self.check(published)?;
        }
        result
    }

    /// Keeps an event of the snapshot. On the first connection those who wait get it like any other.
    fn keep(&self, event: &Event, connection: &mut Connection) -> Result<(), End> {
        let mut snapshot = self.channel.snapshot.lock();
        if connection.is_first {
            let published = self.hub.publish(update(&self.topic, event.clone()));
            if let Some(receipt) = self.check(published)? {
                snapshot.add(event, receipt.position);
            }
        } else if connection.draft.add(event, self.relay.config.snapshot) {
            snapshot.replace(std::mem::take(&mut connection.draft), self.hub.newest());
        }
        Ok(())
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

/// An event as it came. Its id is its own if it has one: not one that an event before it had, and not one that looks like
/// a hub's, which would be taken for a place in this hub's log.
fn owned(event: EventRef<'_>) -> Event {
    let id = event.last_event_id;
    let is_own = event.has_id && !id.starts_with(Position::MARK) && id != mercure::EARLIEST;
    let event_type = (event.event_type != "message").then(|| EventType::new(event.event_type).ok());
    Event {
        id: is_own.then(|| EventId::new(id).ok()).flatten(),
        event_type: event_type.flatten(),
        retry: None,
        data: event.data.to_owned(),
    }
}

fn update(topic: &str, event: Event) -> Update {
    Update {
        topics: vec![topic.to_owned()],
        data: event.data,
        id: event.id,
        id_scope: IdScope::Topic,
        event_type: event.event_type,
        private: true,
        ..Update::default()
    }
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
