//! The direct lane: event streams over plain HTTP/1.1, whose bytes the hub writes to the sockets itself.
//!
//! Once a request is answered with a stream, its socket is taken from the HTTP connection and given to a shard: a task
//! that holds many sockets, has an epoll instance of its own, and writes each update to them one after the other. A
//! stream then costs no task, no buffer, no timer and no waking, only its place in the shard. There is one shard for
//! each worker thread of the runtime.

mod calendar;
mod carrier;
mod head;
mod joined;
mod shard;
mod tally;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tidings_hub::Subscription;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker, task_tracker::TaskTrackerToken};

use self::shard::ShardTask;
use crate::body::Body;
use crate::metrics::ConnectionCount;
use crate::script::Script;
use crate::serve::Stage;
use crate::server::Shared;
use crate::stream::EventStream;

/// How many newcomers may wait for a shard.
const MAX_NEWCOMERS: usize = 1_024;

/// The shards.
#[derive(Debug)]
pub(crate) struct DirectLane {
    shards: Vec<Shard>,
    connections: TaskTracker,
}

#[derive(Debug)]
struct Shard {
    newcomers: mpsc::Sender<Box<Newcomer>>,
    /// Every stream of the shard holds a reference.
    load: Arc<()>,
    _task: AbortOnDropHandle<()>,
}

/// A stream on its way to a shard.
#[derive(Debug)]
struct Newcomer {
    socket: std::net::TcpStream,
    /// The response's head.
    head: Bytes,
    subscription: Subscription,
    script: Script,
    place: Place,
}

/// What counts a stream's connection as open until it is dropped.
#[derive(Debug)]
struct Place {
    _count: ConnectionCount,
    _connection: TaskTrackerToken,
    _load: Arc<()>,
}

impl DirectLane {
    /// Starts a shard for each worker thread of the runtime.
    ///
    /// # Errors
    /// When the system has no epoll instance to give.
    pub(crate) fn start(
        shared: &Shared,
        stage: &watch::Sender<Stage>,
        connections: &TaskTracker,
    ) -> io::Result<Self> {
        let shard = |_| {
            let (sender, newcomers) = mpsc::channel(MAX_NEWCOMERS);
            let task = ShardTask::new(shared, newcomers, stage.subscribe())?;
            let task = AbortOnDropHandle::new(tokio::spawn(task.run()));
            Ok(Shard { newcomers: sender, load: Arc::default(), _task: task })
        };
        let workers = Handle::current().metrics().num_workers();
        let shards = (0..workers).map(shard).collect::<io::Result<_>>()?;
        Ok(Self { shards, connections: connections.clone() })
    }

    /// Carries a stream from now on, over a socket on which nothing of the response was written yet.
    pub(crate) async fn carry(
        &self,
        socket: std::net::TcpStream,
        head: &Response<()>,
        stream: EventStream,
        count: ConnectionCount,
    ) {
        let load = |shard: &&Shard| Arc::strong_count(&shard.load);
        let Some(shard) = self.shards.iter().min_by_key(load) else { return };
        // Refused only by a shard that is gone, as the server is then.
        let Ok(place_in_line) = shard.newcomers.reserve().await else { return };
        let (subscription, script) = stream.into_parts();
        let place = Place {
            _count: count,
            _connection: self.connections.token(),
            _load: Arc::clone(&shard.load),
        };
        let head = head::encode(head);
        let newcomer = Newcomer { socket, head, subscription, script, place };
        place_in_line.send(Box::new(newcomer));
    }
}

/// Takes a response apart if it is a stream.
pub(crate) fn take_stream(response: Response<Body>) -> Option<(Response<()>, EventStream)> {
    let (head, body) = response.into_parts();
    Some((Response::from_parts(head, ()), body.into_stream()?))
}
