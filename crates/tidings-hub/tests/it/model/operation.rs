//! What may be done to a hub, at random. Few topics, ids and keys, so that they meet.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

pub(super) const TOPICS: [&str; 5] = ["a/1", "a/2", "b/1", "b/2", "c"];
pub(super) const IDS: [&str; 3] = ["x", "y", "z"];
pub(super) const SHARDS: usize = 2;
pub(super) const KEYS: [&str; 2] = ["k", "l"];

/// Selectors, and which of `TOPICS` each matches: said here, not asked from what is tested.
pub(super) const SELECTORS: [(&str, &[usize]); 12] = [
    ("a/1", &[0]),
    ("a/2", &[1]),
    ("b/1", &[2]),
    ("c", &[4]),
    ("nowhere", &[]),
    ("*", &[0, 1, 2, 3, 4]),
    ("a/{x}", &[0, 1]),
    ("b/{x}", &[2, 3]),
    ("{x}/1", &[0, 2]),
    ("{x}", &[4]),
    ("{y}/{x}", &[0, 1, 2, 3]),
    ("{+x}", &[0, 1, 2, 3, 4]),
];

#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// One alone, or several together.
    Publish(Vec<Draft>),
    Subscribe {
        selectors: Vec<usize>,
        grants: Vec<usize>,
        start: From,
    },
    Read {
        who: Index,
        times: usize,
    },
    Leave(Index),
    CloseAll,
    /// One that is served alone goes to a shard. Its carrier there takes so many updates.
    Adopt {
        who: Index,
        shard: usize,
        room: usize,
    },
    /// A shard's turn: it looks for news unless it is at it still, and hands them to so many, so many times.
    Turn {
        shard: usize,
        count: usize,
        times: usize,
    },
    /// A carrier takes so many more updates.
    MakeRoom {
        who: Index,
        room: usize,
    },
    /// A shard ends with all that it serves; another one takes its place.
    DropShard(usize),
    Advance(Duration),
}

/// An update, its texts as places in the tables above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) topics: Vec<usize>,
    pub(super) private: bool,
    pub(super) own_id: Option<usize>,
    pub(super) key: Option<usize>,
    pub(super) data: &'static str,
}

impl Draft {
    /// Whether it says the same: a topic named twice counts once, where it came first.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let distinct = |draft: &Self| {
            let mut topics: Vec<usize> = Vec::new();
            for topic in &draft.topics {
                if !topics.contains(topic) {
                    topics.push(*topic);
                }
            }
            Self { topics, ..draft.clone() }
        };
        distinct(self) == distinct(other)
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    Live,
    Earliest,
    /// After the position that is so far before the newest update.
    Back(u64),
    /// After the position that is so far behind the newest update.
    Ahead(u64),
    OwnId(usize),
    Unknown,
    OtherEpoch,
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => draft().prop_map(|draft| Operation::Publish(vec![draft])),
        2 => prop::collection::vec(draft(), 2..8).prop_map(Operation::Publish),
        5 => (few(SELECTORS.len(), 1..4), few(SELECTORS.len(), 0..3), from())
            .prop_map(|(selectors, grants, start)| Operation::Subscribe { selectors, grants, start }),
        10 => (any::<Index>(), 1..4_usize).prop_map(|(who, times)| Operation::Read { who, times }),
        2 => any::<Index>().prop_map(Operation::Leave),
        1 => Just(Operation::CloseAll),
        5 => (any::<Index>(), 0..SHARDS, room())
            .prop_map(|(who, shard, room)| Operation::Adopt { who, shard, room }),
        8 => (0..SHARDS, 1..4_usize, 0..4_usize)
            .prop_map(|(shard, count, times)| Operation::Turn { shard, count, times }),
        4 => (any::<Index>(), room()).prop_map(|(who, room)| Operation::MakeRoom { who, room }),
        1 => (0..SHARDS).prop_map(Operation::DropShard),
        2 => (1..8_u64).prop_map(|seconds| Operation::Advance(Duration::from_secs(seconds))),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    (
        few(TOPICS.len(), 1..4),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.3, 0..IDS.len()),
        prop::option::weighted(0.2, 0..KEYS.len()),
        prop::sample::select(&["1", "2", "a longer one, to weigh more than the others do"][..]),
    )
        .prop_map(|(topics, private, own_id, key, data)| Draft {
            topics,
            private,
            own_id,
            key,
            data,
        })
}

fn room() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(usize::MAX), 3 => 0..5_usize]
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        3 => Just(From::Live),
        2 => Just(From::Earliest),
        4 => (0..15_u64).prop_map(From::Back),
        1 => (1..4_u64).prop_map(From::Ahead),
        3 => (0..IDS.len()).prop_map(From::OwnId),
        1 => Just(From::Unknown),
        1 => Just(From::OtherEpoch),
    ]
}

fn few(of: usize, how_many: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..of, how_many)
}
