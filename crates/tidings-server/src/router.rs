//! The whole route table of the public listener.

use bytes::Bytes;
use http::{Method, Response};

use crate::body::Body;
use crate::mercure::{HUB_PATH, SUBSCRIPTIONS_PATH};
use crate::reject::Refusal;
use crate::server::Call;
use crate::{dashboard, publish, relay, subscribe, subscriptions};

/// The hub's own short path beside Mercure's.
const EVENTS_PATH: &str = "/events";

/// How a request finds who answers it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Routing {
    /// By its path: everything that the hub serves.
    ByPath,
    /// The host has found the path: whatever it is, there one subscribes and publishes.
    Endpoint,
}

/// Finds who answers a request.
pub(crate) async fn route<B>(
    call: &Call<'_>,
    routing: Routing,
    body: B,
) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let shared = call.shared();
    let config = &shared.config;
    let (method, path) = (&call.parts.method, call.parts.uri.path());
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if matches!(routing, Routing::Endpoint) {
        return hub(call, body).await;
    }
    let route = shared.relays.find(path, call.parts.uri.query().unwrap_or_default());
    // What is relayed stands before the hub's own short path: an existing backend may have its events there.
    let route = match route {
        Some(route) if is_read => return relay::answer(call, route).await,
        route => route,
    };
    match path {
        HUB_PATH | EVENTS_PATH => hub(call, body).await,
        _ if route.is_some() => Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" }),
        _ if config.subscriptions && path.starts_with(SUBSCRIPTIONS_PATH) => {
            let rest = path.strip_prefix(SUBSCRIPTIONS_PATH).unwrap_or_default();
            if !rest.is_empty() && !rest.starts_with('/') {
                return Err(Refusal::NotFound);
            }
            if !is_read {
                return Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" });
            }
            subscriptions::answer(call, rest).await
        }
        _ if config.dashboard => match dashboard::answer(call.shared(), path) {
            Some(response) if is_read => Ok(response),
            Some(_) => Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" }),
            None => Err(Refusal::NotFound),
        },
        _ => Err(Refusal::NotFound),
    }
}

/// Subscribes or publishes.
async fn hub<B>(call: &Call<'_>, body: B) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    match call.parts.method {
        Method::GET | Method::HEAD => subscribe::answer(call).await,
        Method::POST => publish::answer(call, body).await,
        _ => Err(Refusal::MethodNotAllowed { allow: "GET, HEAD, POST" }),
    }
}
