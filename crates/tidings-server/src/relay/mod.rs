//! The relay: event streams of an existing backend, made production-grade.
//!
//! A *shared* relay (`shared`) has one upstream connection for all who ask for the same; what comes goes through the log, so
//! that it is fanned out, kept and resumed like any update. A *per-client* relay (`per_client`) has one upstream connection
//! for each subscriber and passes its bytes on.

mod backoff;
mod boundary;
mod channel;
mod config;
mod error;
mod follower;
mod pass_through;
mod per_client;
mod routes;
mod shared;
mod snapshot;
mod target;
mod upstream;

pub(crate) use channel::Lease;
pub use config::{InvalidRelay, RelayAccess, RelayConfig, RelayMode};
pub(crate) use error::UpstreamError;
pub(crate) use pass_through::PassThrough;
pub(crate) use routes::{Relays, Route};

use http::Response;
use tidings_hub::{CloseReason, Grants, Selector, SubscribeError, Subscription};

use crate::auth::{Identity, Role};
use crate::body::Body;
use crate::reject::Refusal;
use crate::server::Call;

/// Answers a `GET` or `HEAD` on a relay's path.
pub(crate) async fn answer(call: &Call<'_>, route: Route) -> Result<Response<Body>, Refusal> {
    let topic = route.topic(call.parts.uri.query().unwrap_or_default());
    let identity = identify(call, route.config().access, &topic).await?;
    match route.config().mode {
        RelayMode::Shared => shared::answer(call, route, topic, identity).await,
        RelayMode::PerClient => per_client::answer(call, route, topic, identity).await,
    }
}

/// Who asks, if the relay lets them.
async fn identify(call: &Call<'_>, access: RelayAccess, topic: &str) -> Result<Identity, Refusal> {
    if access == RelayAccess::Anyone {
        return Ok(Identity::anonymous());
    }
    let identity = call.identify(Role::Subscriber).await?;
    let grants = |grants: &Grants| grants.allows(topic);
    if access == RelayAccess::Granted && !identity.subscribe.as_ref().is_some_and(grants) {
        return Err(Refusal::Forbidden { what: "read this path" });
    }
    // What the application narrows a stream to goes for these, too.
    let given = identity.topics.clone().map(Grants::new);
    if given.is_some_and(|given| !given.allows(topic)) {
        return Err(Refusal::Forbidden { what: "read this path" });
    }
    Ok(identity)
}

/// Waits for the upstream on behalf of a newcomer that has its subscription already, for as long as that is not to end.
async fn while_wanted<T>(
    call: &Call<'_>,
    subscription: &mut Subscription,
    waiting: impl Future<Output = T>,
) -> Result<T, Refusal> {
    call.check_not_kicked(subscription.subscriber())?;
    tokio::select! {
        biased;
        outcome = waiting => Ok(outcome),
        reason = subscription.told_to_end() => {
            call.check_not_kicked(subscription.subscriber())?;
            Err(match reason {
                CloseReason::Drain => SubscribeError::Closed.into(),
                _ => Refusal::Internal,
            })
        }
    }
}

/// The selector of exactly one topic. A relay's topics hold no `{` and begin with `/`, so it is neither a template nor `*`.
fn exactly(topic: &str) -> Selector {
    Selector::new(topic)
}
