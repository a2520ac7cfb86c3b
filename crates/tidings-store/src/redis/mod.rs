//! The log on Redis Streams, shared by all hubs that use the same server and name. Redis 7 or later, or Valkey.
//!
//! The log is a stream. Updates that are appended together are together in an entry, whose id is `0-` and the seq of the
//! last of them, so that Redis has little to do for each: its one thread is what bounds a log that all hubs share.
//! All that changes it is a script, which runs in the server whole and with nothing in between (`lua/`): appending,
//! with the check of idempotency keys; trimming; settling which log it is.
//!
//! | key | what is in it |
//! | --- | --- |
//! | `{name}:log` | the stream: `b` is where an entry's bytes begin of all that were ever in the log, each `r` a record |
//! | `{name}:meta` | a hash: `format`, `epoch`, `generation` (of epochs), `end` (where the next bytes begin), `base`, `last` and `oldest` (seqs) |
//! | `{name}:keys` | a hash: idempotency key to `seq:digest`, as long as the update is retained |
//! | `{name}:ids` | a sorted set: own ids, each with its seq, found by their beginning |
//! | `{name}:index` | a stream: what to remove from the two above when an update leaves |
//! | `{name}:bus` | the channel of [`RedisBus`] |
//!
//! What an acknowledgement is worth is the server's configuration: with `appendfsync always` an update survives a crash
//! of the server, with `everysec` the last second may be lost, without `appendonly` everything since the last snapshot.
//! A replica that takes over may lack what the primary acknowledged last, unless
//! [`wait_replicas`](RedisConfig::wait_replicas) asks for more. Hubs notice a loss and give the log another epoch
//! (`node.rs`).
//!
//! Retention by updates is exact. Retention by bytes counts records and what they are found by, with an estimate of
//! what each costs in the server; so the server's memory may be some percent more. Updates leave by age within a
//! second.
//!
//! A user with these rights is enough (with the log's own name): `~{tidings}:* &{tidings}:* +@scripting +@stream +@hash
//! +@sortedset +@keyspace +@pubsub +@connection +info`. Of a Redis Cluster the URL has to lead to the primary that has
//! the slot.
//!
//! - `config.rs` what an operator says, `engine.rs` connections, `fault.rs` errors in an operator's words
//! - `session.rs` a connection ready for a log, `node.rs` which log it is and whether it has lost something
//! - `queue.rs`, `batch.rs`, `writer.rs` appending
//! - `link.rs`, `read.rs` reading; `follow.rs`, `pace.rs` following; `trim.rs` what leaves
//! - `bus.rs` what hubs tell one another
//! - `answer.rs` reading answers, `backoff.rs` waiting between tries

mod answer;
mod backoff;
mod batch;
mod bus;
mod config;
mod engine;
mod fault;
mod follow;
mod link;
mod node;
mod pace;
mod queue;
mod read;
mod session;
mod trim;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tidings_hub::{
    AppendError, Appending, Bounds, Entry, Follow, Log, Logged, Mode, OwnId, Page, Unavailable,
    Wanted,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::bus::RedisBus;
pub use self::config::{ConnectError, RedisConfig};

use self::backoff::Backoff;
use self::batch::MAX_RECORD_BYTES;
use self::engine::{Engine, OpenError};
use self::follow::RedisFollow;
use self::link::Link;
use self::node::Node;
use self::queue::{Chunk, Queue, Record};
use self::read::Reader;
use self::session::Keys;
use self::writer::Writer;
use crate::record::{self, BadRecord};

/// How many records of a call that need not stay together are sent together.
const MAX_CHUNK_RECORDS: usize = 256;
/// How many bytes of them.
const MAX_CHUNK_BYTES: usize = 512 * 1024;

/// A log on Redis Streams.
///
/// [`Mode::All`] is all or none, with nothing of others' in between.
#[derive(Debug)]
pub struct RedisLog {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    reader: Reader,
    runtime: Handle,
    trimming: JoinHandle<()>,
}

impl RedisLog {
    /// Connects, and begins the log if there is none yet. While the server is away it tries again, for as long as the
    /// configuration's patience. Needs the runtime that it is called in for as long as the log is used.
    ///
    /// # Errors
    /// [`ConnectError::Config`] and [`ConnectError::File`] for what the operator has to change;
    /// [`ConnectError::Server`] when the server refuses us, or is still away.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connect(config: RedisConfig) -> Result<Self, ConnectError> {
        let engine = Arc::new(Engine::new(&config)?);
        let node = Arc::new(Node::new(keys(&config)?, engine.place().clone()));
        let queue = Arc::new(Queue::new(engine.place().clone()));
        let mut writer = Writer {
            engine: engine.clone(),
            node: node.clone(),
            queue: queue.clone(),
            retention: config.retention,
            replicas: config.wait_replicas,
            timeout: config.timeout,
            client: None,
        };
        let line =
            patiently(config.patience, &mut writer, |writer| Box::pin(writer.open())).await?;
        let link = Arc::new(Link::new(engine.clone(), node.clone()));
        tokio::spawn(writer.run(line));
        let trimming = tokio::spawn(trim::run(link.clone(), node.clone(), config.retention));
        Ok(Self {
            engine,
            queue,
            reader: Reader { link, node },
            runtime: Handle::current(),
            trimming,
        })
    }
}

/// What is queued is still sent.
impl Drop for RedisLog {
    fn drop(&mut self) {
        self.queue.close();
        self.trimming.abort();
    }
}

impl Log for RedisLog {
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> BoxFuture<'static, Vec<Appending>> {
        let mut refused: Vec<Option<AppendError>> = Vec::with_capacity(entries.len());
        let mut records = Vec::with_capacity(entries.len());
        for record in entries.iter().map(batch::record) {
            let bytes = record.bytes.len();
            let is_too_large = bytes > MAX_RECORD_BYTES;
            refused.push(
                is_too_large.then_some(AppendError::TooLarge { bytes, limit: MAX_RECORD_BYTES }),
            );
            if !is_too_large {
                records.push(record);
            }
        }
        drop(entries);
        if mode == Mode::All && records.len() < refused.len() {
            let out = || {
                AppendError::Unavailable(Unavailable::new(
                    "another update of the same request is too large",
                ))
            };
            let results = refused.into_iter().map(|why| Err(why.unwrap_or_else(out))).collect();
            return Box::pin(std::future::ready(results));
        }
        let (chunks, replies) = chunks(records, mode);
        let pushed = self.queue.push(chunks);
        Box::pin(async move {
            let mut results = Vec::with_capacity(refused.len());
            for reply in replies {
                results.extend(reply.await.unwrap_or_default());
            }
            // A writer that is gone has told nothing.
            let unheard =
                pushed.err().unwrap_or_else(|| Unavailable::new("the log on Redis was closed"));
            let mut results = results.into_iter();
            let mut next =
                || results.next().unwrap_or_else(|| Err(AppendError::Unavailable(unheard.clone())));
            refused.into_iter().map(|why| why.map_or_else(&mut next, Err)).collect()
        })
    }

    fn read(&self, wanted: Wanted) -> BoxFuture<'static, Result<Page, Unavailable>> {
        Box::pin(self.reader.clone().read(wanted))
    }

    fn find(&self, id: OwnId) -> BoxFuture<'static, Result<Option<u64>, Unavailable>> {
        Box::pin(self.reader.clone().find(id))
    }

    fn bounds(&self) -> BoxFuture<'static, Result<Bounds, Unavailable>> {
        Box::pin(self.reader.clone().bounds())
    }

    fn follow(&self, from: u64) -> Box<dyn Follow> {
        Box::new(RedisFollow::new(
            &self.runtime,
            self.engine.clone(),
            self.reader.node.clone(),
            from,
        ))
    }
}

/// Who waits for a chunk's results.
type Reply = oneshot::Receiver<Vec<Appending>>;

/// A call's records in pieces of a good size; those that must stay together in one.
fn chunks(records: Vec<Record>, mode: Mode) -> (Vec<Chunk>, Vec<Reply>) {
    let (mut chunks, mut replies) = (Vec::new(), Vec::new());
    let mut add = |records: Vec<Record>| {
        if records.is_empty() {
            return;
        }
        let (reply, result) = oneshot::channel();
        chunks.push(Chunk { records, is_group: mode == Mode::All, reply });
        replies.push(result);
    };
    let mut piece = Vec::new();
    let mut bytes = 0;
    for record in records {
        let is_full = piece.len() >= MAX_CHUNK_RECORDS || bytes >= MAX_CHUNK_BYTES;
        if is_full && mode == Mode::Each {
            add(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += record.bytes.len();
        piece.push(record);
    }
    add(piece);
    (chunks, replies)
}

/// A record as who follows or reads is given it.
fn logged(seq: u64, record: &[u8]) -> Result<Logged, BadRecord> {
    let Entry { update, at, .. } = record::decode(record)?;
    Ok(Logged { seq, at, update })
}

/// The names of the log's keys.
fn keys(config: &RedisConfig) -> Result<Arc<Keys>, ConnectError> {
    let name = &config.name;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_plain) {
        let what =
            "the log's name on the Redis server must be 1 to 100 letters, digits, and - _ . :";
        return Err(ConnectError::Config(what.to_owned()));
    }
    Ok(Arc::new(Keys::new(name)))
}

/// Opens something; while the server is away, again and again for so long.
async fn patiently<S, T>(
    patience: Duration,
    who: &mut S,
    open: impl Fn(&mut S) -> BoxFuture<'_, Result<T, OpenError>>,
) -> Result<T, ConnectError> {
    let begun = Instant::now();
    let mut backoff = Backoff::new();
    let mut told = None;
    loop {
        let fault = match open(who).await {
            Ok(opened) => return Ok(opened),
            Err(OpenError::Config(error)) => return Err(error),
            Err(OpenError::Fault(fault)) => fault,
        };
        if fault.is_lasting || begun.elapsed() >= patience {
            return Err(ConnectError::Server(fault.why));
        }
        if told.as_ref() != Some(&fault.why) {
            tracing::info!(why = %fault.why, "waiting for the Redis server");
            told = Some(fault.why);
        }
        backoff.pause().await;
    }
}
