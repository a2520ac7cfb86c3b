//! The server: a hub with an HTTP edge. It answers requests whoever accepts the connections.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tidings_hub::{
    Announcer, Epoch, Grants, Hub, HubConfig, Log, Resume, Selector, Subscriber, SubscriberId,
    Subscription,
};
use tokio::time::Instant;
use tracing::field::display;
use tracing::{debug, info};

use crate::address::{client_address, limit_key};
use crate::auth::kicks::{Moment, Standing};
use crate::auth::{AuthError, Authenticator, Identity, Role};
use crate::bodies::Bodies;
use crate::body::Body;
use crate::cluster::{Cluster, Local};
use crate::config::ServerConfig;
use crate::connection::Fate;
use crate::cors::Cors;
use crate::error::StartError;
use crate::headers::set_security_headers;
use crate::mercure::PresenceAnnouncer;
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::reject::Refusal;
use crate::relay::Relays;
use crate::router::{self, Routing};
use crate::script::Script;
use crate::told::Told;

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
    /// What was told of the log behind the hub, which is away for everybody at once.
    pub(crate) log_away: Arc<Told>,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) relays: Relays,
    /// The other hubs that share the log, where it is shared.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) started_at: Instant,
}

impl Server {
    /// Makes a hub with an empty log, and its edge.
    ///
    /// With a [`bus`](ServerConfig::bus) it joins the other hubs, and must be called within a tokio runtime that goes on
    /// for as long as the server does.
    ///
    /// It waits for nothing but key sets ([`KeySource::JwksUrl`](crate::auth::KeySource::JwksUrl)), which it fetches once;
    /// those of a server that does not answer are fetched later.
    ///
    /// # Errors
    /// When an origin, a key or a relay is not one, a key set cannot be had, or the system gives no randomness.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves nothing behind.
    pub async fn new(hub: HubConfig, config: ServerConfig) -> Result<Self, StartError> {
        Self::build(None, hub, config).await
    }

    /// A server whose hub has a log behind it. `hub` says how much of the log is held in memory.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the log is unavailable.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves nothing behind.
    pub async fn open(
        log: Arc<dyn Log>,
        hub: HubConfig,
        config: ServerConfig,
    ) -> Result<Self, StartError> {
        Self::build(Some(log), hub, config).await
    }

    /// For who must not keep the server.
    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    /// The server, as long as somebody keeps it.
    pub(crate) fn upgrade(server: &Weak<Shared>) -> Option<Self> {
        server.upgrade().map(Self)
    }

    async fn build(
        log: Option<Arc<dyn Log>>,
        hub_config: HubConfig,
        mut config: ServerConfig,
    ) -> Result<Self, StartError> {
        let cors = Cors::new(&config.cors_origins).map_err(StartError::Cors)?;
        let auth = std::mem::take(&mut config.auth);
        let authenticator = Authenticator::new(auth).await.map_err(StartError::Auth)?;
        let (relays, is_alone) = (std::mem::take(&mut config.relays), config.bus.is_none());
        let relays = Relays::new(relays, is_alone).map_err(StartError::Relay)?;
        let announcer =
            config.subscriptions.then(|| Box::new(PresenceAnnouncer) as Box<dyn Announcer>);
        let hub = if let Some(log) = log {
            Hub::open(log, hub_config, announcer).await.map_err(StartError::Log)?
        } else {
            let epoch = Epoch::random().map_err(StartError::Randomness)?;
            Hub::new(epoch, hub_config, announcer)
        };
        let (metrics, bodies) = (Arc::new(Metrics::new()), Arc::<Bodies>::default());
        let local = || Local {
            hub: hub.clone(),
            bodies: Arc::clone(&bodies),
            kicks: Arc::clone(authenticator.kicks()),
            metrics: Arc::clone(&metrics),
            shows_subscriptions: config.subscriptions,
        };
        let join = |bus| Cluster::join(bus, local()).map_err(StartError::Randomness);
        let cluster = config.bus.clone().map(join).transpose()?;
        Ok(Self(Arc::new(Shared {
            hub,
            hub_config,
            config,
            authenticator,
            cors,
            metrics,
            log_away: Arc::default(),
            bodies,
            relays,
            cluster,
            started_at: Instant::now(),
        })))
    }

    /// The hub behind the edge. A host program publishes with it from its own handlers; no grant is asked for there.
    ///
    /// ```
    /// use tidings_hub::{HubConfig, Update};
    /// use tidings_server::{Server, ServerConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
    /// let receipt = server.hub().publish(Update::new("users/alice", "a message for you").private()).await?;
    /// // The id that the event has; a browser that saw it goes on after it.
    /// assert!(receipt.id.as_str().starts_with('#'));
    /// # Ok(()) }
    /// ```
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Answers one request by its path, as [`serve`](Self::serve) does. It never fails: what is wrong with a request is in
    /// the answer.
    ///
    /// An [`Identity`] in the request's extensions says who asks and what for; only without one are tokens looked at. A
    /// stream that answers goes on for as long as its [`Body`] is asked for more; dropping that ends it. Most hosts mount
    /// [`service`](Self::service) or [`endpoint`](Self::endpoint) instead, which call this.
    ///
    /// # Cancel safety
    /// Dropped before it answers, a publish may or may not have happened.
    pub async fn handle<B>(&self, request: Request<B>, peer: Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Send,
    {
        self.answer(request, peer, Routing::ByPath).await
    }

    /// Answers one request that finds its handler in this way.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        peer: Peer,
        routing: Routing,
    ) -> Response<Body>
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
            let client = |peer| client_address(peer, &parts.headers, proxies);
            let address = peer.address.map(client);
            let came_at = self.0.authenticator.kicks().now();
            let call = Call { server: self, parts: &parts, address, came_at, fate: peer.fate };
            let answer = router::route(&call, routing, body).await;
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
    /// The client's address, as far as it is known and trusted proxies tell it.
    pub(crate) address: Option<IpAddr>,
    /// Before anything was found out about who asks.
    pub(crate) came_at: Moment,
    pub(crate) fate: Fate,
}

impl Call<'_> {
    pub(crate) fn shared(&self) -> &Shared {
        &self.server.0
    }

    /// Who asks, in a role.
    pub(crate) async fn identify(&self, role: Role) -> Result<Identity, Refusal> {
        match self.vouched(SystemTime::now())? {
            Some(identity) => {
                if role == Role::Publisher {
                    self.shared().authenticator.check_own_page(self.parts)?;
                }
                Ok(identity)
            }
            None => {
                Ok(self.shared().authenticator.identify(role, self.parts, self.address).await?)
            }
        }
    }

    /// Who asks for the list of active subscriptions.
    pub(crate) async fn identify_watcher(&self) -> Result<Identity, Refusal> {
        if let Some(identity) = self.vouched(SystemTime::now())? {
            return Ok(identity);
        }
        let authenticator = &self.shared().authenticator;
        Ok(authenticator.identify_watcher(self.parts, self.address).await?)
    }

    /// Whom a stream for this request is for.
    pub(crate) fn subscriber(
        &self,
        identity: Identity,
        selectors: Vec<Selector>,
        grants: Grants,
    ) -> Result<Subscriber, Refusal> {
        Ok(Subscriber {
            id: SubscriberId::random().map_err(|_| Refusal::Internal)?,
            selectors,
            grants,
            user: identity.user,
            session: identity.session,
            address: self.address.map(limit_key),
            payload: identity.payload,
        })
    }

    /// What a stream for this request says, and when it ends. Counts it as open.
    pub(crate) fn script(
        &self,
        subscription: &Subscription,
        resume: Resume,
        expires_at: Option<Instant>,
    ) -> Script {
        let (shared, subscriber) = (self.shared(), subscription.subscriber().id);
        debug!(%subscriber, address = self.address.map(display), ?resume, "stream opened");
        let (config, fate) = (&shared.config.stream, self.fate.clone());
        Script::new((subscriber, resume), config, expires_at, fate, Arc::clone(&shared.metrics))
    }

    /// Whoever was thrown out since the request came was let in by what was true before.
    ///
    /// # Errors
    /// The subscription has to be given up then.
    pub(crate) fn check_not_kicked(&self, subscriber: &Subscriber) -> Result<(), AuthError> {
        let (user, session) = (subscriber.user.as_deref(), subscriber.session.as_deref());
        let is_kicked = self.shared().authenticator.kicks().concern(self.came_at, user, session);
        if is_kicked { Err(AuthError::Kicked) } else { Ok(()) }
    }

    /// Who was let in, and whether that still counts.
    pub(crate) fn standing(&self, identity: &Identity) -> Standing {
        Standing::new(self.shared().authenticator.kicks(), self.came_at, identity)
    }

    /// Who asks, where the host program says so: nothing that comes from the network gets into a request's extensions.
    fn vouched(&self, now: SystemTime) -> Result<Option<Identity>, AuthError> {
        let identity = self.parts.extensions.get::<Identity>();
        match identity.and_then(|identity| identity.expires_at) {
            Some(end) if end <= now => Err(AuthError::Expired),
            _ => Ok(identity.cloned()),
        }
    }

    /// Answers with a refusal, counts it and says why in the log. The query stays out of the log: it may hold a token.
    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        let shared = self.shared();
        let (status, reason) = (refusal.status().as_u16(), refusal.reason());
        let (method, path) = (&self.parts.method, self.parts.uri.path());
        let address = self.address.map(display);
        shared.metrics.refused(reason);
        if refusal.is_noteworthy() && refusal.is_news(&shared.log_away) {
            let cause = refusal.unavailable().map(display);
            info!(%method, path, address, status, reason, detail = %refusal, cause, "refused");
        } else {
            debug!(%method, path, address, status, reason, detail = %refusal, "refused");
        }
        refusal.respond(self.parts, shared.config.stream.retry)
    }
}
