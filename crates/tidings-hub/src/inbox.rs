//! What has happened for a shard since it last looked: updates that somebody in it may receive, and subscriptions that
//! were told to end. Written under the hub's lock, read by the shard without it.

use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::index::NodeKey;
use crate::shard::SeatKey;
use crate::subscriber::SubscriberId;
use crate::update::LoggedUpdate;

/// How many notices of updates may wait, and how many bytes of frames.
const MAX_NOTICES: usize = 16 * 1024;
const MAX_NOTICE_BYTES: usize = 4 * 1024 * 1024;

/// An update, and one of the nodes through which it reaches subscribers of the shard.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) update: Arc<LoggedUpdate>,
    pub(crate) node: NodeKey,
}

/// What waits for a shard.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    news: News,
    bytes: usize,
    waker: Option<Waker>,
}

/// Everything that came since the last look.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// In log order.
    pub(crate) notices: Vec<Notice>,
    /// Once the shard is too far behind to be given each update: the first one of each node, all later than those of
    /// `notices`. Whoever listens to such a node reads on from the log. So what waits is bounded.
    pub(crate) overdue: HashMap<NodeKey, u64>,
    /// Who was told to end, after all that came before was handed over.
    pub(crate) ending: Vec<(SeatKey, SubscriberId)>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.overdue.is_empty() && self.ending.is_empty()
    }

    fn clear(&mut self) {
        self.notices.clear();
        self.overdue.clear();
        self.ending.clear();
    }
}

impl Inbox {
    /// Notes an update for the subscribers that a node has in this shard. Gives whom to wake.
    pub(crate) fn notify(&self, update: &Arc<LoggedUpdate>, node: NodeKey) -> Option<Waker> {
        let mut contents = self.0.lock();
        let Contents { news, bytes, waker } = &mut *contents;
        let is_full = news.notices.len() >= MAX_NOTICES || *bytes >= MAX_NOTICE_BYTES;
        if is_full || !news.overdue.is_empty() {
            news.overdue.entry(node).or_insert(update.position.seq);
        } else {
            *bytes += update.frame.len();
            news.notices.push(Notice { update: Arc::clone(update), node });
        }
        waker.take()
    }

    /// Notes that a subscription was told to end. Gives whom to wake.
    pub(crate) fn end(&self, seat: SeatKey, id: SubscriberId) -> Option<Waker> {
        let mut contents = self.0.lock();
        contents.news.ending.push((seat, id));
        contents.waker.take()
    }

    /// Exchanges what came for `taken`, which is emptied; `false`, and `waker` is noted, when nothing did.
    pub(crate) fn take(&self, taken: &mut News, waker: &Waker) -> bool {
        let mut contents = self.0.lock();
        if contents.news.is_empty() {
            contents.waker = Some(waker.clone());
            return false;
        }
        taken.clear();
        std::mem::swap(&mut contents.news, taken);
        contents.bytes = 0;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().news.is_empty()
    }
}
