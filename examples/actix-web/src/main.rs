//! An actix-web app with the hub inside: it publishes from its handlers, and its sessions decide who reads what.

mod checks;
mod hub;
mod sessions;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use actix_web::body::MessageBody;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Server as HttpHost, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, Html, Json};
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_hub::{EventType, HubConfig, Update};
use tidings_server::auth::{AuthConfig, Identity};
use tidings_server::{Server, ServerConfig, bind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::checks::{Fault, Text, User};
use crate::hub::hub;
use crate::sessions::Sessions;

/// Over how long the hub's streams are closed when the app goes down.
const DRAIN: Duration = Duration::from_secs(3);
/// How long after that a client that takes no bytes is waited for, in seconds.
const GRACE_SECS: u64 = 1;
/// After how long a stream has to come back and show that its session still stands.
const STREAM_TIME: Duration = Duration::from_hours(1);

/// For the plain endpoint. `None` tells its clients that the app goes down.
type Plain = broadcast::Sender<Option<String>>;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], port)))?.into_std()?;
    let server = start_hub().await?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    let address = listener.local_addr()?;
    let running = run(listener, server, stop)?;
    writeln!(io::stdout(), "listening on http://{address}")?;
    Ok(running.await?)
}

async fn start_hub() -> Result<Server, Box<dyn Error>> {
    // Public updates are for all. Everything else is the sessions' affair, so the hub needs no key.
    let auth = AuthConfig { anonymous: true, ..AuthConfig::default() };
    let config = ServerConfig { auth, drain: DRAIN, ..ServerConfig::default() };
    Ok(Server::new(HubConfig::default(), config).await?)
}

/// Serves until `stop`, then closes the streams, and after them all connections.
fn run(
    listener: TcpListener,
    server: Server,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<HttpHost> {
    server.prepare(&listener)?;
    let sessions = Data::new(Sessions::default());
    let plain = Plain::new(64);
    let (draining, last) = (server.clone(), plain.clone());
    let shutdown = async move {
        stop.await;
        // Meanwhile the app answers as before.
        draining.drain().await;
        drop(last.send(None));
    };
    let app = move || {
        App::new()
            .app_data(Data::new(server.clone()))
            .app_data(sessions.clone())
            .app_data(Data::new(plain.clone()))
            .app_data(
                web::JsonConfig::default()
                    .error_handler(|error, _| Fault::Invalid(error.to_string()).into()),
            )
            .route("/", web::get().to(async || Html::new(include_str!("../public/index.html"))))
            .route("/login", web::post().to(login))
            .route("/hub-token", web::post().to(hub_token))
            .route("/messages", web::post().to(send_message))
            .route("/users/{user}/notifications", web::post().to(notify))
            .route("/api/events", web::get().to(plain_events))
            .service(
                web::scope("")
                    .wrap(from_fn(vouch))
                    .route("/.well-known/mercure", web::to(hub))
                    .route("/events", web::to(hub)),
            )
    };
    let host = HttpServer::new(app)
        .shutdown_signal(shutdown)
        .shutdown_timeout(GRACE_SECS)
        // A client that closes its connection is gone, and its stream with it.
        .h1_allow_half_closed(false);
    Ok(host.listen(listener)?.run())
}

/// Tells the hub whose a request is, as the session says. No token is needed.
async fn vouch(
    sessions: Data<Sessions>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(user) = session(&sessions, request.request()) {
        let identity = Identity::of(user.as_str())
            .may_read([user.topic()])
            .until(SystemTime::now() + STREAM_TIME);
        request.extensions_mut().insert(identity);
    }
    next.call(request).await
}

fn session(sessions: &Sessions, request: &HttpRequest) -> Option<User> {
    sessions.user(request.cookie("session")?.value())
}

#[derive(Deserialize)]
struct Login {
    user: User,
}

async fn login(sessions: Data<Sessions>, login: Json<Login>) -> Result<HttpResponse, Fault> {
    let id = sessions.open(login.into_inner().user)?;
    let cookie = Cookie::build("session", id).path("/").http_only(true).same_site(SameSite::Lax);
    Ok(HttpResponse::NoContent().cookie(cookie.finish()).finish())
}

/// What the page asks before it subscribes. The hub is here, and the session's cookie is all that it needs.
async fn hub_token(sessions: Data<Sessions>, request: HttpRequest) -> Result<Json<Value>, Fault> {
    let user = session(&sessions, &request).ok_or(Fault::NoSession)?;
    Ok(Json(json!({ "hub": "", "topics": ["news", user.topic()], "token": null })))
}

#[derive(Deserialize)]
struct Message {
    text: Text,
}

async fn send_message(
    server: Data<Server>,
    plain: Data<Plain>,
    message: Json<Message>,
) -> Result<Json<Value>, Fault> {
    let data = json!({ "text": message.text }).to_string();
    // Refused only where no client is there.
    drop(plain.send(Some(data.clone())));
    publish(&server, Update::new("news", data)).await
}

async fn notify(
    server: Data<Server>,
    user: web::Path<String>,
    message: Json<Message>,
) -> Result<Json<Value>, Fault> {
    let user = User::try_from(user.into_inner()).map_err(|error| Fault::Invalid(error.into()))?;
    let data = json!({ "text": message.text }).to_string();
    let update = Update::new(user.topic(), data).private();
    publish(&server, update.with_type(EventType::new("notification")?)).await
}

async fn publish(server: &Server, update: Update) -> Result<Json<Value>, Fault> {
    let receipt = server.hub().publish(update).await?;
    Ok(Json(json!({ "id": receipt.id.as_str() })))
}

/// A stream without a hub, as tutorials write it: what a client misses while it is away is lost.
async fn plain_events(plain: Data<Plain>) -> HttpResponse {
    let messages = BroadcastStream::new(plain.subscribe());
    let messages = messages.map_while(|message| message.ok().flatten());
    let events =
        messages.map(|data| Ok::<_, actix_web::Error>(Bytes::from(format!("data: {data}\n\n"))));
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}
