//! A shared relay: one upstream connection for all who ask for the same, its events in the log.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use parking_lot::Mutex;
use tidings_hub::{Grants, Hub, Position, Resume, Start, SubscribeError, Subscriber, SubscriberId};
use tidings_wire::EventId;
use tokio::sync::watch;

use super::channel::{Channel, Lease, Status};
use super::error::UpstreamError;
use super::exactly;
use super::follower::Follower;
use super::routes::Route;
use super::snapshot::Snapshot;
use crate::address::limit_key;
use crate::auth::Identity;
use crate::body::Body;
use crate::mercure;
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::server::Call;
use crate::subscribe::{Opened, head_only, stream};

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
    let has_waited = matches!(*status.borrow(), Status::Connecting);
    let patience = route.config().answer_timeout;
    let beginning = match &*settled(&mut status, patience).await? {
        Status::Failed(error) => return Err(error.clone().into()),
        opened => opened.beginning(has_waited, return_time(shared.config.stream.retry)),
    };
    let expires_at = identity.expiry();
    let subscriber = Subscriber {
        id: SubscriberId::random().map_err(|_| Refusal::Internal)?,
        selectors: vec![channel.selector.clone()],
        grants: channel.grants.clone(),
        user: identity.user,
        session: identity.session,
        address: call.address.map(limit_key),
        payload: identity.payload,
    };
    let replay = route.config().snapshot_replay;
    let (subscription, greeting) = match (&cursor, beginning) {
        (Some(id), _) if !is_resumed_upstream => {
            let start = if id == mercure::EARLIEST {
                Start::Earliest
            } else {
                Start::AfterOnTopic(id.clone())
            };
            (shared.hub.subscribe(subscriber, start)?, None)
        }
        // All that came is for it, the snapshot too.
        (_, Some(position)) => {
            (shared.hub.subscribe(subscriber, Start::After(position.to_string()))?, None)
        }
        (_, None) => channel.greet(&shared.hub, subscriber, replay)?,
    };
    call.check_not_kicked(subscription.subscriber())?;
    let resume = if cursor.is_some() { subscription.resume() } else { Resume::Live };
    let lease = Some(Lease { _status: status });
    Ok(stream(call, Opened { subscription, resume, cursor, expires_at, greeting, lease }))
}

/// Within which time a browser comes back that was refused: its reconnection time, and some for the way.
fn return_time(retry: Duration) -> Duration {
    2 * retry + Duration::from_secs(2)
}

/// Waits until it is known whether the upstream gives a stream. The upstream may take longer, for those who come later.
async fn settled(
    status: &mut watch::Receiver<Status>,
    patience: Duration,
) -> Result<watch::Ref<'_, Status>, Refusal> {
    let settled = status.wait_for(|status| !matches!(status, Status::Connecting));
    match tokio::time::timeout(patience, settled).await {
        Err(_) => Err(UpstreamError::NoAnswer.into()),
        // Without a word it ends with the hub only.
        Ok(settled) => settled.map_err(|_| SubscribeError::Closed.into()),
    }
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
    let follower = Follower::new(route, topic.clone(), &channel, last.as_ref(), hub, metrics, room);
    channels.insert(topic, Arc::clone(&channel));
    drop(channels);
    tokio::spawn(follower.run());
    Ok(Newcomer { channel, status, is_resumed_upstream })
}
