//! How hubs that share a Redis talk to one another: PUBLISH and SUBSCRIBE on one channel.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline};
use tidings_hub::Unavailable;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::answer;
use super::backoff::Backoff;
use super::config::{ConnectError, RedisConfig};
use super::engine::{Engine, OpenError};
use super::fault::Fault;
use super::session::Keys;
use crate::{Bus, Listen, MAX_MESSAGE_BYTES};

/// How many messages wait to be sent: at most 64 MiB.
const MAX_UNSENT: usize = 128;
/// How many are sent together.
const MAX_TOGETHER: usize = 32;
/// How many wait between the connection and those who listen.
const MAX_UNHEARD: usize = 256;
/// How many bytes wait for one who listens. What comes when there are more is lost for that one.
const MAX_UNHEARD_BYTES: usize = 16 * 1024 * 1024;
/// How often the server is asked whether it is still there: a dead connection says nothing.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The bus of the hubs that share a log on Redis.
#[derive(Debug)]
pub struct RedisBus {
    unsent: mpsc::Sender<Unsent>,
    listening: Arc<Listening>,
}

/// A message on its way, and who waits for it.
struct Unsent {
    message: Bytes,
    reply: oneshot::Sender<Result<(), Unavailable>>,
}

impl RedisBus {
    /// Connects, and listens when it returns. Needs the runtime that it is called in for as long as it is used.
    ///
    /// # Errors
    /// As [`RedisLog::connect`](super::RedisLog::connect).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connect(config: RedisConfig) -> Result<Self, ConnectError> {
        let engine = Arc::new(Engine::new(&config)?);
        let keys = super::keys(&config)?;
        let ears = Arc::new(Ears::default());
        let mut listener =
            Listener { engine: engine.clone(), keys: keys.clone(), ears: ears.clone() };
        let line =
            super::patiently(config.patience, &mut listener, |listener| Box::pin(listener.open()))
                .await?;
        let (unsent, waiting) = mpsc::channel(MAX_UNSENT);
        tokio::spawn(send(engine, keys, waiting));
        let task = tokio::spawn(listener.run(line));
        Ok(Self { unsent, listening: Arc::new(Listening { ears, task }) })
    }
}

impl Bus for RedisBus {
    fn send(&self, message: Bytes) -> BoxFuture<'static, Result<(), Unavailable>> {
        if message.len() > MAX_MESSAGE_BYTES {
            let why = Unavailable::new(format_args!(
                "a message has {} bytes, more than {MAX_MESSAGE_BYTES}",
                message.len()
            ));
            return Box::pin(std::future::ready(Err(why)));
        }
        let (reply, result) = oneshot::channel();
        let taken = self.unsent.try_send(Unsent { message, reply }).is_ok();
        Box::pin(async move {
            let lost = || Unavailable::new("too many messages wait for the Redis server already");
            if taken { result.await.unwrap_or_else(|_| Err(lost())) } else { Err(lost()) }
        })
    }

    fn listen(&self) -> Box<dyn Listen> {
        let ear = self.listening.ears.another();
        Box::new(RedisListen { ear, _listening: self.listening.clone() })
    }
}

/// Sends what comes, in order, until nothing more does.
async fn send(engine: Arc<Engine>, keys: Arc<Keys>, mut waiting: mpsc::Receiver<Unsent>) {
    let mut connection: Option<MultiplexedConnection> = None;
    let mut together = Vec::new();
    while waiting.recv_many(&mut together, MAX_TOGETHER).await > 0 {
        let result = publish(&engine, &keys, &mut connection, &together).await;
        if result.is_err() {
            connection = None;
        }
        for unsent in together.drain(..) {
            // Nobody may wait any more.
            drop(unsent.reply.send(result.clone()));
        }
    }
}

async fn publish(
    engine: &Engine,
    keys: &Keys,
    connection: &mut Option<MultiplexedConnection>,
    messages: &[Unsent],
) -> Result<(), Unavailable> {
    let opened = if let Some(opened) = connection.take() {
        opened
    } else {
        let (pushed, _) = mpsc::channel(1);
        let opened = engine.open(Duration::ZERO, pushed).await;
        opened.map_err(|error| error.into_fault(engine.place()).why)?
    };
    let mut publish = Pipeline::with_capacity(messages.len());
    for unsent in messages {
        publish.cmd("PUBLISH").arg(&keys.channel).arg(unsent.message.as_ref());
    }
    let answers = connection.insert(opened).send_packed_commands(&publish, 0, messages.len()).await;
    let answers = answers.and_then(answer::all);
    answers.map(drop).map_err(|error| engine.fault("send a message to the other hubs", &error).why)
}

/// Listens on the channel for all who listen here.
struct Listener {
    engine: Arc<Engine>,
    keys: Arc<Keys>,
    ears: Arc<Ears>,
}

/// A connection that listens.
struct Line {
    connection: MultiplexedConnection,
    messages: mpsc::Receiver<Vec<u8>>,
}

impl Listener {
    async fn open(&mut self) -> Result<Line, OpenError> {
        let (pushed, messages) = mpsc::channel(MAX_UNHEARD);
        let mut connection = self.engine.open(Duration::ZERO, pushed).await?;
        let subscribed = connection.subscribe(&self.keys.channel).await;
        subscribed.map_err(|error| {
            OpenError::Fault(self.engine.fault("listen to the other hubs", &error))
        })?;
        Ok(Line { connection, messages })
    }

    async fn run(mut self, mut line: Line) {
        loop {
            let why = self.hear(line).await.why;
            tracing::warn!(%why, "other hubs cannot be heard for now");
            let mut backoff = Backoff::new();
            line = loop {
                backoff.pause().await;
                if let Ok(line) = self.open().await {
                    break line;
                }
            };
            tracing::info!(place = %self.engine.place(), "other hubs are heard again");
        }
    }

    /// Passes on what is heard on one connection, until it ends.
    async fn hear(&self, mut line: Line) -> Fault {
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let doing = "listen to the other hubs";
        loop {
            // What is heard while the server is asked waits in the channel.
            tokio::select! {
                message = line.messages.recv() => match message {
                    Some(message) => self.ears.hear(&message.into()),
                    None => return Fault::strange(self.engine.place(), doing, "the connection was lost"),
                },
                _ = ask.tick() => {
                    let mut ping = Cmd::new();
                    ping.arg("PING");
                    if let Err(error) = line.connection.send_packed_command(&ping).await {
                        return self.engine.fault(doing, &error);
                    }
                }
            }
        }
    }
}

/// The task that listens, for as long as somebody needs it.
#[derive(Debug)]
struct Listening {
    ears: Arc<Ears>,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All who listen here.
#[derive(Default)]
struct Ears(Mutex<Vec<Weak<Ear>>>);

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").field("count", &self.0.lock().len()).finish()
    }
}

/// One who listens, and what it has not heard yet.
#[derive(Default)]
struct Ear {
    unheard: Mutex<Unheard>,
    bell: Notify,
}

#[derive(Default)]
struct Unheard {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Ears {
    fn another(&self) -> Arc<Ear> {
        let ear = Arc::new(Ear::default());
        self.0.lock().push(Arc::downgrade(&ear));
        ear
    }

    fn hear(&self, message: &Bytes) {
        if message.len() > MAX_MESSAGE_BYTES {
            return;
        }
        self.0.lock().retain(|ear| {
            let Some(ear) = ear.upgrade() else { return false };
            let mut unheard = ear.unheard.lock();
            if unheard.bytes + message.len() <= MAX_UNHEARD_BYTES {
                unheard.bytes += message.len();
                unheard.messages.push_back(message.clone());
                ear.bell.notify_one();
            }
            true
        });
    }
}

struct RedisListen {
    ear: Arc<Ear>,
    _listening: Arc<Listening>,
}

impl Listen for RedisListen {
    fn next(&mut self) -> BoxFuture<'_, Bytes> {
        Box::pin(async {
            loop {
                {
                    let mut unheard = self.ear.unheard.lock();
                    if let Some(message) = unheard.messages.pop_front() {
                        unheard.bytes = unheard.bytes.saturating_sub(message.len());
                        return message;
                    }
                }
                self.ear.bell.notified().await;
            }
        })
    }
}
