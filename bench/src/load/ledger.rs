//! What was published on each topic and who still lacks it: finds what is lost, doubled or out of order.

use crate::marker::Marker;

/// The account of all topics of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    topics: Vec<Topic>,
    /// Updates that every subscriber of their topic has.
    complete: u64,
    published: u64,
    /// One connection publishes everything: then the order of publishing is the order for all.
    pub(crate) one_publisher: bool,
}

#[derive(Clone, Debug, Default)]
struct Topic {
    subscribers: u32,
    /// For each update, in the order of publishing, how many subscribers lack it.
    missing: Vec<u32>,
    /// The updates in the order in which the first subscriber to get so far got them. All must get the same.
    order: Vec<u32>,
}

/// What is wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was never published.
    Unknown,
    /// The subscriber has it already.
    Doubled,
    /// Another one should have come first: that is lost, or the order is not everyone's.
    OutOfOrder { expected: u32 },
}

impl Ledger {
    /// Makes a topic known with one more subscriber.
    pub(crate) fn subscribe(&mut self, topic: u32) {
        let index = topic as usize;
        if self.topics.len() <= index {
            self.topics.resize(index + 1, Topic::default());
        }
        if let Some(topic) = self.topics.get_mut(index) {
            topic.subscribers += 1;
        }
    }

    /// Makes so many topics known without a subscriber.
    pub(crate) fn reserve(&mut self, topics: usize) {
        if self.topics.len() < topics {
            self.topics.resize(topics, Topic::default());
        }
    }

    /// Begins an update of a topic, and answers its number; it stays 0 for a topic that nobody knows.
    pub(crate) fn publish(&mut self, topic: u32) -> u32 {
        self.published += 1;
        let Some(topic) = self.topics.get_mut(topic as usize) else { return 0 };
        if topic.subscribers == 0 {
            self.complete += 1;
        }
        topic.missing.push(topic.subscribers);
        u32::try_from(topic.missing.len() - 1).unwrap_or(u32::MAX)
    }

    /// Enters a delivery to a subscriber that has got so many updates of this topic before.
    pub(crate) fn deliver(&mut self, marker: Marker, before: u32) -> Result<(), Fault> {
        let topic = self.topics.get_mut(marker.topic as usize).ok_or(Fault::Unknown)?;
        let missing = topic.missing.get_mut(marker.seq as usize).ok_or(Fault::Unknown)?;
        let (place, seq) = (before as usize, marker.seq);
        match topic.order.get(place) {
            Some(expected) if *expected == seq => {}
            Some(_) if topic.order.iter().take(place).any(|other| *other == seq) => {
                return Err(Fault::Doubled);
            }
            Some(expected) => return Err(Fault::OutOfOrder { expected: *expected }),
            // Nobody has more; and who has as much has what the order says.
            None if topic.order.contains(&seq) => return Err(Fault::Doubled),
            None if self.one_publisher && marker.seq != before => {
                return Err(Fault::OutOfOrder { expected: before });
            }
            None => topic.order.push(seq),
        }
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.complete += 1;
        }
        Ok(())
    }

    /// How many updates wait for a subscriber to get them.
    pub(crate) fn outstanding(&self) -> u64 {
        self.published - self.complete
    }

    /// The deliveries that are still to come.
    pub(crate) fn missing(&self) -> u64 {
        self.topics.iter().flat_map(|topic| &topic.missing).map(|missing| u64::from(*missing)).sum()
    }

    /// One subscriber less waits for what is published from now on, and for what was not delivered: it left, or it was
    /// set aside.
    pub(crate) fn leave(&mut self, topic: u32) {
        if let Some(topic) = self.topics.get_mut(topic as usize) {
            topic.subscribers = topic.subscribers.saturating_sub(1);
        }
    }

    /// Sets for one topic how many are to get each update after the first ones: replay is expected.
    pub(crate) fn expect_again(&mut self, topic: u32, from: u32, subscribers: u32) {
        let Some(topic) = self.topics.get_mut(topic as usize) else { return };
        for missing in topic.missing.iter_mut().skip(from as usize) {
            if *missing == 0 {
                self.complete -= 1;
            }
            *missing += subscribers;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(seq: u32) -> Marker {
        Marker { run: 0, topic: 0, seq, sent: 0 }
    }

    fn ledger(subscribers: u32, updates: u32) -> Ledger {
        let mut ledger = Ledger::default();
        (0..subscribers).for_each(|_| ledger.subscribe(0));
        (0..updates).for_each(|seq| assert_eq!(ledger.publish(0), seq));
        ledger
    }

    #[test]
    fn an_update_is_complete_when_every_subscriber_has_it() {
        let mut ledger = ledger(2, 1);
        assert_eq!((ledger.outstanding(), ledger.missing()), (1, 2));
        ledger.deliver(marker(0), 0).unwrap();
        assert_eq!((ledger.outstanding(), ledger.missing()), (1, 1));
        ledger.deliver(marker(0), 0).unwrap();
        assert_eq!((ledger.outstanding(), ledger.missing()), (0, 0));
    }

    #[test]
    fn whatever_order_the_first_subscriber_sees_all_must_see() {
        let mut ledger = ledger(2, 3);
        ledger.deliver(marker(1), 0).unwrap();
        ledger.deliver(marker(0), 1).unwrap();
        assert_eq!(ledger.deliver(marker(0), 0), Err(Fault::OutOfOrder { expected: 1 }));
        ledger.deliver(marker(1), 0).unwrap();
        ledger.deliver(marker(0), 1).unwrap();
        ledger.deliver(marker(2), 2).unwrap();
    }

    #[test]
    fn what_comes_twice_is_found() {
        let mut ledger = ledger(2, 3);
        ledger.deliver(marker(0), 0).unwrap();
        assert_eq!(ledger.deliver(marker(0), 1), Err(Fault::Doubled));
        ledger.deliver(marker(1), 1).unwrap();
        ledger.deliver(marker(0), 0).unwrap();
        assert_eq!(ledger.deliver(marker(0), 1), Err(Fault::Doubled));
    }

    #[test]
    fn what_is_lost_or_was_never_published_is_found() {
        let mut ledger = ledger(2, 2);
        ledger.deliver(marker(0), 0).unwrap();
        ledger.deliver(marker(1), 1).unwrap();
        assert_eq!(ledger.deliver(marker(1), 0), Err(Fault::OutOfOrder { expected: 0 }));
        assert_eq!(ledger.deliver(marker(2), 2), Err(Fault::Unknown));
    }

    #[test]
    fn what_one_connection_publishes_comes_in_its_order() {
        let mut ledger = ledger(1, 2);
        ledger.one_publisher = true;
        assert_eq!(ledger.deliver(marker(1), 0), Err(Fault::OutOfOrder { expected: 0 }));
    }

    #[test]
    fn updates_that_clients_missed_are_waited_for_again() {
        let mut ledger = ledger(1, 3);
        (0..3).for_each(|seq| ledger.deliver(marker(seq), seq).unwrap());
        ledger.expect_again(0, 1, 2);
        assert_eq!((ledger.outstanding(), ledger.missing()), (2, 4));
        for _ in 0..2 {
            ledger.deliver(marker(1), 1).unwrap();
            ledger.deliver(marker(2), 2).unwrap();
        }
        assert_eq!(ledger.outstanding(), 0);
    }
}
