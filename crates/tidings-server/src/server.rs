//! The server: a hub with an HTTP edge. It answers requests whoever accepts the connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tidings_hub::{Announcer, Epoch, Hub, HubConfig};
use tracing::{debug, info};

use crate::address::client_address;
use crate::auth::{Authenticator, Identity, Role};
use crate::body::Body;
use crate::config::ServerConfig;
use crate::connection::Fate;
use crate::cors::Cors;
use crate::error::StartError;
use crate::headers::set_security_headers;
use crate::mercure::PresenceAnnouncer;
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::relay::Relays;
use crate::router;

/// A hub with its HTTP edge. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server(pub(crate) Arc<Shared>);

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) hub_config: HubConfig,
    pub(crate) config: ServerConfig,
    pub(crate) authenticator: Authenticator,
    pub(crate) cors: Cors,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) relays: Relays,
    pub(crate) started_at: tokio::time::Instant,
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address at the other end of the connection.
    pub address: IpAddr,
    /// What becomes of the connection: a stream that ends with it reports the reason found here.
    pub fate: Fate,
}

impl Server {
    /// Makes a hub with an empty log, and its edge.
    ///
    /// # Errors
    /// When an origin or a key is not one, a key set cannot be had, or the system gives no randomness.
    pub async fn new(hub: HubConfig, mut config: ServerConfig) -> Result<Self, StartError> {
        let cors = Cors::new(&config.cors_origins).map_err(StartError::Cors)?;
        let auth = std::mem::take(&mut config.auth);
        let authenticator = Authenticator::new(auth).await.map_err(StartError::Auth)?;
        let relays = Relays::new(std::mem::take(&mut config.relays)).map_err(StartError::Relay)?;
        let announcer =
            config.subscriptions.then(|| Box::new(PresenceAnnouncer) as Box<dyn Announcer>);
        let epoch = Epoch::random().map_err(StartError::Randomness)?;
        Ok(Self(Arc::new(Shared {
            hub: Hub::new(epoch, hub, announcer),
            hub_config: hub,
            config,
            authenticator,
            cors,
            metrics: Arc::new(Metrics::new()),
            relays,
            started_at: tokio::time::Instant::now(),
        })))
    }

    /// The hub behind the edge.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Answers one request. It never fails: what is wrong with a request is in the answer.
    ///
    /// # Cancel safety
    /// Dropped before it answers, a publish may or may not have happened.
    pub async fn handle<B>(&self, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Send,
    {
        let (parts, body) = request.into_parts();
        let mut response = if let Some(headers) = self.0.cors.preflight(&parts) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            response
        } else {
            let proxies = &self.0.config.trusted_proxies;
            let address = client_address(peer.address, &parts.headers, proxies);
            let call = Call { server: self, parts: &parts, address, fate: peer.fate };
            let answer = router::route(&call, body).await;
            let mut response = answer.unwrap_or_else(|refusal| call.refuse(&refusal));
            self.0.cors.apply(&parts, response.headers_mut());
            response
        };
        set_security_headers(response.headers_mut());
        response
    }
}

/// One request on its way through the handlers.
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Server,
    pub(crate) parts: &'a Parts,
    /// The client's address, as far as trusted proxies tell it.
    pub(crate) address: IpAddr,
    pub(crate) fate: Fate,
}

impl Call<'_> {
    pub(crate) fn shared(&self) -> &Shared {
        &self.server.0
    }

    /// Who asks, in a role.
    pub(crate) async fn identify(&self, role: Role) -> Result<Identity, Refusal> {
        let shared = self.shared();
        Ok(shared.authenticator.authenticate(role, self.parts, SystemTime::now()).await?)
    }

    /// Who asks for the list of active subscriptions.
    pub(crate) async fn identify_watcher(&self) -> Result<Identity, Refusal> {
        let authenticator = &self.shared().authenticator;
        Ok(authenticator.authenticate_watcher(self.parts, SystemTime::now()).await?)
    }

    /// Answers with a refusal, counts it and says why in the log. The query stays out of the log: it may hold a token.
    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        let shared = self.shared();
        let (status, reason) = (refusal.status().as_u16(), refusal.reason());
        let (method, path, address) = (&self.parts.method, self.parts.uri.path(), self.address);
        shared.metrics.refused(reason);
        if refusal.is_noteworthy() {
            info!(%method, path, %address, status, reason, detail = %refusal, "refused");
        } else {
            debug!(%method, path, %address, status, reason, detail = %refusal, "refused");
        }
        refusal.respond(self.parts, shared.config.stream.retry)
    }
}
