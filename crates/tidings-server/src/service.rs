//! The hub as a service that a host program mounts in its own router.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::body::Body;
use crate::peer::Peer;
use crate::router::Routing;
use crate::server::Server;

/// The hub as a [`tower_service::Service`], for axum and whatever else mounts one. It is always ready and never fails. Clones are
/// the same hub.
///
/// Two types in a request's extensions are the host's to set, and nobody else's:
/// - an [`Identity`](crate::auth::Identity): who asks, and what they may do. Without one, tokens decide.
/// - a [`Peer`]: where the request comes from. Without one the limit per address does not apply to its stream.
///
/// In axum a middleware sets both:
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::{ConnectInfo, Request};
/// use axum::middleware::{Next, from_fn};
/// use axum::response::Response;
/// use axum::{Router, routing::get};
/// use tidings_hub::HubConfig;
/// use tidings_server::auth::Identity;
/// use tidings_server::{Peer, Server, ServerConfig};
///
/// async fn vouch(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
///     request.extensions_mut().insert(Peer::from(peer));
///     // As the app's own session says. Whoever has none comes without an identity.
///     request.extensions_mut().insert(Identity::of("alice").may_read(["users/alice"]));
///     next.run(request).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
/// let app = Router::new()
///     .route("/", get(async || "the app"))
///     .route_service("/.well-known/mercure", server.service())
///     .route_service("/live", server.endpoint())
///     .layer(from_fn(vouch))
///     // Without this there is no `ConnectInfo`.
///     .into_make_service_with_connect_info::<SocketAddr>();
/// # drop(app);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HubService {
    server: Server,
    routing: Routing,
}

impl Server {
    /// The hub, which finds what is asked for by the path: `/.well-known/mercure` and `/events`, and what
    /// [`ServerConfig`](crate::ServerConfig) switches on. It answers 404 elsewhere, so it can be a router's fallback; nested
    /// below `/hub` it is at `/hub/events`.
    pub fn service(&self) -> HubService {
        HubService { server: self.clone(), routing: Routing::ByPath }
    }

    /// The hub at a path of the host's choice: wherever it is mounted, `GET` and `HEAD` subscribe and `POST` publishes.
    pub fn endpoint(&self) -> HubService {
        HubService { server: self.clone(), routing: Routing::Endpoint }
    }
}

impl<B> Service<Request<B>> for HubService
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// See [`Server::handle`] for what happens when the future is dropped.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { server, routing } = self.clone();
        let peer = request.extensions_mut().remove::<Peer>().unwrap_or_default();
        // A host may put the same one into every request; why one stream ended is nothing to the others.
        let peer = Peer { address: peer.address, ..Peer::default() };
        Box::pin(async move { Ok(server.answer(request, peer, routing).await) })
    }
}
