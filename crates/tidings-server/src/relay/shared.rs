//! A shared relay: one upstream connection for all who ask for the same, its events in the log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use tidings_hub::{Grants, Hub, Resume, SubscribeError, Subscription, Unavailable};
use tokio::sync::watch;

use super::channel::{Channel, Lease, Newcomer, Status};
use super::error::UpstreamError;
use super::follower::Follower;
use super::routes::Route;
use super::while_wanted;
use crate::auth::Identity;
use crate::body::Body;
use crate::mercure;
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::server::Call;
use crate::subscribe::{Opened, head_only, stream};

/// Somebody's place in a channel.
struct Place {
    status: watch::Receiver<Status>,
    subscription: Subscription,
    greeting: Option<Bytes>,
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
    let expires_at = identity.expiry();
    let newcomer = Newcomer {
        subscriber: call.subscriber(identity, Vec::new(), Grants::none())?,
        cursor: cursor.clone(),
        replay: route.config().snapshot_replay,
        // A browser's reconnection time, and some for the way.
        return_time: 2 * shared.config.stream.retry + Duration::from_secs(2),
    };
    let place = join(&route, topic, newcomer, &shared.hub, &shared.metrics).await?;
    let Place { mut status, mut subscription, greeting } = place;
    let settled = settled(&mut status, route.config().answer_timeout);
    while_wanted(call, &mut subscription, settled).await??;
    let resume = if cursor.is_some() { subscription.resume() } else { Resume::Live };
    let lease = Some(Lease { _status: status });
    Ok(stream(call, Opened { subscription, resume, cursor, expires_at, greeting, lease }))
}

/// Waits until it is known whether the upstream gives a stream. The upstream may take longer, for those who come later.
async fn settled(status: &mut watch::Receiver<Status>, patience: Duration) -> Result<(), Refusal> {
    let settled = status.wait_for(|status| !matches!(status, Status::Connecting));
    match tokio::time::timeout(patience, settled).await {
        Err(_) => Err(UpstreamError::NoAnswer.into()),
        // Without a word it ends with the hub only.
        Ok(Err(_)) => Err(SubscribeError::Closed.into()),
        Ok(Ok(status)) => match &*status {
            Status::Failed(error) => Err(error.clone().into()),
            Status::Open { .. } | Status::Connecting => Ok(()),
        },
    }
}

/// Finds the channel of a topic, or opens it; the newcomer has its place in it before the upstream is asked.
async fn join(
    route: &Route,
    topic: String,
    newcomer: Newcomer,
    hub: &Hub,
    metrics: &Arc<Metrics>,
) -> Result<Place, Refusal> {
    let relay = &route.relay;
    let (channel, status) = relay.channels.listen(&topic);
    // First whether it may: what is refused opens no connection.
    let patience = route.config().answer_timeout;
    let (subscription, greeting) = match enter(&channel, newcomer, hub, patience).await {
        Ok(entered) => entered,
        Err(refusal) => {
            drop(status);
            relay.channels.forget_unfollowed(&topic, &channel);
            return Err(refusal);
        }
    };
    if channel.begin() {
        let Ok(room) = Arc::clone(&relay.room).try_acquire_owned() else {
            let limit = UpstreamError::Limit { limit: relay.config.upstreams };
            // Who has come meanwhile is told so, too.
            channel.status.send_replace(Status::Failed(limit.clone()));
            relay.channels.remove(&topic);
            return Err(limit.into());
        };
        // What the log has of this stream, it goes on after.
        let last = hub.newest_topic_id(&topic);
        let name = topic.clone();
        let follower = Follower::new(route, topic, &channel, last.as_ref(), hub, metrics, room);
        let Ok(follower) = follower else {
            // Who has come meanwhile is sent away as the channel is dropped.
            relay.channels.remove(&name);
            return Err(Refusal::Internal);
        };
        tokio::spawn(follower.run());
    }
    Ok(Place { status, subscription, greeting })
}

/// Lets a newcomer into a channel. While the log is away and an event for the snapshot waits for it, nobody gets in.
async fn enter(
    channel: &Channel,
    newcomer: Newcomer,
    hub: &Hub,
    patience: Duration,
) -> Result<(Subscription, Option<Bytes>), Refusal> {
    if let Status::Failed(error) = &*channel.status.borrow() {
        return Err(error.clone().into());
    }
    let Ok(entered) = tokio::time::timeout(patience, channel.enter(hub, newcomer)).await else {
        let why = Unavailable::new("an event of the relay's upstream waits for the log");
        return Err(SubscribeError::Unavailable(why).into());
    };
    Ok(entered?)
}
