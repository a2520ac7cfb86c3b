//! An axum app with the hub inside: it publishes from its handlers, and its sessions decide who reads what.

mod checks;
mod sessions;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_hub::{EventType, HubConfig, Update};
use tidings_server::auth::{AuthConfig, Identity};
use tidings_server::{Peer, Server, ServerConfig, bind};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, oneshot};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

use crate::checks::{Fault, Text, User};
use crate::sessions::Sessions;

/// Over how long the hub's streams are closed when the app goes down.
const DRAIN: Duration = Duration::from_secs(3);
/// How long after that a client that takes no bytes is waited for.
const GRACE: Duration = Duration::from_secs(1);
/// After how long a stream has to come back and show that its session still stands.
const STREAM_TIME: Duration = Duration::from_hours(1);

#[derive(Clone)]
struct App {
    server: Server,
    sessions: Arc<Sessions>,
    /// For the plain endpoint. `None` tells its clients that the app goes down.
    plain: broadcast::Sender<Option<String>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let app = App::new().await?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let stop = async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    Ok(run(listener, app, stop).await?)
}

impl App {
    async fn new() -> Result<Self, Box<dyn Error>> {
        // Public updates are for all. Everything else is the sessions' affair, so the hub needs no key.
        let auth = AuthConfig { anonymous: true, ..AuthConfig::default() };
        let config = ServerConfig { auth, drain: DRAIN, ..ServerConfig::default() };
        let server = Server::new(HubConfig::default(), config).await?;
        Ok(Self { server, sessions: Arc::default(), plain: broadcast::Sender::new(64) })
    }

    fn routes(&self) -> Router {
        let hub = Router::new()
            .route_service("/.well-known/mercure", self.server.service())
            .route_service("/events", self.server.service())
            .layer(from_fn_with_state(self.clone(), vouch));
        Router::new()
            .route("/", get(Html(include_str!("../public/index.html"))))
            .route("/login", post(login))
            .route("/hub-token", post(hub_token))
            .route("/messages", post(send_message))
            .route("/users/{user}/notifications", post(notify))
            .route("/api/events", get(plain_events))
            .merge(hub)
            .with_state(self.clone())
    }

    async fn publish(&self, update: Update) -> Result<Json<Value>, Fault> {
        let receipt = self.server.hub().publish(update).await?;
        Ok(Json(json!({ "id": receipt.id.as_str() })))
    }
}

/// Serves until `stop`, then closes the streams, and after them all connections.
async fn run(listener: TcpListener, app: App, stop: impl Future<Output = ()>) -> io::Result<()> {
    app.server.prepare(&listener)?;
    let service = app.routes().into_make_service_with_connect_info::<SocketAddr>();
    let (close, closed) = oneshot::channel::<()>();
    let serve = axum::serve(listener, service).with_graceful_shutdown(async { drop(closed.await) });
    let serving = tokio::spawn(serve.into_future());
    stop.await;
    // Meanwhile the app answers as before.
    app.server.drain().await;
    drop((app.plain.send(None), close));
    // Over, or late: then the rest ends with the runtime.
    drop(tokio::time::timeout(GRACE, serving).await);
    Ok(())
}

/// Tells the hub where a request comes from and whose it is, as the session says. No token is needed.
async fn vouch(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    cookies: CookieJar,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer::from(peer));
    if let Some(user) = session(&app, &cookies) {
        let identity = Identity::of(user.as_str())
            .may_read([user.topic()])
            .until(SystemTime::now() + STREAM_TIME);
        request.extensions_mut().insert(identity);
    }
    next.run(request).await
}

fn session(app: &App, cookies: &CookieJar) -> Option<User> {
    app.sessions.user(cookies.get("session")?.value())
}

#[derive(Deserialize)]
struct Login {
    user: User,
}

async fn login(
    State(app): State<App>,
    cookies: CookieJar,
    login: Result<Json<Login>, JsonRejection>,
) -> Result<impl IntoResponse, Fault> {
    let id = app.sessions.open(login?.0.user)?;
    let cookie = Cookie::build(("session", id)).path("/").http_only(true).same_site(SameSite::Lax);
    Ok((StatusCode::NO_CONTENT, cookies.add(cookie)))
}

/// What the page asks before it subscribes. The hub is here, and the session's cookie is all that it needs.
async fn hub_token(State(app): State<App>, cookies: CookieJar) -> Result<Json<Value>, Fault> {
    let user = session(&app, &cookies).ok_or(Fault::NoSession)?;
    Ok(Json(json!({ "hub": "", "topics": ["news", user.topic()], "token": null })))
}

#[derive(Deserialize)]
struct Message {
    text: Text,
}

async fn send_message(
    State(app): State<App>,
    message: Result<Json<Message>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let data = json!({ "text": message?.0.text }).to_string();
    // Refused only where no client is there.
    drop(app.plain.send(Some(data.clone())));
    app.publish(Update::new("news", data)).await
}

async fn notify(
    State(app): State<App>,
    Path(user): Path<String>,
    message: Result<Json<Message>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let user = User::try_from(user).map_err(Fault::Invalid)?;
    let data = json!({ "text": message?.0.text }).to_string();
    let update = Update::new(user.topic(), data).private();
    app.publish(update.with_type(EventType::new("notification")?)).await
}

/// A stream without a hub, as tutorials write it: what a client misses while it is away is lost.
async fn plain_events(
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = BroadcastStream::new(app.plain.subscribe());
    let messages = messages.map_while(|message| message.ok().flatten());
    Sse::new(messages.map(|data| Ok(Event::default().data(data))))
}
