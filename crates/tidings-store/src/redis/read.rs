//! Reading what the log retains: pages of it, own ids, its bounds.

use std::collections::HashSet;
use std::sync::Arc;

use redis::Value;
use tidings_hub::{Bounds, Epoch, Logged, OwnId, Page, Unavailable, Wanted};

use super::answer::{self, Updates};
use super::batch;
use super::fault::Fault;
use super::link::Link;
use super::node::Node;
use super::session::{Script, Session};

/// How many updates a page is made from at the most. Redis knows no topics: they are all read, and chosen from here.
const MAX_SEARCHED: usize = 1024;
/// After how many bytes no more are read in search of topics.
const MAX_SEARCHED_BYTES: usize = 1024 * 1024;

/// Who reads.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) link: Arc<Link>,
    pub(super) node: Arc<Node>,
}

/// What a page was made from.
pub(super) struct Found {
    pub(super) epoch: Epoch,
    oldest: u64,
    /// The newest seq that there is.
    pub(super) last: u64,
    /// Up to where it was read.
    pub(super) next: u64,
    pub(super) entries: Updates,
}

impl Reader {
    pub(super) async fn bounds(self) -> Result<Bounds, Unavailable> {
        let session = self.link.session().await?;
        let bounds = match self.node.look(&session).await {
            Ok(look) => match look.bounds.filter(|bounds| self.node.is_as_known(bounds)) {
                Some(bounds) => Ok(bounds),
                None => self.node.settle(&session).await,
            },
            Err(fault) => Err(fault),
        };
        let bounds = bounds.map_err(|fault| self.link.failed(fault))?;
        self.node.tell(bounds.epoch);
        Ok(bounds)
    }

    pub(super) async fn find(self, id: OwnId) -> Result<Option<u64>, Unavailable> {
        let session = self.link.session().await?;
        let which = match id {
            OwnId::Hub { .. } => "oldest",
            OwnId::Topic { .. } => "newest",
        };
        let doing = "look for an id";
        let found = session.run(Script::Find, doing, &[batch::listed(&id).as_str(), which]).await;
        let found =
            found.and_then(|found| answer::number(found).ok_or_else(|| session.strange(doing)));
        let found = found.map_err(|fault| self.link.failed(fault))?;
        Ok(Some(found).filter(|seq| *seq > 0))
    }

    pub(super) async fn read(self, wanted: Wanted) -> Result<Page, Unavailable> {
        let session = self.link.session().await?;
        let found = match self.found(&session, &wanted).await {
            // It was deleted just now: whoever finds out first begins it anew.
            Ok(None) => match self.node.settle(&session).await {
                Ok(_) => self.found(&session, &wanted).await,
                Err(fault) => Err(fault),
            },
            found => found,
        };
        let found = found.and_then(|found| found.ok_or_else(|| session.strange(READING)));
        Ok(page(&wanted, found.map_err(|fault| self.link.failed(fault))?))
    }

    async fn found(&self, session: &Session, wanted: &Wanted) -> Result<Option<Found>, Fault> {
        let (most, bytes) = match wanted.topics {
            Some(_) => (MAX_SEARCHED, MAX_SEARCHED_BYTES),
            None => (wanted.max_updates.clamp(1, MAX_SEARCHED), wanted.max_bytes.max(1)),
        };
        found(session, wanted.from.max(1), wanted.until, most, bytes).await
    }
}

const READING: &str = "read the log";

/// Reads so many entries from a seq on, and none after so many bytes. `None`: the log is gone.
pub(super) async fn found(
    session: &Session,
    from: u64,
    until: u64,
    most: usize,
    bytes: usize,
) -> Result<Option<Found>, Fault> {
    let args = [from, until, most as u64, bytes as u64];
    let answer = session.run(Script::Page, READING, &args).await?;
    let parts = answer::list(answer).ok_or_else(|| session.strange(READING))?;
    if let [Value::BulkString(word)] = parts.as_slice()
        && word == b"lost"
    {
        return Ok(None);
    }
    parsed(parts).map(Some).ok_or_else(|| session.strange(READING))
}

fn parsed(parts: Vec<Value>) -> Option<Found> {
    let mut parts = parts.into_iter();
    let epoch = answer::text(parts.next()?)?.parse().ok()?;
    let oldest = answer::number(parts.next()?)?;
    let last = answer::number(parts.next()?)?;
    let next = answer::number(parts.next()?)?;
    let mut entries = Vec::new();
    while let Some(seq) = parts.next() {
        entries.push((answer::number(seq)?, answer::bytes(parts.next()?)?));
    }
    Some(Found { epoch, oldest, last, next, entries })
}

/// Chooses what is wanted.
fn page(wanted: &Wanted, found: Found) -> Page {
    let Found { epoch, oldest, mut next, entries, .. } = found;
    let topics: Option<HashSet<&str>> =
        wanted.topics.as_ref().map(|topics| topics.iter().map(AsRef::as_ref).collect());
    let mut updates: Vec<Logged> = Vec::new();
    let mut bytes = 0;
    for (seq, record) in entries {
        // One that cannot be read was told of by who follows the log.
        let Ok(logged) = super::logged(seq, &record) else { continue };
        let is_wanted = |topics: &HashSet<&str>| {
            logged.update.topics.iter().any(|topic| topics.contains(topic.as_str()))
        };
        if !topics.as_ref().is_none_or(is_wanted) {
            continue;
        }
        if updates.len() >= wanted.max_updates.max(1)
            || (bytes >= wanted.max_bytes && !updates.is_empty())
        {
            next = seq;
            break;
        }
        bytes += record.len();
        updates.push(logged);
    }
    Page { epoch, updates, next: next.min(wanted.until.max(wanted.from)), oldest }
}
