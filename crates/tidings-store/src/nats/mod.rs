//! The log and the bus on NATS JetStream.
//!
//! The log is one stream; an update's seq is that of its message, and the message is the record. Publishers' own ids are in the
//! subjects, so the server's index of subjects finds them; idempotency keys are message ids, which the server knows for a
//! while.

mod api;
mod bus;
mod config;
mod conn;
mod follow;
mod keeper;
mod keys;
mod lane;
mod lineage;
mod link;
mod queue;
mod read;
mod servers;
mod stream;
mod trouble;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tidings_hub::{Appending, Bounds, Entry, Follow, Log, Mode, OwnId, Page, Unavailable, Wanted};

use crate::{Bus, Listen};

pub use config::{ConnectError, NatsConfig, Storage};

/// A log on NATS JetStream, and the bus of the hubs that share it. Needs NATS 2.9 or later.
///
/// # What it promises
/// - *Acknowledged* means that the stream's leader has the update, and with replicas the majority of them. A server writes
///   to its disk at once, but tells the disk to keep it only now and then (`sync_interval`, two minutes unless configured):
///   what is acknowledged survives the end of the server's process, and with three replicas the loss of a machine; with
///   one, a power cut can take the last updates. Then the log gets another epoch.
/// - An idempotency key is known for the stream's duplicate window ([`NatsConfig::keys_for`], but never longer than the
///   retention's age), counted from when the update was appended.
///   Where its message id is taken by something else (its first update has left the log, or two keys have the same mark),
///   the update is published once more, and comes after what was appended meanwhile.
/// - Each own id is a subject of the stream: the server keeps all retained ones in its memory.
/// - [`Mode::All`] is not atomic: the keys are looked at first, and if one refuses its update none is appended; then all are
///   published one after the other. Other publishers' updates may come between them, and where the connection is lost or
///   the stream takes no more, only the first of them may be in the log.
/// - What the stream's limits remove is removed by the server: [`News::Oldest`](tidings_hub::News::Oldest) tells it within
///   about a second.
/// - An epoch that was lost is noticed by the hubs that were connected before. If all of them were restarted while an older copy
///   of the stream was put in its place, nobody knows that it is an older one.
///
/// # Permissions
/// A user needs to publish to `NAME.log.>`, `NAME.bus`, `$JS.API.STREAM.{INFO,CREATE,UPDATE}.NAME`,
/// `$JS.API.STREAM.MSG.GET.NAME`, `$JS.API.DIRECT.GET.NAME`, `$JS.API.CONSUMER.CREATE.NAME` and
/// `$JS.API.CONSUMER.{MSG.NEXT,DELETE}.NAME.*`, and to subscribe to `NAME.bus` and `_INBOX.>`.
///
/// Dropping it appends what waits, and then closes the connection.
pub struct NatsLog(Arc<Open>);

/// What keeps the log open: followers have a part in it.
struct Open {
    link: Arc<link::Link>,
    queue: Arc<queue::Queue>,
    outgoing: bus::Outgoing,
}

impl NatsLog {
    /// Connects, makes the stream if there is none, and gives it the limits of the configuration. Must be called in a Tokio
    /// runtime, which it keeps tasks on.
    ///
    /// # Errors
    /// When the settings cannot be used or the servers refuse, at once; when they are away, after
    /// [`NatsConfig::connect_within`].
    ///
    /// # Cancel safety
    /// Cancel safe; the stream may have been made.
    pub async fn connect(config: NatsConfig) -> Result<Self, ConnectError> {
        let link = keeper::connect(config).await?;
        let queue = Arc::<queue::Queue>::default();
        tokio::spawn(lane::Lane::new(Arc::clone(&link), Arc::clone(&queue)).run());
        let outgoing = bus::outbox(Arc::clone(&link));
        Ok(Self(Arc::new(Open { link, queue, outgoing })))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for NatsLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsLog").field("config", &self.0.link.config).finish_non_exhaustive()
    }
}

impl Log for NatsLog {
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> BoxFuture<'static, Vec<Appending>> {
        self.0.queue.append(&self.0.link, &entries, mode)
    }

    fn read(&self, wanted: Wanted) -> BoxFuture<'static, Result<Page, Unavailable>> {
        let link = Arc::clone(&self.0.link);
        Box::pin(async move { read::read(&link, wanted).await })
    }

    fn find(&self, id: OwnId) -> BoxFuture<'static, Result<Option<u64>, Unavailable>> {
        let link = Arc::clone(&self.0.link);
        Box::pin(async move { read::find(&link, &id).await })
    }

    fn bounds(&self) -> BoxFuture<'static, Result<Bounds, Unavailable>> {
        let link = Arc::clone(&self.0.link);
        Box::pin(async move {
            let up = link.up()?;
            let bounds = link.look(&up).await.map_err(|trouble| link.unavailable(&trouble))?;
            *link.told.lock() = Some(bounds.epoch);
            Ok(bounds)
        })
    }

    fn follow(&self, from: u64) -> Box<dyn Follow> {
        Box::new(follow::Follower::new(Arc::clone(&self.0), from))
    }
}

impl Bus for NatsLog {
    fn send(&self, message: Bytes) -> BoxFuture<'static, Result<(), Unavailable>> {
        bus::send(&self.0.link, &self.0.outgoing, message)
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::new(bus::Listener { said: self.0.link.bus.subscribe() })
    }
}
