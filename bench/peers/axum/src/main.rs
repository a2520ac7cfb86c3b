//! The peer `axum`: server-sent events as axum's own documentation writes them, over one
//! `tokio::sync::broadcast` channel a topic, with a ring of the last events for `Last-Event-ID`.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    env,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
    serve::ListenerExt,
};
use futures_util::{Stream, StreamExt, future, stream};
use serde::Deserialize;
use tokio::{
    net::TcpSocket,
    signal::unix::{SignalKind, signal},
    sync::broadcast,
};
use tokio_stream::wrappers::BroadcastStream;

/// What a topic keeps for those who come back.
const KEPT: usize = 1_000;

/// How far a subscriber may lag before it loses events. A channel takes its whole memory when it is made,
/// and there is one a topic.
const LAG: usize = 256;

/// The listening socket's queue, for many clients that connect at once.
const BACKLOG: u32 = 4_096;

/// One event, shared by everybody who gets it.
#[derive(Clone)]
struct Message {
    id: u64,
    data: Arc<str>,
}

/// A topic's channel and its last events.
struct Topic {
    last_id: u64,
    recent: VecDeque<Message>,
    live: broadcast::Sender<Message>,
}

impl Default for Topic {
    fn default() -> Self {
        Self { last_id: 0, recent: VecDeque::new(), live: broadcast::channel(LAG).0 }
    }
}

type Topics = Arc<Mutex<HashMap<String, Topic>>>;

#[derive(Deserialize)]
struct Subscribe {
    topic: String,
}

#[derive(Deserialize)]
struct Publish {
    topic: String,
    data: String,
}

async fn subscribe(
    State(topics): State<Topics>,
    Query(query): Query<Subscribe>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last_id = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());

    // Under one lock, so that nothing is published between the two.
    let (missed, live) = {
        let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(query.topic).or_default();
        let missed: Vec<Message> = match last_id {
            Some(last) => topic.recent.iter().filter(|m| m.id > last).cloned().collect(),
            None => Vec::new(),
        };
        (missed, topic.live.subscribe())
    };

    let live = BroadcastStream::new(live).filter_map(|message| future::ready(message.ok()));
    let events = stream::iter(missed)
        .chain(live)
        .map(|message| Ok(Event::default().id(message.id.to_string()).data(&*message.data)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(State(topics): State<Topics>, Form(form): Form<Publish>) -> StatusCode {
    let mut topics = topics.lock().unwrap_or_else(PoisonError::into_inner);
    let topic = topics.entry(form.topic).or_default();
    topic.last_id += 1;
    let message = Message { id: topic.last_id, data: form.data.into() };
    if topic.recent.len() == KEPT {
        topic.recent.pop_front();
    }
    topic.recent.push_back(message.clone());
    // An error only says that nobody is subscribed.
    let _ = topic.live.send(message);
    StatusCode::NO_CONTENT
}

async fn serve(port: u16) -> std::io::Result<()> {
    let app =
        Router::new().route("/events", get(subscribe).post(publish)).with_state(Topics::default());
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    // As axum's documentation advises for small writes; without it an event may wait for an acknowledgement.
    let listener = socket.listen(BACKLOG)?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, app) => served,
        _ = terminated.recv() => Ok(()),
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u16> {
    env::var(name).ok()?.parse().ok()
}

fn main() -> std::io::Result<()> {
    let Some(port) = number("PORT") else {
        return Err(std::io::Error::other("PORT is not a port"));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(number("WORKERS").unwrap_or(1).max(1).into())
        .enable_all()
        .build()?;
    runtime.block_on(serve(port))
}
