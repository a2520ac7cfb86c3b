//! How a subscriber comes in, is handed over to a shard, and leaves.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use crate::ending::AtOnce;
use crate::error::SubscribeError;
use crate::index::{NodeKey, ShardKey, SubscriberKey};
use crate::resuming::Placed;
use crate::selector::{Kind, Selector};
use crate::served::{Seated, Served};
use crate::shard::SeatKey;
use crate::state::{Member, Place, State};
use crate::subscriber::{Start, Subscriber};
use crate::subscription::{Gap, Resume};
use crate::tail::Found;
use crate::update::{IdScope, Update};

/// For how many subscribers a hub that has none may keep room.
const SPARE_MEMBERS: usize = 64;

impl State {
    /// Tells whether somebody would be let in now.
    pub(crate) fn check_newcomer(&self, subscriber: &Subscriber) -> Result<(), SubscribeError> {
        if self.closing {
            return Err(SubscribeError::Closed);
        }
        self.admission.check(subscriber, &self.index, &self.config.limits)
    }

    /// Opens a subscription. `announcements` are published once it is settled what it is owed, so that what they push
    /// out of the log is told as a gap, and before the newcomer hears of anything. So one that is up to date does not
    /// begin with its own; one that is behind finds it where everybody does, at the log's end.
    pub(crate) fn subscribe(
        &mut self,
        subscriber: Arc<Subscriber>,
        (start, placed): (Start, Option<Placed>),
        announcements: Vec<Update>,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> Result<(SubscriberKey, Resume), SubscribeError> {
        self.check_newcomer(&subscriber)?;
        self.evict(now);
        self.admission.count(&subscriber);
        let (resume, from, gap) = self.resolve(start, placed, &subscriber);
        let key = self.members.vacant_key();
        let places = self.enter(key, &subscriber);
        let is_template = |selector: &&Selector| selector.kind() == Kind::Template;
        let templates = subscriber.selectors.iter().filter(is_template).cloned().collect();
        let served = Served::Alone { owed: None, waker: None };
        let mut member = Member {
            subscriber,
            places,
            templates,
            served,
            gap,
            closed: None,
            at_once: AtOnce::No,
            fetched: None,
        };
        if let Some(from) = from {
            let owed = self.first_owed(&member, from);
            member.served = Served::Alone { owed, waker: None };
        }
        for update in announcements {
            // An announcement too large for the log is no reason to refuse the subscriber.
            drop(self.publish(update, now, woken));
        }
        self.members.insert(member);
        Ok((key, resume))
    }

    /// Where a subscription begins: what it is told, from which update on it is owed what matches, and what is lost.
    /// `placed` is where the log behind the hub says the id is; without it the tail is asked.
    fn resolve(
        &self,
        start: Start,
        placed: Option<Placed>,
        subscriber: &Subscriber,
    ) -> (Resume, Option<u64>, Option<Gap>) {
        let oldest = self.oldest();
        let scope = match &start {
            Start::AfterOnTopic(_) => IdScope::Topic,
            Start::Live | Start::Earliest | Start::After(_) => IdScope::Hub,
        };
        let id = match start {
            Start::Live => return (Resume::Live, None, None),
            Start::Earliest => return (Resume::Earliest, Some(oldest), None),
            Start::After(id) | Start::AfterOnTopic(id) => id,
        };
        let lost = |from: u64, missed| Gap {
            last_event_id: Some(id.clone()),
            before: self.tail.position(from - 1),
            missed,
        };
        // Another log may have begun since that was asked.
        let found = placed.filter(|placed| placed.epoch == self.tail.epoch()).map_or_else(
            || self.tail.find(&id, scope, &subscriber.selectors, oldest),
            |placed| placed.found,
        );
        match found {
            // The log may have moved on since it was asked.
            Found::From(from) if from < oldest => {
                (Resume::Partial, Some(oldest), Some(lost(oldest, Some(oldest - from))))
            }
            Found::From(from) => (Resume::Complete, Some(from), None),
            Found::Lost { missed: Some(missed) } => {
                (Resume::Partial, Some(oldest), Some(lost(oldest, Some(missed))))
            }
            // Of an unknown id it is not known what came after it: all that is retained may have.
            Found::Lost { missed: None } => {
                (Resume::Unknown, Some(oldest), Some(lost(oldest, None)))
            }
            Found::Beyond => (Resume::Unknown, None, Some(lost(self.tail.next(), None))),
        }
    }

    fn enter(&mut self, key: SubscriberKey, subscriber: &Subscriber) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::with_capacity(subscriber.selectors.len());
        for selector in &subscriber.selectors {
            let node = self.index.enter(selector);
            // A selector named twice has entered this one last.
            if let Some(entered) = self.index.node_mut(node)
                && entered.subscribers.last() != Some(&key)
            {
                places.push(Place { node, slot: entered.subscribers.len() });
                entered.subscribers.push(key);
            }
        }
        places.sort_unstable_by_key(|place| place.node);
        places
    }

    /// Ends a subscription and gives what is left of it.
    pub(crate) fn leave(&mut self, key: SubscriberKey) -> Option<Member> {
        let member = self.members.try_remove(key)?;
        if self.members.is_empty() && self.members.capacity() > SPARE_MEMBERS {
            self.members.shrink_to_fit();
        }
        for place in &member.places {
            match member.served {
                Served::Alone { .. } => self.vacate(place),
                Served::InShard { shard, .. } => {
                    if let Some(node) = self.index.node_mut(place.node) {
                        node.leave_shard(shard);
                    }
                }
            }
            self.index.drop_if_unused(place.node);
        }
        self.admission.release(&member.subscriber);
        Some(member)
    }

    /// Frees a slot in a node's list; the list's last subscriber moves into it.
    fn vacate(&mut self, place: &Place) {
        let Some(node) = self.index.node_mut(place.node) else { return };
        if place.slot >= node.subscribers.len() {
            return;
        }
        node.subscribers.swap_remove(place.slot);
        if node.subscribers.capacity() > 64
            && node.subscribers.len() * 4 < node.subscribers.capacity()
        {
            let keep = node.subscribers.len() * 2;
            node.subscribers.shrink_to(keep);
        }
        if let Some(&moved) = node.subscribers.get(place.slot) {
            self.move_slot(moved, place.node, place.slot);
        }
    }

    /// Notes that a subscriber has another slot in a node's list.
    pub(crate) fn move_slot(&mut self, moved: SubscriberKey, node: NodeKey, slot: usize) {
        if let Some(member) = self.members.get_mut(moved)
            && let Ok(place) = member.places.binary_search_by_key(&node, |place| place.node)
            && let Some(place) = member.places.get_mut(place)
        {
            place.slot = slot;
        }
    }

    /// Hands a subscriber over to a shard, whose list for a node `list` enters it in and gives its slot.
    pub(crate) fn seat(
        &mut self,
        key: SubscriberKey,
        (shard, seat): (ShardKey, SeatKey),
        mut list: impl FnMut(NodeKey) -> usize,
    ) -> Seated {
        let Some(member) = self.members.get_mut(key) else { return Seated::default() };
        let served = std::mem::replace(&mut member.served, Served::InShard { shard, seat });
        let (owed, waker) = match served {
            Served::Alone { owed, waker } => (owed, waker),
            Served::InShard { .. } => (None, None),
        };
        let is_ending = member.closed.is_some();
        let ends_at_once = member.note_told();
        let is_behind = owed.is_some() || member.gap.is_some() || is_ending;
        let through = if is_ending && owed.is_none() { u64::MAX } else { self.tail.next() - 1 };
        let mut places = std::mem::take(&mut member.places);
        for place in &mut places {
            if let Some(node) = self.index.node_mut(place.node) {
                node.enter_shard(shard);
            }
            self.vacate(place);
            place.slot = list(place.node);
        }
        if let Some(member) = self.members.get_mut(key) {
            member.places = places;
        }
        Seated { owed, through, is_behind, is_ending, ends_at_once, waker }
    }

    /// A subscriber's nodes, and its slot in the list of each.
    pub(crate) fn slots(&self, key: SubscriberKey) -> Vec<(NodeKey, usize)> {
        let places = self.members.get(key).into_iter().flat_map(|member| &member.places);
        places.map(|place| (place.node, place.slot)).collect()
    }
}
