//! A shard: many subscriptions that one task serves together.
//!
//! A subscription of its own costs each update a turn of its task, and the publisher the waking of it. In a shard a
//! publish leaves one notice however many subscribe, and the shard's task hands the update to each of them. What it
//! cannot hand over because the carrier takes no more is left in the log, where the subscription reads on later.

mod news;
mod plan;
mod seat;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use hashbrown::HashMap;
use slab::Slab;

use crate::hub::Hub;
use crate::inbox::{Inbox, News};
use crate::index::{NodeKey, ShardKey};
use crate::position::Position;
use crate::read::{Portion, Read};
use crate::served::Seated;
use crate::state::State;
use crate::subscriber::Subscriber;
use crate::subscription::{Delivery, Subscription};
use crate::update::LoggedUpdate;

use self::plan::Plan;
use self::seat::Seat;

/// A subscription's key in its shard, valid until it is removed.
pub type SeatKey = usize;

/// For how many subscriptions an empty shard may keep room.
const SPARE_SEATS: usize = 64;
/// Many subscriptions that one task serves together, each with a carrier `C` for its updates.
///
/// What a task does in turn:
/// 1. [`poll_news`](Self::poll_news) until something came;
/// 2. [`deliver`](Self::deliver) until nothing is left to hand over;
/// 3. [`read`](Self::read) for those that [`take_roused`](Self::take_roused) names, and for those that took less than
///    they were given, once their carriers take more.
///
/// ```
/// use std::task::{Context, Waker};
/// use tidings_hub::{Epoch, Grants, Hub, HubConfig, Selector, Shard, Start, Subscriber, SubscriberId, Update};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let hub = Hub::new(Epoch::random()?, HubConfig::default(), None);
/// let subscriber = Subscriber {
///     id: SubscriberId::random()?,
///     selectors: vec![Selector::new("news")],
///     grants: Grants::none(),
///     user: None,
///     session: None,
///     address: None,
///     payload: None,
/// };
/// let mut shard: Shard<Vec<u8>> = Shard::new(hub.clone());
/// let seat = shard.adopt(hub.subscribe(subscriber, Start::Live).await?, Vec::new());
/// hub.publish(Update::new("news", "hello")).await?;
/// assert!(shard.poll_news(&mut Context::from_waker(Waker::noop())).is_ready());
/// shard.deliver(1, |_, carried, updates| {
///     updates.iter().for_each(|update| carried.extend(&update.frame));
///     updates.len()
/// });
/// assert!(shard.carrier(seat).ok_or("gone")?.ends_with(b"data: hello\n\n"));
/// # Ok(()) })
/// # }
/// ```
pub struct Shard<C> {
    hub: Hub,
    key: ShardKey,
    inbox: Arc<Inbox>,
    seats: Slab<Seat<C>>,
    rows: HashMap<NodeKey, Row>,
    roused: Vec<SeatKey>,
    news: News,
    plan: Plan,
}

/// Who listens to a node, in no order. Where in it a subscriber is, its places tell.
type Row = Vec<SeatKey>;

/// What comes next for a subscription that reads from the log.
#[derive(Debug)]
pub enum Next {
    /// This. There may be more after it.
    Delivery(Delivery),
    /// Nothing so far, but the search is not at the end: read again, after others had their turn.
    Searching,
    /// Nothing so far: it is up to date, or what it is owed is being read. It is roused when there is something.
    UpToDate,
}

impl<C> Shard<C> {
    /// A shard without subscriptions.
    pub fn new(hub: Hub) -> Self {
        Self::with_inbox(hub, Inbox::default())
    }

    fn with_inbox(hub: Hub, inbox: Inbox) -> Self {
        let inbox = Arc::new(inbox);
        let key = hub.lock().shards.insert(Arc::clone(&inbox));
        Self {
            hub,
            key,
            inbox,
            seats: Slab::new(),
            rows: HashMap::new(),
            roused: Vec::new(),
            news: News::default(),
            plan: Plan::default(),
        }
    }

    /// Takes a subscription of the same hub in. What it is owed already it has to read.
    pub fn adopt(&mut self, subscription: Subscription, carrier: C) -> SeatKey {
        let key = self.seats.vacant_key();
        let rows = &mut self.rows;
        let list = |node| {
            let row = rows.entry(node).or_default();
            row.push(key);
            row.len() - 1
        };
        let mut state = self.hub.lock();
        let epoch = state.tail.epoch();
        let start = state.seat(subscription.key(), (self.key, key), list);
        drop(state);
        let Seated {
            owed,
            through,
            is_behind,
            is_ending,
            ends_at_once,
            waker: _not_under_the_lock,
        } = start;
        if ends_at_once {
            self.hub.0.told.notify_waiters();
        }
        if is_behind {
            self.roused.push(key);
        }
        let planned = None;
        self.seats.insert(Seat {
            subscription,
            epoch,
            through,
            owed,
            is_behind,
            is_ending,
            ends_at_once,
            planned,
            carrier,
        })
    }

    /// Ends a subscription.
    pub fn remove(&mut self, key: SeatKey) -> Option<C> {
        let seat = self.seats.try_remove(key)?;
        let mut state = self.hub.lock();
        for (node, slot) in state.slots(seat.subscription.key()) {
            vacate(&mut self.rows, &self.seats, &mut state, (node, slot));
        }
        drop(state);
        // Thousands that have come and gone must not pin their memory for ever.
        if self.seats.is_empty() && self.seats.capacity() > SPARE_SEATS {
            self.seats.shrink_to_fit();
        }
        // The subscription leaves the hub as it is dropped, which locks it again.
        Some(seat.carrier)
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The keys of all subscriptions, in no order.
    pub fn keys(&self) -> impl Iterator<Item = SeatKey> + '_ {
        self.seats.iter().map(|(key, _)| key)
    }

    /// Who subscribes to what.
    pub fn subscriber(&self, key: SeatKey) -> Option<&Arc<Subscriber>> {
        self.seats.get(key).map(|seat| seat.subscription.subscriber())
    }

    /// A subscription's carrier.
    pub fn carrier(&mut self, key: SeatKey) -> Option<&mut C> {
        self.seats.get_mut(key).map(|seat| &mut seat.carrier)
    }

    /// Whether a subscription has something to read from the log.
    pub fn is_behind(&self, key: SeatKey) -> bool {
        self.seats.get(key).is_some_and(|seat| seat.is_behind)
    }

    /// Whether a subscription was told to [end at once](Hub::end_at_once): all it has to read is its end, and what its
    /// carrier still holds back it should let go of.
    pub fn ends_at_once(&self, key: SeatKey) -> bool {
        self.seats.get(key).is_some_and(|seat| seat.ends_at_once)
    }

    /// Those that have had something to read since this was last asked, and wait for no carrier as far as the shard
    /// knows.
    pub fn take_roused(&mut self) -> Vec<SeatKey> {
        std::mem::take(&mut self.roused)
    }

    /// The newest position, if everything up to it was handed to every subscription that is not behind.
    pub fn caught_up(&self) -> Option<Position> {
        // Nothing is published meanwhile, so that nothing comes between the looks at the inbox and at the log.
        let state = self.hub.lock();
        let is_idle = self.news.is_empty() && self.inbox.is_empty();
        is_idle.then(|| state.tail.newest_position())
    }

    /// Waits for news: updates to deliver, or subscriptions to read. Cancel safe. What came before has to be delivered
    /// first.
    pub fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        debug_assert!(self.news.is_empty(), "what came before is delivered first");
        if !self.inbox.take(&mut self.news, cx.waker()) {
            return Poll::Pending;
        }
        self.begin_anew();
        self.rouse_those_read_for();
        self.end_some_at_once();
        Poll::Ready(())
    }

    /// Hands over what came, to up to `count` subscriptions; `false` when nothing is left to hand over.
    ///
    /// `send` gets one subscription's updates in log order, and answers how many of them its carrier took. One that took
    /// fewer is behind: the rest is its to [`read`](Self::read) once its carrier takes more.
    pub fn deliver(
        &mut self,
        count: usize,
        mut send: impl FnMut(SeatKey, &mut C, &[&LoggedUpdate]) -> usize,
    ) -> bool {
        if self.plan.done == self.plan.seats.len() && !self.plan_more() {
            return false;
        }
        let mut updates: Vec<&LoggedUpdate> = Vec::new();
        for &key in self.plan.seats.iter().skip(self.plan.done).take(count) {
            self.plan.done += 1;
            let Some(seat) = self.seats.get_mut(key) else { continue };
            // None where another subscription has the seat by now.
            let Some((first, _)) = seat.planned.take() else { continue };
            updates.clear();
            let mut next = Some(first);
            while let Some(planned) = next.and_then(|at| self.plan.deliveries.get(at as usize)) {
                let notice = self.news.notices.get(planned.notice as usize);
                updates.extend(notice.map(|notice| &*notice.update));
                next = planned.next;
            }
            let taken = send(key, &mut seat.carrier, &updates);
            if let Some(refused) = updates.get(taken) {
                seat.is_behind = true;
                seat.owed = Some(refused.position.seq);
            }
        }
        self.plan.done < self.plan.seats.len() || self.plan_more()
    }

    /// Reads on from the log for a subscription that is behind.
    pub fn read(&mut self, key: SeatKey) -> Next {
        let Some(seat) = self.seats.get_mut(key).filter(|seat| seat.is_behind) else {
            return Next::UpToDate;
        };
        let mut state = self.hub.lock();
        if seat.epoch != state.tail.epoch() {
            // The news of it is in the inbox.
            return Next::UpToDate;
        }
        let (read, owed) = state.read_from(seat.subscription.key(), seat.owed, Portion::LARGE);
        let fetches = std::mem::take(&mut state.fetches);
        let ends_at_once = state.ends_at_once(seat.subscription.key());
        seat.ends_at_once |= ends_at_once;
        if seat.owed.is_some() && owed.is_none() {
            // It has read up to the end of the log as that is now. What comes later is in the inbox, too.
            seat.through = seat.through.max(state.tail.next() - 1);
        }
        seat.owed = owed;
        drop(state);
        self.hub.fetch(fetches);
        match read {
            Read::Waiting => Next::UpToDate,
            Read::Again => Next::Searching,
            // What it is owed before it ends may be in the inbox yet.
            Read::Ready(Delivery::Closed(_)) if !seat.is_ending && !ends_at_once => seat.rest(),
            Read::Ready(Delivery::Closed(reason)) => {
                seat.through = u64::MAX;
                Next::Delivery(Delivery::Closed(reason))
            }
            Read::Ready(delivery) => {
                if let Delivery::Gap(gap) = &delivery {
                    // What the gap told of may be in the inbox yet.
                    seat.through = seat.through.max(gap.before.seq);
                }
                Next::Delivery(delivery)
            }
            Read::UpToDate => seat.rest(),
        }
    }

    /// Puts the cursor of a subscription back to an update that it has read and that its carrier did not take.
    pub fn put_back(&mut self, key: SeatKey, refused: Position) {
        // One of a log that is lost since then is lost with it.
        let seat = self.seats.get_mut(key).filter(|seat| seat.epoch == refused.epoch);
        if let Some(seat) = seat {
            seat.is_behind = true;
            seat.owed = Some(refused.seq);
        }
    }
}

/// Frees a slot in a row; the row's last subscriber moves into it.
fn vacate<C>(
    rows: &mut HashMap<NodeKey, Row>,
    seats: &Slab<Seat<C>>,
    state: &mut State,
    (node, slot): (NodeKey, usize),
) {
    let Some(row) = rows.get_mut(&node).filter(|row| slot < row.len()) else { return };
    row.swap_remove(slot);
    if let Some(moved) = row.get(slot).and_then(|&moved| seats.get(moved)) {
        state.move_slot(moved.subscription.key(), node, slot);
    }
    if row.is_empty() {
        rows.remove(&node);
    } else if row.capacity() > 64 && row.len() * 4 < row.capacity() {
        row.shrink_to(row.len() * 2);
    }
}

impl<C> Drop for Shard<C> {
    fn drop(&mut self) {
        self.seats.clear();
        self.hub.lock().shards.try_remove(self.key);
    }
}

impl<C> fmt::Debug for Shard<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("seats", &self.seats.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::publishing::tests::Now;
    use crate::{Epoch, Grants, HubConfig, Retention, Selector, Start, SubscriberId, Update};

    impl<C> Shard<C> {
        pub(crate) fn key(&self) -> ShardKey {
            self.key
        }

        /// Who listens to a node.
        pub(crate) fn listed(&self, node: NodeKey) -> &[SeatKey] {
            self.rows.get(&node).map(Vec::as_slice).unwrap_or_default()
        }

        /// How many subscriptions and nodes it knows.
        pub(crate) fn entries(&self) -> usize {
            self.seats.len() + self.rows.len()
        }
    }

    const TOPICS: [&str; 3] = ["a", "b", "c"];
    /// Selectors, and which topics each matches.
    const SELECTORS: [(&[&str], &[usize]); 5] = [
        (&["a"], &[0]),
        (&["b", "c"], &[1, 2]),
        (&["*"], &[0, 1, 2]),
        (&["{x}", "a"], &[0, 1, 2]),
        (&["c"], &[2]),
    ];

    /// What somebody has been given.
    #[derive(Debug, Default)]
    struct Given {
        seqs: Vec<u64>,
        /// The first and the last of what is lost, gap by gap.
        lost: Vec<(u64, u64)>,
        /// The first that can follow.
        next: u64,
        /// How many more it takes.
        room: usize,
    }

    impl Given {
        fn take(&mut self, updates: &[&LoggedUpdate]) -> usize {
            assert!(!updates.is_empty());
            let taken = updates.len().min(self.room);
            self.room -= taken;
            for update in &updates[..taken] {
                let seq = update.position.seq;
                assert!(seq >= self.next, "{seq} after {}", self.next);
                self.next = seq + 1;
                self.seqs.push(seq);
            }
            taken
        }

        fn told(&mut self, gap: &crate::Gap) {
            let last = gap.before.seq;
            let first = last + 1 - gap.missed.unwrap();
            assert!(first >= self.next, "{first} was given or told before {}", self.next);
            self.next = last + 1;
            self.lost.push((first, last));
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Publish { topics: Vec<usize>, times: usize },
        Turn { count: usize, times: usize },
        Join(usize),
        Read(Index),
        MakeRoom(Index, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let topics = prop::collection::vec(0..TOPICS.len(), 1..3);
        prop_oneof![
            6 => (topics, 1..5_usize).prop_map(|(topics, times)| Step::Publish { topics, times }),
            3 => (1..4_usize, 1..6_usize).prop_map(|(count, times)| Step::Turn { count, times }),
            2 => (0..SELECTORS.len()).prop_map(Step::Join),
            4 => any::<Index>().prop_map(Step::Read),
            2 => (any::<Index>(), 0..6_usize).prop_map(|(who, room)| Step::MakeRoom(who, room)),
        ]
    }

    /// A shard whose inbox holds next to nothing.
    struct Trial {
        hub: Hub,
        shard: Shard<Given>,
        /// What was published, by its topics.
        published: Vec<Vec<usize>>,
        /// Who there is, which topics it asked for and after which update.
        listeners: Vec<(SeatKey, &'static [usize], u64)>,
        is_delivering: bool,
    }

    impl Trial {
        fn new(max_notices: usize, max_bytes: usize, max_updates: usize) -> Self {
            let retention = Retention { max_updates, max_bytes: usize::MAX, max_age: None };
            let config = HubConfig { retention, ..HubConfig::default() };
            let hub = Hub::new(Epoch::random().unwrap(), config, None);
            let shard = Shard::with_inbox(hub.clone(), Inbox::new(max_notices, max_bytes));
            Self { hub, shard, published: Vec::new(), listeners: Vec::new(), is_delivering: false }
        }

        fn take(&mut self, step: Step) {
            let some = |who: Index, of: &[(SeatKey, _, _)]| {
                of.get(who.index(of.len().max(1))).map(|l| l.0)
            };
            match step {
                Step::Publish { topics, times } => {
                    for _ in 0..times {
                        let names = topics.iter().map(|&topic| TOPICS[topic].to_owned()).collect();
                        let update = Update { topics: names, ..Update::default() };
                        self.hub.publish(update).now().unwrap();
                        self.published.push(topics.clone());
                    }
                }
                Step::Turn { count, times } => self.turn(count, times),
                Step::Join(which) => {
                    let subscriber = Subscriber {
                        id: SubscriberId::random().unwrap(),
                        selectors: SELECTORS[which].0.iter().map(|&s| Selector::new(s)).collect(),
                        grants: Grants::none(),
                        user: None,
                        session: None,
                        address: None,
                        payload: None,
                    };
                    let subscription = self.hub.subscribe(subscriber, Start::Live).now().unwrap();
                    let seat = self.shard.adopt(subscription, Given::default());
                    self.listeners.push((seat, SELECTORS[which].1, self.published.len() as u64));
                }
                Step::Read(who) => {
                    if let Some(seat) = some(who, &self.listeners) {
                        self.read(seat);
                    }
                }
                Step::MakeRoom(who, room) => {
                    if let Some(seat) = some(who, &self.listeners) {
                        self.shard.carrier(seat).unwrap().room = room;
                    }
                }
            }
        }

        fn turn(&mut self, count: usize, times: usize) {
            let cx = &mut Context::from_waker(Waker::noop());
            self.is_delivering = self.is_delivering || self.shard.poll_news(cx).is_ready();
            for _ in 0..times {
                self.is_delivering = self.is_delivering
                    && self.shard.deliver(count, |_, given, updates| given.take(updates));
            }
        }

        /// Answers whether there may be more.
        fn read(&mut self, seat: SeatKey) -> bool {
            if self.shard.carrier(seat).unwrap().room == 0 {
                return true;
            }
            match self.shard.read(seat) {
                Next::Delivery(Delivery::Updates(updates)) => {
                    let updates: Vec<&LoggedUpdate> = updates.iter().map(AsRef::as_ref).collect();
                    let taken = self.shard.carrier(seat).unwrap().take(&updates);
                    if let Some(refused) = updates.get(taken) {
                        self.shard.put_back(seat, refused.position);
                    }
                }
                Next::Delivery(Delivery::Gap(gap)) => self.shard.carrier(seat).unwrap().told(&gap),
                Next::Delivery(Delivery::Closed(reason)) => panic!("nothing was closed: {reason}"),
                Next::Searching => {}
                Next::UpToDate => return false,
            }
            true
        }

        /// Lets all have everything, and compares. Gives how many gaps were told.
        fn finish(mut self) -> usize {
            for &(seat, ..) in &self.listeners {
                self.shard.carrier(seat).unwrap().room = usize::MAX;
            }
            while self.shard.caught_up().is_none() {
                self.turn(usize::MAX, 100);
            }
            for (seat, ..) in self.listeners.clone() {
                while self.read(seat) {}
            }
            let mut gaps = 0;
            for (seat, topics, since) in self.listeners {
                let given = self.shard.remove(seat).unwrap();
                gaps += given.lost.len();
                let is_lost =
                    |seq| given.lost.iter().any(|&(first, last)| first <= seq && seq <= last);
                let matching = |seq: &u64| {
                    let known = &self.published[usize::try_from(seq - 1).unwrap()];
                    *seq > since && known.iter().any(|topic| topics.contains(topic))
                };
                let all = 1..=self.published.len() as u64;
                let expected: Vec<_> = all.filter(matching).filter(|&seq| !is_lost(seq)).collect();
                assert_eq!(given.seqs, expected, "but for {:?}", given.lost);
            }
            assert_eq!(self.shard.entries(), 0);
            gaps
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_inbox_that_overflows_loses_nothing_that_the_log_has(
            max_notices in 1..8_usize,
            max_bytes in prop_oneof![Just(usize::MAX), 1..2_000_usize],
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut trial = Trial::new(max_notices, max_bytes, usize::MAX);
            for step in steps {
                trial.take(step);
            }
            prop_assert_eq!(trial.finish(), 0);
        }

        #[test]
        fn what_an_inbox_that_overflows_loses_is_told(
            max_notices in 1..8_usize,
            max_updates in 1..8_usize,
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut trial = Trial::new(max_notices, usize::MAX, max_updates);
            for step in steps {
                trial.take(step);
            }
            trial.finish();
        }
    }
}
