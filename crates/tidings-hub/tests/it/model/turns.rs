//! A shard in the model: when its task has its turn, and how far it is.

use std::task::{Context, Waker};

use std::sync::Arc;

use tidings_hub::{Hub, SeatKey, Shard};

use super::listener::Listener;
use super::naive::Known;
use crate::fixture::Wakes;

pub(super) struct Turns {
    pub(super) shard: Shard<Carrier>,
    /// Which of the model's shards it is.
    which: usize,
    wakes: Arc<Wakes>,
    expected_wakes: usize,
    /// The task waits, and what comes next must wake it.
    waits: bool,
    /// Something came since it looked for news.
    has_news: bool,
    /// It looked for news, and is not done with them.
    is_delivering: bool,
    /// The newest update when it looked for news last.
    taken_through: u64,
    /// The newest update when it looked for news that it is done with.
    pub(super) delivered_through: u64,
}

/// What takes a listener's updates.
#[derive(Debug)]
pub(super) struct Carrier {
    /// The listener's id.
    pub(super) who: usize,
    /// How many more updates it takes.
    pub(super) room: usize,
}

impl Carrier {
    /// Takes some of so many updates.
    pub(super) fn take(&mut self, updates: usize) -> usize {
        let taken = updates.min(self.room);
        self.room = self.room.saturating_sub(if self.room == usize::MAX { 0 } else { taken });
        taken
    }
}

impl Turns {
    pub(super) fn new(hub: &Hub, which: usize) -> Self {
        Self {
            shard: Shard::new(hub.clone()),
            which,
            wakes: Arc::default(),
            expected_wakes: 0,
            waits: false,
            has_news: false,
            is_delivering: false,
            taken_through: 0,
            delivered_through: 0,
        }
    }

    pub(super) fn carrier(&mut self, seat: SeatKey) -> &mut Carrier {
        self.shard.carrier(seat).unwrap()
    }

    /// Something came for somebody in it.
    pub(super) fn has_news(&mut self) {
        self.has_news = true;
        self.expected_wakes += usize::from(std::mem::take(&mut self.waits));
    }

    /// Looks for news unless it is at it still, and hands them over to `count` subscriptions, `times` times.
    pub(super) fn turn(
        &mut self,
        (count, times): (usize, usize),
        all: &[Known],
        listeners: &mut [Listener],
    ) {
        if !self.is_delivering {
            let waker = Waker::from(Arc::clone(&self.wakes));
            let is_news = self.shard.poll_news(&mut Context::from_waker(&waker)).is_ready();
            assert_eq!(is_news, std::mem::take(&mut self.has_news));
            self.waits = !is_news;
            self.is_delivering = is_news;
            if is_news {
                self.taken_through = all.len() as u64;
            }
        }
        for _ in 0..times {
            let mut reached = 0;
            let which = self.which;
            let is_more = self.shard.deliver(count, |seat, carrier, updates| {
                reached += 1;
                let listener = listeners.iter_mut().find(|listener| listener.id == carrier.who);
                let listener = listener.unwrap();
                assert_eq!(listener.seat(), Some((which, seat)));
                assert!(!listener.is_behind(), "it reads from the log");
                let taken = carrier.take(updates.len());
                listener.given(all, updates, taken);
                taken
            });
            assert!(reached <= count, "{reached} of {count} at once");
            if !is_more {
                self.is_delivering = false;
                self.delivered_through = self.taken_through;
                break;
            }
        }
        self.rouse(listeners);
    }

    /// Lets those know that have something to read.
    pub(super) fn rouse(&mut self, listeners: &mut [Listener]) {
        for seat in self.shard.take_roused() {
            let seated = listeners.iter_mut().find(|l| l.seat() == Some((self.which, seat)));
            if let Some(listener) = seated {
                listener.fall_behind();
            }
        }
    }

    /// What can be seen of it at any time.
    pub(super) fn check(&self, all: &[Known], listeners: &[Listener]) {
        assert_eq!(self.wakes.count(), self.expected_wakes);
        let mut seated = 0;
        for listener in listeners {
            if let Some((shard, seat)) = listener.seat()
                && shard == self.which
            {
                seated += 1;
                assert_eq!(self.shard.is_behind(seat), listener.is_behind());
            }
        }
        assert_eq!((self.shard.len(), self.shard.keys().count()), (seated, seated));
        let newest = self.shard.caught_up().map(|position| position.seq);
        let is_idle = !self.has_news && !self.is_delivering;
        assert_eq!(newest, is_idle.then_some(all.len() as u64));
        for listener in listeners {
            let is_here = listener.seat().is_some_and(|(shard, _)| shard == self.which);
            if is_idle && is_here && !listener.is_behind() {
                assert!(listener.has_everything(all));
            }
        }
    }

    /// Whether there is nothing more to do, unless a listener reads.
    pub(super) fn is_idle(&self) -> bool {
        self.waits
    }
}
