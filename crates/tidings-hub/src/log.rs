//! The log behind a hub: one that outlives its process, or that several hubs share. What the hub itself holds in memory is
//! the log's newest part (`tail.rs`); a hub with no log behind it has only that.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_core::future::BoxFuture;

use crate::position::Epoch;
use crate::update::Update;

/// A log that outlives the hub's process, or that several hubs share.
///
/// It is one sequence of updates. Each has a seq: the first has 1, each later one has one more. Nothing is ever put
/// before another update or changed; what the retention no longer keeps leaves at the old end.
///
/// Every future may be dropped at any time; what an [`append`](Self::append) was given is appended all the same.
pub trait Log: fmt::Debug + Send + Sync {
    /// Appends updates at the end, in their order and in that of the calls: what one call was given comes after what an
    /// earlier call was given, awaited or not. The work begins with the call, not when the future is polled.
    ///
    /// There is one result for each entry, once all of them are settled. One that is appended survives what the log
    /// promises to survive.
    ///
    /// An entry with an idempotency key that a retained update has is not appended again: it is
    /// [`repeated`](Appended::repeated) where the digests are equal, else refused as [`AppendError::KeyReused`].
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> BoxFuture<'static, Vec<Appending>>;

    /// Reads updates from a seq on, in order.
    fn read(&self, wanted: Wanted) -> BoxFuture<'static, Result<Page, Unavailable>>;

    /// The seq of the update that a publisher's own id means, if one is retained.
    fn find(&self, id: OwnId) -> BoxFuture<'static, Result<Option<u64>, Unavailable>>;

    /// What the log retains now.
    fn bounds(&self) -> BoxFuture<'static, Result<Bounds, Unavailable>>;

    /// Follows the log from a seq on.
    fn follow(&self, from: u64) -> Box<dyn Follow>;
}

/// What follows a log: everything that is in it from some seq on, and everything that happens to it.
pub trait Follow: Send {
    /// Waits for what comes next. It goes on for as long as it is asked; while the log is unavailable it waits, and tries
    /// again by itself.
    ///
    /// # Cancel safety
    /// Cancel safe: what was not returned comes with the next call.
    fn next(&mut self) -> BoxFuture<'_, News>;
}

/// What has happened to a log.
#[derive(Debug)]
pub enum News {
    /// The next updates, in order and without a hole: where an update was removed from the middle by somebody else, its
    /// place is passed over.
    Updates(Vec<Logged>),
    /// What comes before this seq is retained no longer. Where some of that was not given yet, this comes before the
    /// updates that follow it: a hub tells its subscribers of what is lost so, and takes any other hole for updates that
    /// were removed.
    Oldest(u64),
    /// The log was lost and begun anew, or has lost its end: its updates are others now, whatever their seqs, and so its
    /// epoch is another one. What comes next begins with its oldest.
    Anew(Bounds),
    /// The log is unavailable for now.
    Away(Unavailable),
    /// It is available again.
    Back,
}

/// Whether several updates are appended each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each for itself: that one is refused does not keep the others out, and other publishers' may come between.
    Each,
    /// All or none, with no other publisher's between them. Where one is refused, the result of every other is
    /// [`AppendError::Unavailable`] or any other error, and nothing is appended. A log that cannot do this says so in its
    /// documentation, and appends them as near to it as it can.
    All,
}

/// An update that is to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The update. Its topics are distinct, and its own id is not empty.
    pub update: Update,
    /// What tells whether two updates with the same idempotency key are the same.
    pub digest: u64,
    /// When the publisher's request came.
    pub at: SystemTime,
}

/// The result of an entry.
pub type Appending = Result<Appended, AppendError>;

/// Where an update is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of which log.
    pub epoch: Epoch,
    /// Where in it.
    pub seq: u64,
    /// Whether an earlier append with the same idempotency key has put it there.
    pub repeated: bool,
}

/// Why an update was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// Another update has the same idempotency key.
    KeyReused,
    /// It is larger than the log takes.
    TooLarge {
        /// How large it is, in bytes.
        bytes: usize,
        /// How large one may be, in bytes.
        limit: usize,
    },
    /// The log cannot be written to now. Where a shared log's answer was lost, the update may be in it all the same;
    /// to append it again with the same idempotency key does no harm.
    Unavailable(Unavailable),
}

/// The log cannot be reached, or takes nothing, for now.
#[derive(Clone, PartialEq, Eq)]
pub struct Unavailable(Arc<str>);

impl Unavailable {
    /// `why` is for the operator: what happened and where, without secrets.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unavailable {}

/// Which updates are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The first seq.
    pub from: u64,
    /// The seq before which the reading ends.
    pub until: u64,
    /// Only updates about one of these topics matter; `None`: all do. A log without an index of topics may give others,
    /// too.
    pub topics: Option<Arc<[Arc<str>]>>,
    /// How many updates at the most; at least one.
    pub max_updates: usize,
    /// After how many bytes of data and of the names of topics no more are read. A single update may be larger.
    pub max_bytes: usize,
}

/// Some of the updates that were wanted.
#[derive(Debug)]
pub struct Page {
    /// Of which log.
    pub epoch: Epoch,
    /// In order.
    pub updates: Vec<Logged>,
    /// Up to where the log was searched: the seq from which to read on, at most `until`.
    pub next: u64,
    /// The oldest seq that the log retained when it was read. What was wanted from before it is lost.
    pub oldest: u64,
}

/// An update that is in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Where.
    pub seq: u64,
    /// When it was appended, or its publisher's request came.
    pub at: SystemTime,
    /// The update. Its idempotency key may be left out.
    pub update: Update,
}

/// A publisher's own id, and where it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnId {
    /// Among those in the scope of the hub: of equal ids the oldest retained one counts.
    Hub {
        /// The id.
        id: String,
    },
    /// Among those in the scope of a canonical topic: of equal ids the newest counts.
    Topic {
        /// The topic.
        topic: Arc<str>,
        /// The id.
        id: String,
    },
}

/// What a log retains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Which log it is.
    pub epoch: Epoch,
    /// The oldest retained update, or the next one when nothing is retained.
    pub oldest: u64,
    /// The seq that the next update will have.
    pub next: u64,
    /// About how many bytes the retained updates are, where the log knows.
    pub bytes: Option<u64>,
}
