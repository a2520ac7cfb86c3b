//! What a subscriber is given next: the cursor's moves over the log.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::close::CloseReason;
use crate::ending::AtOnce;
use crate::index::SubscriberKey;
use crate::position::Position;
use crate::replays::{Answer, Question, Updates};
use crate::served::Served;
use crate::state::{Member, State, may_receive};
use crate::subscription::{Delivery, Gap};
use crate::update::LoggedUpdate;

/// How many updates one read looks at in search of some that the subscriber may receive.
const READ_CANDIDATES: usize = 1024;

/// How much one read gives at the most, so that the lock is held briefly. A single update may be larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    pub(crate) updates: usize,
    pub(crate) bytes: usize,
}

impl Portion {
    /// Only moves the cursor.
    pub(crate) const NOTHING: Self = Self { updates: 0, bytes: 0 };
    /// For one whose carrier keeps what it is given until it can be sent.
    pub(crate) const SMALL: Self = Self { updates: 64, bytes: 16 * 1024 };
    /// For one whose carrier keeps only what it can send at once: as much as a socket takes in one go.
    pub(crate) const LARGE: Self = Self { updates: 512, bytes: 128 * 1024 };

    /// The smaller of each.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { updates: self.updates.min(other.updates), bytes: self.bytes.min(other.bytes) }
    }

    /// It and one more update of so many bytes.
    pub(crate) fn and(self, bytes: usize) -> Self {
        Self { updates: self.updates + 1, bytes: self.bytes + bytes }
    }

    /// Whether it takes one more update of so many bytes after those that it has. One that is larger goes by itself.
    pub(crate) fn takes(self, has: Self, bytes: usize) -> bool {
        has.updates < self.updates && (has.bytes == 0 || has.bytes + bytes <= self.bytes)
    }
}

/// What was found for a subscriber.
pub(crate) struct Collected {
    pub(crate) updates: Vec<Arc<LoggedUpdate>>,
    /// The first update that it is owed then.
    pub(crate) owed: Option<u64>,
    /// All that was looked at is for everybody.
    is_public: bool,
}

/// What a read found.
pub(crate) enum Read {
    Ready(Delivery),
    /// The subscriber is up to date.
    UpToDate,
    /// Nothing so far for this subscriber; there is more to look at.
    Again,
    /// What it is owed next is read from the log behind the hub. It is woken when that is there.
    Waiting,
}

impl State {
    /// Reads on for a subscriber that is served alone, and moves its cursor.
    pub(crate) fn read(&mut self, key: SubscriberKey) -> Read {
        let owed = self.members.get(key).and_then(|member| member.served.owed());
        let (read, then_owed) = self.read_from(key, owed, Portion::SMALL);
        if let Some(Member { served: Served::Alone { owed, .. }, .. }) = self.members.get_mut(key) {
            *owed = then_owed;
        }
        read
    }

    /// Reads on for a subscriber whose cursor is `owed`: a gap, some of what it is owed, or how it ends. Gives its next
    /// cursor, too.
    pub(crate) fn read_from(
        &mut self,
        key: SubscriberKey,
        owed: Option<u64>,
        portion: Portion,
    ) -> (Read, Option<u64>) {
        let oldest = self.oldest();
        let before = self.tail.position(oldest - 1);
        let Some(member) = self.members.get_mut(key) else {
            return (Read::Ready(Delivery::Closed(CloseReason::Client)), None);
        };
        if member.note_told() {
            let reason = member.closed.unwrap_or(CloseReason::Client);
            return (Read::Ready(Delivery::Closed(reason)), None);
        }
        let lost = owed.filter(|&owed| owed < oldest);
        let told = member.gap.take().map(|gap| gap.grown_to(before));
        let fallen = |from| Gap { last_event_id: None, before, missed: Some(oldest - from) };
        let gap = told.or_else(|| lost.map(fallen));
        let closed = member.closed;
        let (updates, then_owed) = match (&gap, owed) {
            (Some(_), Some(from)) => {
                let member = self.members.get(key);
                (None, member.and_then(|member| self.first_owed(member, from.max(oldest))))
            }
            (None, Some(from)) if from < self.tail.oldest() => {
                return self.read_behind(key, from, portion);
            }
            (None, Some(from)) => self.take(key, from, portion),
            (_, None) => (None, None),
        };
        let read = if let Some(gap) = gap {
            self.gaps += 1;
            Read::Ready(Delivery::Gap(gap))
        } else if let Some(updates) = updates {
            Read::Ready(Delivery::Updates(updates))
        } else if owed.is_some() {
            Read::Again
        } else {
            closed.map_or(Read::UpToDate, |reason| Read::Ready(Delivery::Closed(reason)))
        };
        (read, then_owed)
    }

    /// Some of the updates from `from` on that a subscriber receives, if there are any, and the first that it is owed then.
    fn take(
        &mut self,
        key: SubscriberKey,
        from: u64,
        portion: Portion,
    ) -> (Option<Updates>, Option<u64>) {
        let Some(member) = self.members.get(key) else { return (None, None) };
        // Others with this one selector get the same, unless some of it is private.
        let question = match member.places.as_slice() {
            [place] if member.templates.is_empty() => {
                Some(Question { node: place.node, from, portion, next: self.tail.next() })
            }
            _ => None,
        };
        if let Some((updates, owed)) = question.and_then(|question| self.replays.find(question)) {
            return (Some(updates), owed);
        }
        let Collected { updates, owed, is_public } = self.collect(member, from, portion);
        if updates.is_empty() {
            return (None, owed);
        }
        let answer: Answer = (updates.into(), owed);
        if let Some(question) = question.filter(|_| is_public && answer.0.len() > 1) {
            self.replays.keep(question, &answer);
        }
        (Some(answer.0), owed)
    }

    /// The newest position, if the subscriber is owed nothing.
    pub(crate) fn caught_up(&self, key: SubscriberKey) -> Option<Position> {
        let member = self.members.get(key)?;
        let newest = self.tail.newest_position();
        // What comes after an end at once is not for it, and not to be skipped by its client either.
        let is_open = member.at_once == AtOnce::No;
        (is_open && member.served.owed().is_none() && member.gap.is_none()).then_some(newest)
    }

    /// Some of the updates from `from` on that a subscriber receives, and the first that it is owed then. So
    /// that a cursor's loss is a loss, that one is an update it receives, unless the search for it was given up there.
    pub(crate) fn collect(&self, member: &Member, from: u64, portion: Portion) -> Collected {
        let mut collected = Collected { updates: Vec::new(), owed: None, is_public: true };
        let mut has = Portion::NOTHING;
        for (looked_at, seq) in self.candidates(member, from).enumerate() {
            if looked_at == READ_CANDIDATES {
                collected.owed = Some(seq);
                break;
            }
            let Some(update) = self.tail.at(seq) else { continue };
            collected.is_public &= !update.is_private();
            if !may_receive(&member.subscriber, update) || !self.matches(member, update) {
                continue;
            }
            // A large frame goes out by itself, shared, rather than copied behind others.
            if !portion.takes(has, update.frame.len()) {
                collected.owed = Some(seq);
                break;
            }
            has = has.and(update.frame.len());
            collected.updates.push(Arc::clone(update));
        }
        collected
    }

    /// Whether an update that is a candidate matches a subscriber's selectors. Of those without a template it does.
    fn matches(&self, member: &Member, update: &LoggedUpdate) -> bool {
        member.templates.is_empty() || self.matches_any(member, update)
    }

    /// Whether an update matches a subscriber's selectors.
    fn matches_any(&self, member: &Member, update: &LoggedUpdate) -> bool {
        let has_place = |key| member.places.binary_search_by_key(&key, |place| place.node).is_ok();
        has_place(self.index.all())
            || update.topics().any(|topic| {
                self.index.topic(topic).is_some_and(has_place)
                    || member.templates.iter().any(|template| template.matches(topic))
            })
    }

    /// The retained updates from a seq on that may match a subscriber's selectors: ascending, each once. With a template
    /// among the selectors all may: the search goes through the log in steps of [`READ_CANDIDATES`].
    fn candidates<'a>(
        &'a self,
        member: &'a Member,
        from: u64,
    ) -> Box<dyn Iterator<Item = u64> + 'a> {
        let from = from.max(self.tail.oldest());
        let everything = !member.templates.is_empty()
            || member.places.iter().any(|place| place.node == self.index.all());
        if everything {
            return Box::new(from..self.tail.next());
        }
        let mut nodes = member.places.iter().filter_map(|place| self.index.node(place.node));
        if member.places.len() == 1 {
            return Box::new(
                nodes.next().into_iter().flat_map(move |node| node.updates_from(from)),
            );
        }
        // Only the lists that have something: of a thousand selectors one or two have news.
        let mut lists = Vec::new();
        let mut heads = BinaryHeap::new();
        for mut list in nodes.map(|node| node.updates_from(from)) {
            if let Some(seq) = list.next() {
                heads.push(Reverse((seq, lists.len())));
                lists.push(list);
            }
        }
        let mut last = None;
        Box::new(std::iter::from_fn(move || {
            loop {
                let Reverse((seq, which)) = heads.pop()?;
                if let Some(next) = lists.get_mut(which).and_then(Iterator::next) {
                    heads.push(Reverse((next, which)));
                }
                if last.replace(seq) != Some(seq) {
                    return Some(seq);
                }
            }
        }))
    }
}
