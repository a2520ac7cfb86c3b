//! What has happened for a shard since it last looked: updates that somebody in it may receive, and subscriptions that
//! were told to end. Written under the hub's lock, read by the shard without it.

use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::index::NodeKey;
use crate::position::{Epoch, Position};
use crate::shard::SeatKey;
use crate::subscriber::SubscriberId;
use crate::update::LoggedUpdate;

/// How many notices of updates may wait, and how many bytes of updates.
const MAX_NOTICES: usize = 16 * 1024;
const MAX_NOTICE_BYTES: usize = 4 * 1024 * 1024;

/// An update, and one of the nodes through which it reaches subscribers of the shard.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) update: Arc<LoggedUpdate>,
    pub(crate) node: NodeKey,
}

/// What waits for a shard.
#[derive(Debug)]
pub(crate) struct Inbox {
    contents: Mutex<Contents>,
    max_notices: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Contents {
    news: News,
    /// What the updates of the notices keep in memory, each once.
    bytes: usize,
    waker: Option<Waker>,
}

/// Everything that came since the last look.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// In log order.
    pub(crate) notices: Vec<Notice>,
    /// Once the shard is too far behind to be given each update: the first one of each node, none before those of
    /// `notices`. Whoever listens to such a node reads on from the log. So what waits is bounded.
    pub(crate) overdue: HashMap<NodeKey, Position>,
    /// Updates from this one on have left the log before they came: whoever is up to date until there reads on from the
    /// log, which tells of them. None of `notices` came later.
    pub(crate) skipped: Option<Position>,
    /// Another log has begun: whatever was handed over, all of it from this seq on is owed. What is noted above came later.
    pub(crate) anew: Option<(Epoch, u64)>,
    /// For whom something was read from the log behind the hub.
    pub(crate) roused: Vec<(SeatKey, SubscriberId)>,
    /// Who was told to end, after all that came before was handed over.
    pub(crate) ending: Vec<(SeatKey, SubscriberId)>,
    /// Who was told to end before anything else is handed over.
    pub(crate) ending_at_once: Vec<(SeatKey, SubscriberId)>,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
            && self.overdue.is_empty()
            && self.skipped.is_none()
            && self.anew.is_none()
            && self.roused.is_empty()
            && self.ending.is_empty()
            && self.ending_at_once.is_empty()
    }

    fn clear(&mut self) {
        self.notices.clear();
        self.overdue.clear();
        self.skipped = None;
        self.anew = None;
        self.roused.clear();
        self.ending.clear();
        self.ending_at_once.clear();
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new(MAX_NOTICES, MAX_NOTICE_BYTES)
    }
}

impl Inbox {
    /// An inbox in which so many notices may wait, and so many bytes of updates beside one that may be larger.
    pub(crate) fn new(max_notices: usize, max_bytes: usize) -> Self {
        Self { contents: Mutex::default(), max_notices, max_bytes }
    }

    /// Notes an update for the subscribers that a node has in this shard. Gives whom to wake.
    pub(crate) fn notify(&self, update: &Arc<LoggedUpdate>, node: NodeKey) -> Option<Waker> {
        let mut contents = self.contents.lock();
        let Contents { news, bytes, waker } = &mut *contents;
        let is_full = news.notices.len() >= self.max_notices || *bytes >= self.max_bytes;
        if is_full || news.skipped.is_some() {
            news.overdue.entry(node).or_insert(update.position);
        } else {
            // It is noted for each of its nodes in turn.
            let is_new = news.notices.last().is_none_or(|last| !Arc::ptr_eq(&last.update, update));
            if is_new {
                *bytes += update.weight() + update.topics().map(str::len).sum::<usize>();
            }
            news.notices.push(Notice { update: Arc::clone(update), node });
        }
        waker.take()
    }

    /// Notes that another log has begun, and forgets what came of the old one. Gives whom to wake.
    pub(crate) fn begin_anew(&self, epoch: Epoch, oldest: u64) -> Option<Waker> {
        let mut contents = self.contents.lock();
        contents.news.notices.clear();
        contents.news.overdue.clear();
        contents.news.skipped = None;
        contents.bytes = 0;
        contents.news.anew = Some((epoch, oldest));
        contents.waker.take()
    }

    /// Notes that updates from this one on will not come. Gives whom to wake.
    pub(crate) fn skip(&self, from: Position) -> Option<Waker> {
        let mut contents = self.contents.lock();
        contents.news.skipped.get_or_insert(from);
        contents.waker.take()
    }

    /// Notes that there is something to read for a subscription that has waited for it. Gives whom to wake.
    pub(crate) fn rouse(&self, seat: SeatKey, id: SubscriberId) -> Option<Waker> {
        let mut contents = self.contents.lock();
        contents.news.roused.push((seat, id));
        contents.waker.take()
    }

    /// Notes that a subscription was told to end. Gives whom to wake.
    pub(crate) fn end(&self, seat: SeatKey, id: SubscriberId) -> Option<Waker> {
        let mut contents = self.contents.lock();
        contents.news.ending.push((seat, id));
        contents.waker.take()
    }

    /// Notes that a subscription was told to end at once. Gives whom to wake.
    pub(crate) fn end_at_once(&self, seat: SeatKey, id: SubscriberId) -> Option<Waker> {
        let mut contents = self.contents.lock();
        contents.news.ending_at_once.push((seat, id));
        contents.waker.take()
    }

    /// Exchanges what came for `taken`, which is emptied; `false`, and `waker` is noted, when nothing did.
    pub(crate) fn take(&self, taken: &mut News, waker: &Waker) -> bool {
        let mut contents = self.contents.lock();
        if contents.news.is_empty() {
            let is_known = contents.waker.as_ref().is_some_and(|known| known.will_wake(waker));
            let replaced = if is_known { None } else { contents.waker.replace(waker.clone()) };
            drop(contents);
            // To drop a waker may run code that uses the hub, and so this inbox.
            drop(replaced);
            return false;
        }
        taken.clear();
        std::mem::swap(&mut contents.news, taken);
        contents.bytes = 0;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.contents.lock().news.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(seq: u64, topics: &[&str]) -> Arc<LoggedUpdate> {
        let epoch = "abcdefgh".parse().unwrap();
        Arc::new(LoggedUpdate {
            position: Position { epoch, seq },
            id: tidings_wire::EventId::default(),
            frame: bytes::Bytes::from_static(&[0; 100]),
            logged_at: tokio::time::Instant::now(),
            topics: topics.iter().map(|&topic| topic.into()).collect(),
            private: false,
            own_id: None,
            idempotency: None,
        })
    }

    type Notices = Vec<(u64, NodeKey)>;
    type Overdue = Vec<(NodeKey, u64)>;

    /// Notes an update on each of these nodes for each seq, and gives what is taken then: the notices and what is overdue.
    fn noted(inbox: &Inbox, updates: &[(u64, &[NodeKey])], topics: &[&str]) -> (Notices, Overdue) {
        for &(seq, nodes) in updates {
            let update = update(seq, topics);
            for &node in nodes {
                drop(inbox.notify(&update, node));
            }
        }
        let mut news = News::default();
        assert!(inbox.take(&mut news, Waker::noop()));
        let notices = news.notices.iter().map(|n| (n.update.position.seq, n.node)).collect();
        let first = |(node, at): (NodeKey, Position)| (node, at.seq);
        let mut overdue: Vec<_> = news.overdue.into_iter().map(first).collect();
        overdue.sort_unstable();
        (notices, overdue)
    }

    #[test]
    fn what_is_too_much_is_noted_by_the_first_update_of_each_node() {
        let inbox = Inbox::new(3, usize::MAX);
        let (notices, overdue) =
            noted(&inbox, &[(1, &[7]), (2, &[7, 8]), (3, &[7]), (4, &[8, 9]), (5, &[9, 7])], &[]);
        assert_eq!(notices, [(1, 7), (2, 7), (2, 8)]);
        assert_eq!(overdue, [(7, 3), (8, 4), (9, 4)]);
        // There is room again, once it was taken.
        assert_eq!(noted(&inbox, &[(6, &[7])], &[]), (vec![(6, 7)], Vec::new()));
    }

    #[test]
    fn nothing_is_noted_by_itself_after_something_was_overdue() {
        let inbox = Inbox::new(1, usize::MAX);
        let (notices, overdue) = noted(&inbox, &[(1, &[7, 8]), (2, &[7])], &[]);
        assert_eq!((notices, overdue), (vec![(1, 7)], vec![(7, 2), (8, 1)]));
    }

    #[test]
    fn an_update_counts_its_bytes_once_however_many_nodes_it_has() {
        let weight = update(1, &[]).weight();
        let inbox = Inbox::new(usize::MAX, 2 * weight + 1);
        let (notices, overdue) =
            noted(&inbox, &[(1, &[1, 2, 3, 4, 5]), (2, &[1, 2]), (3, &[1]), (4, &[1])], &[]);
        assert_eq!((notices.len(), overdue), (8, vec![(1, 4)]));
    }

    /// Only frames were counted: 16,384 small updates of a thousand long topics each could wait, gigabytes.
    #[test]
    fn the_topics_of_an_update_count_as_they_are_kept_with_it() {
        let long = "x".repeat(1_000);
        let inbox = Inbox::new(usize::MAX, 2_000);
        let (notices, overdue) = noted(&inbox, &[(1, &[1]), (2, &[1]), (3, &[1])], &[&long]);
        assert_eq!((notices.len(), overdue), (2, vec![(1, 3)]));
    }
}
