//! A per-client relay: one upstream connection for each subscriber, with its credentials.

use std::sync::Arc;

use http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
    USER_AGENT,
};
use http::{Method, Response};
use tidings_hub::{Grants, Resume, Start};

use super::error::UpstreamError;
use super::exactly;
use super::pass_through::PassThrough;
use super::routes::Route;
use super::upstream::{self, Answer, Question};
use super::while_wanted;
use crate::auth::Identity;
use crate::body::Body;
use crate::mercure::LAST_EVENT_ID;
use crate::reject::Refusal;
use crate::server::Call;
use crate::subscribe::{head_only, stream_response};

/// What of a client's request reaches the upstream: who it is, where it stopped, and what traces it (W3C Trace Context).
const PASSED: [HeaderName; 8] = [
    AUTHORIZATION,
    COOKIE,
    LAST_EVENT_ID,
    ACCEPT_LANGUAGE,
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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
    let relay = &route.relay;
    let expires_at = identity.expiry();
    // Nothing of it comes from the log. It is what limits count, what is listed as active, and what a drain ends.
    let subscriber = call.subscriber(identity, vec![exactly(&topic)], Grants::none())?;
    let mut subscription = shared.hub.subscribe(subscriber, Start::Live).await?;
    let limit = relay.config.upstreams;
    let room = Arc::clone(&relay.room).try_acquire_owned();
    let room = room.map_err(|_| UpstreamError::Limit { limit })?;
    let question = Question { headers: passed_headers(call), last_event_id: None };
    let (own, patience) = (&relay.config.headers, relay.config.answer_timeout);
    let asked = upstream::ask(&relay.client, route.url.clone(), own, &question, patience);
    let asked = while_wanted(call, &mut subscription, asked).await?;
    let Answer { response: answer, is_own } = asked.map_err(|error| {
        shared.metrics.upstream_failed(error.reason());
        // A client's own refusal is none of the operator's business.
        if matches!(error, UpstreamError::Refused(_)) { error } else { relay.tell(error) }
    })?;
    let script = call.script(&subscription, Resume::Live, expires_at);
    // Cookies of a host that the upstream has redirected to are none of this site's.
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter(|_| is_own);
    let cookies: Vec<HeaderValue> = cookies.cloned().collect();
    let count = shared.metrics.upstream_opened();
    let stream = PassThrough::new(subscription, script, answer, (count, room), &shared.bodies);
    let mut response = stream_response(Body::pass_through(stream));
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn passed_headers(call: &Call<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in PASSED {
        for value in call.parts.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    let address = call.address.map(|address| HeaderValue::from_str(&address.to_string()));
    if let Some(Ok(address)) = address {
        headers.insert(X_FORWARDED_FOR, address);
    }
    headers
}
