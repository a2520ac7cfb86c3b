//! Questions that all other hubs are asked, and what has come back.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::id::NodeId;
use super::message::OpenSubscription;

/// How many bytes of subscriptions all hubs together may answer with, to all questions that are open. Of one whose answer
/// is too large nothing more is kept, and it counts as one that has not answered.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// What a subscription weighs beside its texts.
const SUBSCRIPTION_WEIGHT: usize = 80;

/// The questions that are open.
#[derive(Debug)]
pub(crate) struct Rounds {
    last_call: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Asked>>>,
    /// For how many bytes of subscriptions there is room.
    room: Arc<AtomicUsize>,
}

/// A question that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    rounds: &'a Rounds,
    /// Which question the answers are to.
    pub(crate) call: u64,
    asked: Arc<Asked>,
}

#[derive(Debug)]
struct Asked {
    answers: Mutex<Gathering>,
    /// Tells that somebody has answered, or will not.
    news: Notify,
}

#[derive(Debug)]
struct Gathering {
    count: u64,
    room: Arc<AtomicUsize>,
    /// How much of the room this has.
    taken: usize,
    /// Who has not answered to the end, and what has come from there.
    missing: BTreeMap<NodeId, Partly>,
    open: Vec<OpenSubscription>,
}

#[derive(Debug, Default)]
struct Partly {
    /// Which part comes next.
    next: u32,
    open: Vec<OpenSubscription>,
}

/// What the other hubs have answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The sum of the numbers that were answered.
    pub(crate) count: u64,
    /// Subscriptions, those of answers that are not complete among them.
    pub(crate) open: Vec<OpenSubscription>,
    /// Who has not answered, or not to the end.
    pub(crate) missing: Vec<NodeId>,
    /// Whether the question was not heard, not even here: there may be hubs that are not known of.
    pub(crate) is_unasked: bool,
}

impl Default for Rounds {
    fn default() -> Self {
        let room = Arc::new(AtomicUsize::new(MAX_ANSWER_BYTES));
        Self { last_call: AtomicU64::default(), open: Mutex::default(), room }
    }
}

impl Rounds {
    /// Begins to wait for the answers of these.
    pub(crate) fn open(&self, nodes: impl IntoIterator<Item = NodeId>) -> Round<'_> {
        let call = self.last_call.fetch_add(1, Ordering::Relaxed) + 1;
        let missing = nodes.into_iter().map(|node| (node, Partly::default())).collect();
        let room = Arc::clone(&self.room);
        let answers = Gathering { count: 0, room, taken: 0, missing, open: Vec::new() };
        let asked = Arc::new(Asked { answers: Mutex::new(answers), news: Notify::new() });
        self.open.lock().insert(call, Arc::clone(&asked));
        Round { rounds: self, call, asked }
    }

    /// Takes a number that a hub answers with.
    pub(crate) fn counted(&self, from: NodeId, call: u64, count: u64) {
        self.answer(call, |answers| {
            if answers.missing.remove(&from).is_some() {
                answers.count = answers.count.saturating_add(count);
            }
        });
    }

    /// Takes a part of the subscriptions that a hub answers with.
    pub(crate) fn listed(
        &self,
        from: NodeId,
        call: u64,
        (part, last): (u32, bool),
        open: Vec<OpenSubscription>,
    ) {
        self.answer(call, |answers| answers.list(from, (part, last), open));
    }

    /// A hub is gone: nobody waits for it any more.
    pub(crate) fn gone(&self, node: NodeId) {
        for asked in self.open.lock().values() {
            asked.answers.lock().missing.remove(&node);
            asked.news.notify_waiters();
        }
    }

    fn answer(&self, call: u64, take: impl FnOnce(&mut Gathering)) {
        let Some(asked) = self.open.lock().get(&call).cloned() else { return };
        take(&mut asked.answers.lock());
        asked.news.notify_waiters();
    }
}

impl Gathering {
    fn list(&mut self, from: NodeId, (part, last): (u32, bool), open: Vec<OpenSubscription>) {
        let Some(partly) = self.missing.get_mut(&from) else { return };
        if part == 0 {
            // It was asked again.
            let weight = partly.open.drain(..).map(|open| weigh(&open)).sum::<usize>();
            self.room.fetch_add(weight, Ordering::Relaxed);
            self.taken -= weight;
            partly.next = 0;
        }
        let weight = open.iter().map(weigh).sum::<usize>();
        let take = |room: usize| room.checked_sub(weight);
        if part != partly.next
            || self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err()
        {
            return;
        }
        self.taken += weight;
        partly.next += 1;
        partly.open.extend(open);
        if last && let Some(whole) = self.missing.remove(&from) {
            self.open.extend(whole.open);
        }
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.room.fetch_add(self.taken, Ordering::Relaxed);
    }
}

impl Round<'_> {
    /// Waits until all have answered.
    pub(crate) async fn complete(&self) {
        loop {
            let mut news = pin!(self.asked.news.notified());
            // From here on none is missed.
            news.as_mut().enable();
            if self.asked.answers.lock().missing.is_empty() {
                return;
            }
            news.await;
        }
    }

    /// Who has not answered.
    pub(crate) fn missing(&self) -> Vec<NodeId> {
        self.asked.answers.lock().missing.keys().copied().collect()
    }

    /// What has come.
    pub(crate) fn answers(self) -> Answers {
        let mut answers = self.asked.answers.lock();
        let mut open = std::mem::take(&mut answers.open);
        let mut missing = Vec::new();
        for (node, partly) in std::mem::take(&mut answers.missing) {
            missing.push(node);
            open.extend(partly.open);
        }
        Answers { count: answers.count, open, missing, is_unasked: false }
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.rounds.open.lock().remove(&self.call);
    }
}

fn weigh(open: &OpenSubscription) -> usize {
    let payload = open.payload.as_ref().map_or(0, String::len);
    open.subscriber.len() + open.topic.len() + payload + SUBSCRIPTION_WEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).unwrap()
    }

    fn open(topic: &str) -> Vec<OpenSubscription> {
        let (subscriber, topic) = ("urn:x".to_owned(), topic.to_owned());
        vec![OpenSubscription { subscriber, topic, payload: None }]
    }

    fn topics(answers: &Answers) -> Vec<&str> {
        answers.open.iter().map(|open| open.topic.as_str()).collect()
    }

    #[tokio::test]
    async fn each_hub_that_was_asked_is_counted_once() {
        let rounds = Rounds::default();
        let round = rounds.open([node(1), node(2), node(3)]);
        rounds.counted(node(1), round.call, 2);
        rounds.counted(node(1), round.call, 2);
        rounds.counted(node(9), round.call, 50);
        rounds.counted(node(2), round.call + 1, 50);
        rounds.counted(node(2), round.call, u64::MAX);
        assert_eq!(round.missing(), [node(3)]);
        rounds.gone(node(3));
        round.complete().await;
        let answers = round.answers();
        assert_eq!((answers.count, answers.missing), (u64::MAX, vec![]));
        assert!(rounds.open.lock().is_empty());
    }

    #[tokio::test]
    async fn a_list_in_parts_is_whole_when_every_part_has_come_in_order() {
        let rounds = Rounds::default();
        let round = rounds.open([node(1), node(2)]);
        let listed = |from, part, topic| rounds.listed(node(from), round.call, part, open(topic));
        listed(1, (0, false), "a");
        listed(1, (2, true), "lost one");
        assert_eq!(round.missing(), [node(1), node(2)]);
        listed(2, (1, true), "lost the first");
        // Asked again, it begins again.
        listed(1, (0, false), "a");
        listed(1, (1, true), "b");
        listed(1, (0, true), "late");
        listed(2, (0, false), "c");
        let answers = round.answers();
        assert_eq!((topics(&answers), &answers.missing), (vec!["a", "b", "c"], &vec![node(2)]));
    }

    #[tokio::test]
    async fn what_is_gathered_is_bounded() {
        let rounds = Rounds::default();
        let round = rounds.open([node(1), node(2)]);
        let large = "x".repeat(MAX_ANSWER_BYTES / 8);
        for part in 0..20 {
            rounds.listed(node(1), round.call, (part, part == 19), open(&large));
        }
        // What another question has left is all that there is for this one.
        let second = rounds.open([node(1)]);
        for part in 0..20 {
            rounds.listed(
                node(1),
                second.call,
                (part, part == 19),
                open(&large[..large.len() / 4]),
            );
        }
        assert_eq!(second.answers().open.len(), 3);
        assert_eq!(round.answers().open.len(), 7);
        assert!(rounds.open.lock().is_empty());
        assert_eq!(rounds.room.load(Ordering::Relaxed), MAX_ANSWER_BYTES);
    }
}
