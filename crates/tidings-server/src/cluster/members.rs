//! Who the other hubs are, and how many streams each user has there, as far as they told.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::id::NodeId;

/// After how long a silence a hub is forgotten, with everything of it.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// How long after a question of what a hub has told it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How many other hubs there may be.
const MAX_NODES: usize = 255;
/// How much all that they tell of users may weigh, in bytes: about two million users.
const MAX_WEIGHT: usize = 256 * 1024 * 1024;
/// What a user weighs beside the name.
const USER_WEIGHT: usize = 80;

/// How much more or less streams users have elsewhere than before.
pub(crate) type Changes = Vec<(Arc<str>, i64)>;

/// The other hubs that were heard of lately.
#[derive(Debug)]
pub(crate) struct Members {
    nodes: HashMap<NodeId, Member>,
    /// How much may still be told of users.
    room: usize,
}

#[derive(Debug)]
struct Member {
    heard_at: Instant,
    /// The number of its last message.
    number: u64,
    users: Users,
    /// Its users as it tells all of them, up to where it has got.
    coming: Option<Users>,
    /// Whether all that it told of users is known here.
    is_known: bool,
    asked_at: Option<Instant>,
}

/// How many streams each user has at one hub; never 0.
type Users = HashMap<Box<str>, u32>;

/// How a message fits to those that were heard of its sender before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is the first one that is heard of its sender. `had_begun`: that had said something before.
    First { had_begun: bool },
    /// It is the next one, or some between were lost.
    Later,
    /// It was heard before, or comes after later ones.
    Again,
    /// There are as many hubs as there may be.
    TooMany,
}

/// What has come of what a hub told of users.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) changes: Changes,
    /// How many users there was no room for.
    pub(crate) left_out: usize,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self { nodes: HashMap::new(), room: MAX_WEIGHT }
    }

    /// Notes that a hub has said something.
    pub(crate) fn hear(&mut self, from: NodeId, number: u64, now: Instant) -> Heard {
        let count = self.nodes.len();
        let node = match self.nodes.entry(from) {
            Entry::Occupied(node) => node.into_mut(),
            Entry::Vacant(_) if count >= MAX_NODES => return Heard::TooMany,
            Entry::Vacant(place) => {
                place.insert(Member::new(number, now));
                return Heard::First { had_begun: number > 1 };
            }
        };
        if number <= node.number {
            return Heard::Again;
        }
        if number - node.number > 1 {
            node.is_known = false;
            self.room += node.coming.take().as_ref().map_or(0, weigh);
        }
        node.number = number;
        node.heard_at = now;
        Heard::Later
    }

    /// Notes that a hub, if it is known, has said something that was not for this one.
    pub(crate) fn overhear(&mut self, from: NodeId, number: u64, now: Instant) {
        if self.nodes.contains_key(&from) {
            self.hear(from, number, now);
        }
    }

    /// Takes what a hub tells of all its users, in one message or in several.
    pub(crate) fn users(
        &mut self,
        from: NodeId,
        (first, last): (bool, bool),
        users: Vec<(Box<str>, u32)>,
    ) -> Told {
        let Some(node) = self.nodes.get_mut(&from) else { return Told::default() };
        if first {
            self.room += node.coming.replace(Users::new()).as_ref().map_or(0, weigh);
        }
        // The beginning was lost: it is asked again.
        let Some(coming) = &mut node.coming else { return Told::default() };
        let mut left_out = 0;
        for (user, count) in users {
            left_out += usize::from(!set(coming, &mut self.room, user, count).is_known);
        }
        if !last {
            return Told { changes: Changes::new(), left_out };
        }
        node.is_known = true;
        let now = node.coming.take().unwrap_or_default();
        let before = std::mem::replace(&mut node.users, now);
        self.room += weigh(&before);
        Told { changes: differences(&before, &node.users), left_out }
    }

    /// Takes what a hub tells of some of its users.
    pub(crate) fn changed(&mut self, from: NodeId, users: Vec<(Box<str>, u32)>) -> Told {
        let mut told = Told::default();
        let Some(node) = self.nodes.get_mut(&from) else { return told };
        for (user, count) in users {
            let name = Arc::from(&*user);
            let Set { before, is_known } = set(&mut node.users, &mut self.room, user, count);
            told.left_out += usize::from(!is_known);
            if is_known && before != count {
                told.changes.push((name, i64::from(count) - i64::from(before)));
            }
        }
        told
    }

    /// Forgets a hub.
    pub(crate) fn remove(&mut self, node: NodeId) -> Changes {
        let Some(member) = self.nodes.remove(&node) else { return Changes::new() };
        self.room += weigh(&member.users) + member.coming.as_ref().map_or(0, weigh);
        differences(&member.users, &Users::new())
    }

    /// The hubs that were silent for too long.
    pub(crate) fn silent(&self, now: Instant) -> Vec<NodeId> {
        let is_silent = |member: &Member| now.duration_since(member.heard_at) >= FORGOTTEN_AFTER;
        let silent = self.nodes.iter().filter(|(_, member)| is_silent(member));
        silent.map(|(node, _)| *node).collect()
    }

    /// Whether a hub has to be asked for all its users now. Notes that it is.
    pub(crate) fn is_to_be_asked(&mut self, node: NodeId, now: Instant) -> bool {
        let Some(member) = self.nodes.get_mut(&node) else { return false };
        let was_asked = member.asked_at.is_some_and(|at| now.duration_since(at) < ASK_AGAIN);
        if member.is_known || was_asked {
            return false;
        }
        member.asked_at = Some(now);
        true
    }

    /// All of them.
    pub(crate) fn live(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

impl Member {
    fn new(number: u64, now: Instant) -> Self {
        Self {
            heard_at: now,
            number,
            users: Users::new(),
            coming: None,
            is_known: false,
            asked_at: None,
        }
    }
}

/// What has become of a user's count.
struct Set {
    before: u32,
    /// Whether there was room for it.
    is_known: bool,
}

/// Sets how many streams a user has, if there is room.
fn set(users: &mut Users, room: &mut usize, user: Box<str>, count: u32) -> Set {
    let weight = user.len() + USER_WEIGHT;
    match users.entry(user) {
        Entry::Occupied(known) if count == 0 => {
            *room += weight;
            Set { before: known.remove(), is_known: true }
        }
        Entry::Occupied(mut known) => Set { before: known.insert(count), is_known: true },
        Entry::Vacant(_) if count == 0 => Set { before: 0, is_known: true },
        Entry::Vacant(_) if *room < weight => Set { before: 0, is_known: false },
        Entry::Vacant(place) => {
            *room -= weight;
            place.insert(count);
            Set { before: 0, is_known: true }
        }
    }
}

fn weigh(users: &Users) -> usize {
    users.keys().map(|user| user.len() + USER_WEIGHT).sum()
}

fn differences(before: &Users, now: &Users) -> Changes {
    let of = |users: &Users, user: &str| i64::from(users.get(user).copied().unwrap_or_default());
    let gone = before.keys().filter(|user| !now.contains_key(*user));
    let all = gone.chain(now.keys());
    let changes = all.map(|user| (Arc::from(&**user), of(now, user) - of(before, user)));
    changes.filter(|(_, change)| *change != 0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).unwrap()
    }

    fn users(users: &[(&str, u32)]) -> Vec<(Box<str>, u32)> {
        users.iter().map(|(user, count)| ((*user).into(), *count)).collect()
    }

    fn changes(changes: &[(&str, i64)]) -> Changes {
        changes.iter().map(|(user, change)| ((*user).into(), *change)).collect()
    }

    fn sorted(mut changes: Changes) -> Changes {
        changes.sort();
        changes
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_message_is_noticed_and_the_whole_is_asked_for_until_it_has_come() {
        let (mut members, a, now) = (Members::new(), node(1), Instant::now());
        assert_eq!(members.hear(a, 1, now), Heard::First { had_begun: false });
        members.users(a, (true, true), users(&[("ann", 1)]));
        assert!(!members.is_to_be_asked(a, now));
        assert_eq!(members.hear(a, 2, now), Heard::Later);
        assert!(!members.is_to_be_asked(a, now));
        assert_eq!(members.hear(a, 4, now), Heard::Later);
        assert!(members.is_to_be_asked(a, now));
        assert!(!members.is_to_be_asked(a, now), "it is asked a thousand times");
        assert!(members.is_to_be_asked(a, now + ASK_AGAIN));
        assert_eq!(members.hear(a, 4, now), Heard::Again);
        let told = members.users(a, (true, true), users(&[("ann", 3), ("ben", 1)]));
        assert_eq!(sorted(told.changes), changes(&[("ann", 2), ("ben", 1)]));
        assert!(!members.is_to_be_asked(a, now + 2 * ASK_AGAIN));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_whole_that_lacks_a_part_nothing_counts() {
        let (mut members, a, now) = (Members::new(), node(1), Instant::now());
        members.hear(a, 5, now);
        assert_eq!(members.users(a, (false, true), users(&[("ann", 1)])), Told::default());
        members.hear(a, 6, now);
        assert_eq!(members.users(a, (true, false), users(&[("ann", 1)])), Told::default());
        members.hear(a, 8, now);
        assert_eq!(members.users(a, (false, true), users(&[("ben", 1)])), Told::default());
        assert!(members.is_to_be_asked(a, now));
        assert_eq!(members.remove(a), []);
        assert_eq!(members.room, MAX_WEIGHT);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_forgotten_with_everything_of_it() {
        let (mut members, a, b, now) = (Members::new(), node(1), node(2), Instant::now());
        for node in [a, b] {
            members.hear(node, 1, now);
            members.users(node, (true, true), users(&[("ann", 2)]));
        }
        let later = now + FORGOTTEN_AFTER;
        members.hear(b, 2, later);
        assert_eq!(members.silent(later - Duration::from_millis(1)), []);
        assert_eq!(members.silent(later), [a]);
        assert_eq!(members.remove(a), changes(&[("ann", -2)]));
        assert_eq!(members.remove(a), []);
        assert_eq!(members.live(), [b]);
        assert_eq!(members.hear(a, 9, later), Heard::First { had_begun: true });
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_an_end_to_how_many_hubs_and_users_are_known() {
        let (mut members, now) = (Members::new(), Instant::now());
        for n in 1..=MAX_NODES as u64 {
            assert!(matches!(members.hear(node(n), 1, now), Heard::First { .. }));
        }
        assert_eq!(members.hear(node(1_000), 1, now), Heard::TooMany);
        members.room = 2 * (1 + USER_WEIGHT);
        let told = members.changed(node(1), users(&[("a", 1), ("b", 1), ("c", 1), ("a", 2)]));
        assert_eq!((told.changes.len(), told.left_out), (3, 1));
        let told = members.changed(node(1), users(&[("a", 0), ("c", 1)]));
        assert_eq!(told, Told { changes: changes(&[("a", -2), ("c", 1)]), left_out: 0 });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Hear(u64, u64),
        Users(u64, bool, bool, Vec<(Box<str>, u32)>),
        Changed(u64, Vec<(Box<str>, u32)>),
        Remove(u64),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let user = ("[abc]".prop_map(String::into_boxed_str), 0..3_u32);
        let users = proptest::collection::vec(user, 0..4);
        prop_oneof![
            (1..4_u64, 0..6_u64).prop_map(|(node, number)| Step::Hear(node, number)),
            (1..4_u64, any::<bool>(), any::<bool>(), users.clone())
                .prop_map(|(node, first, last, users)| Step::Users(node, first, last, users)),
            (1..4_u64, users).prop_map(|(node, users)| Step::Changed(node, users)),
            (1..4_u64).prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: the changes that are given add up to what is known, and when all are
        /// forgotten nothing is left.
        #[test]
        fn the_changes_add_up(steps in proptest::collection::vec(steps(), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let (mut members, now) = (Members::new(), Instant::now());
            let mut sums: HashMap<Arc<str>, i64> = HashMap::new();
            let mut add = |changes: Changes| {
                for (user, change) in changes {
                    *sums.entry(user).or_default() += change;
                }
            };
            for step in steps {
                match step {
                    Step::Hear(from, number) => { members.hear(node(from), number, now); }
                    Step::Users(from, first, last, users) => {
                        add(members.users(node(from), (first, last), users).changes);
                    }
                    Step::Changed(from, users) => add(members.changed(node(from), users).changes),
                    Step::Remove(from) => add(members.remove(node(from))),
                }
            }
            for from in members.live() {
                add(members.remove(from));
            }
            prop_assert!(sums.values().all(|sum| *sum == 0), "{:?}", sums);
            prop_assert_eq!(members.room, MAX_WEIGHT);
        }
    }
}
