//! Whatever happens to a log and its hubs in whatever order: each listener has what matches and it may receive, from where
//! it began, in order, each once, except what a gap told of; and a gap tells of nothing that the log had still.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use tidings_hub::{Epoch, Hub, Position, Start, Update};

use super::hub_on;
use super::listener::{Listener, Way};
use super::memory::MemoryLog;
use crate::fixture::{Seen, granted};

const TOPICS: [&str; 3] = ["a/1", "a/2", "b"];
/// Selectors, and which of the topics each matches.
const SELECTORS: [(&str, &[&str]); 4] =
    [("a/1", &["a/1"]), ("b", &["b"]), ("a/{x}", &["a/1", "a/2"]), ("*", &TOPICS)];
const WAYS: [Way; 3] = [Way::Alone, Way::InShard(usize::MAX), Way::InShard(2)];

#[derive(Clone, Debug)]
enum Operation {
    /// Through a hub, or by another writer.
    Publish {
        hub: Option<usize>,
        topic: usize,
        private: bool,
        times: usize,
    },
    /// After the position that is so far before the hub's newest; `None`: with the oldest.
    Subscribe {
        hub: usize,
        way: usize,
        selectors: Vec<usize>,
        granted: bool,
        back: Option<u64>,
    },
    Read {
        who: Index,
        times: usize,
    },
    Leave(Index),
    /// Retains so many.
    Trim(u64),
    Away(bool),
    FollowedLate(bool),
    HoldReads(bool),
    BeginAnew(u64),
    Search {
        has_index: bool,
        at_most: u64,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    prop_oneof![
        10 => (prop::option::weighted(0.7, 0..2_usize), 0..3_usize, any::<bool>(), 1..6_usize)
            .prop_map(|(hub, topic, private, times)| O::Publish { hub, topic, private, times }),
        6 => (0..2_usize, 0..3_usize, prop::collection::vec(0..4_usize, 1..3), any::<bool>(),
            prop::option::weighted(0.8, 0..12_u64))
            .prop_map(|(hub, way, selectors, granted, back)| {
                O::Subscribe { hub, way, selectors, granted, back }
            }),
        8 => (any::<Index>(), 1..6_usize).prop_map(|(who, times)| O::Read { who, times }),
        1 => any::<Index>().prop_map(O::Leave),
        2 => (0..10_u64).prop_map(O::Trim),
        2 => any::<bool>().prop_map(O::Away),
        3 => any::<bool>().prop_map(O::FollowedLate),
        3 => any::<bool>().prop_map(O::HoldReads),
        1 => (0..8_u64).prop_map(O::BeginAnew),
        1 => (any::<bool>(), 1..5_u64)
            .prop_map(|(has_index, at_most)| O::Search { has_index, at_most }),
    ]
}

/// A listener, and what it has been given, checked as it comes.
struct Known {
    listener: Listener,
    topics: Vec<&'static str>,
    granted: bool,
    /// The first that it has not been given or told of.
    next: Position,
}

struct World {
    log: MemoryLog,
    hubs: [Hub; 2],
    all: Vec<Known>,
    /// The last oldest seq of each log.
    oldest: HashMap<Epoch, u64>,
}

impl World {
    async fn new() -> Self {
        let log = MemoryLog::with("b", 5);
        let hubs = [hub_on(&log, 1).await, hub_on(&log, 4).await];
        Self { log, hubs, all: Vec::new(), oldest: HashMap::new() }
    }

    async fn take(&mut self, operation: Operation) {
        match operation {
            Operation::Publish { hub, topic, private, times } => {
                for _ in 0..times {
                    let update = Update { private, ..Update::new(TOPICS[topic], "x") };
                    match hub {
                        // It is refused when the log is away.
                        Some(hub) => drop(self.hubs[hub].publish(update).await),
                        None => drop(self.log.put(update)),
                    }
                }
            }
            Operation::Subscribe { hub, way, selectors, granted: may, back } => {
                let (hub, way) = (&self.hubs[hub], WAYS[way]);
                let texts: Vec<_> = selectors.iter().map(|&s| SELECTORS[s].0).collect();
                let topics = selectors.iter().flat_map(|&s| SELECTORS[s].1).copied().collect();
                let subscriber = granted(&texts, if may { &["*"] } else { &[] });
                let newest = hub.newest();
                let seen = back.map(|back| newest.seq.saturating_sub(back));
                let start = match seen {
                    Some(seq) if seq == newest.seq => Start::Live,
                    Some(seq) => Start::After(Position { seq, ..newest }.to_string()),
                    None => Start::Earliest,
                };
                let known = hub.stats().oldest.map_or(newest.seq + 1, |oldest| oldest.seq);
                let next = Position { seq: seen.map_or(known, |seen| seen + 1), ..newest };
                let listener = Listener::of(hub, way, subscriber, start).await;
                self.all.push(Known { listener, topics, granted: may, next });
            }
            Operation::Read { who, times } => {
                if !self.all.is_empty() {
                    let who = who.index(self.all.len());
                    for _ in 0..times {
                        self.read(who).await;
                    }
                }
            }
            Operation::Leave(who) => {
                if !self.all.is_empty() {
                    drop(self.all.swap_remove(who.index(self.all.len())));
                }
            }
            Operation::Trim(keep) => {
                let next = self.log.contents().next;
                self.log.trim(next.saturating_sub(keep));
            }
            Operation::Away(is) => self.log.change(|contents| contents.is_away = is),
            Operation::FollowedLate(is) => {
                self.log.change(|contents| contents.is_followed_late = is);
            }
            Operation::HoldReads(are) => self.log.change(|contents| contents.reads_are_held = are),
            Operation::BeginAnew(count) => self.log.begin_anew("a/1", count),
            Operation::Search { has_index, at_most } => self.log.change(|contents| {
                (contents.has_index, contents.max_searched) = (has_index, at_most);
            }),
        }
        let contents = self.log.contents();
        self.oldest.insert(contents.epoch, contents.oldest);
    }

    /// Lets a listener have what comes next, if something does, and checks it.
    async fn read(&mut self, who: usize) -> bool {
        let known = &mut self.all[who];
        let next = tokio::time::timeout(Duration::from_secs(1), known.listener.next()).await;
        match next {
            Ok(Seen::Update(_)) => {
                let at = known.listener.last.unwrap();
                assert_eq!(at.epoch, known.next.epoch, "of another log, without a gap");
                assert!(at.seq >= known.next.seq, "{at} after {}", known.next);
                let owed = known.owed(&self.log).into_iter().next();
                assert_eq!(Some(at.seq), owed, "{}", known.next);
                known.next.seq = at.seq + 1;
            }
            Ok(Seen::Gap(gap)) => {
                let after = Position { seq: gap.before.seq + 1, ..gap.before };
                // What the log has still is not lost.
                let oldest = self.oldest[&after.epoch];
                assert!(after.seq <= oldest, "told up to {after}, where the oldest is {oldest}");
                if after.epoch == known.next.epoch {
                    assert!(after.seq > known.next.seq, "{after} after {}", known.next);
                    let first_lost = after.seq - gap.missed.unwrap_or(after.seq - known.next.seq);
                    let passed_over = known.owed(&self.log).into_iter().next();
                    assert!(first_lost >= known.next.seq, "{first_lost} {}", known.next);
                    assert!(passed_over.is_none_or(|seq| seq >= first_lost), "{passed_over:?}");
                }
                known.next = after;
            }
            Ok(Seen::Closed(reason)) => panic!("nothing was closed: {reason}"),
            Err(_) => return false,
        }
        true
    }

    /// Lets everybody have everything.
    async fn finish(mut self) {
        self.log.change(|contents| {
            contents.is_away = false;
            contents.is_followed_late = false;
            contents.reads_are_held = false;
        });
        // Who was read for in vain, and was not told that the log was away, is read for again within 5 s.
        tokio::time::sleep(Duration::from_secs(6)).await;
        for who in 0..self.all.len() {
            while self.read(who).await {}
            let known = &self.all[who];
            assert_eq!(known.next.epoch, self.log.epoch());
            assert_eq!(known.owed(&self.log), [], "from {} on", known.next);
        }
        for hub in &self.hubs {
            assert_eq!(hub.newest().seq + 1, self.log.contents().next);
        }
        let Self { log, hubs, all, .. } = self;
        drop((hubs, all));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((log.handles(), log.contents().waiting_reads), (1, 0));
    }
}

impl Known {
    /// What it has not been given of all that was ever in its log.
    fn owed(&self, log: &MemoryLog) -> Vec<u64> {
        let contents = log.contents();
        let all = contents.history.iter().filter(|(at, _)| at.epoch == self.next.epoch);
        let its = all.filter(|(at, update)| {
            at.seq >= self.next.seq
                && update.topics.iter().any(|topic| self.topics.contains(&topic.as_str()))
                && (!update.private || self.granted)
        });
        its.map(|(at, _)| at.seq).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_has_everything_once_or_is_told(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
            let mut world = World::new().await;
            for operation in operations {
                world.take(operation).await;
            }
            world.finish().await;
        });
    }
}
