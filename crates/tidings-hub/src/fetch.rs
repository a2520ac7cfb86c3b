//! Reading on from the log behind the hub, for a subscriber whose cursor is before the tail.
//!
//! A read under the hub's lock notes what it needs of the log; a task gets it and leaves it with the subscriber, who is
//! woken as for a new update. So both lanes know only one kind of waiting, and what is kept for one that is behind is
//! one page at most, from when it came until it is read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::behind::Behind;
use crate::hub::{Hub, Inner};
use crate::index::SubscriberKey;
use crate::log::{Page, Wanted};
use crate::read::{Portion, Read};
use crate::selector::Kind;
use crate::served::Served;
use crate::state::{Member, State, may_receive};
use crate::subscription::Delivery;
use crate::update::LoggedUpdate;

/// How much is read from the log at once: as much as a socket on a network takes in one go.
const PAGE_UPDATES: usize = 512;
const PAGE_BYTES: usize = 64 * 1024;
/// How long a task waits before it asks a log again that is away, or whose answer was of no use: each time twice as long,
/// for there may be one for each of many thousands of subscribers. When the log is back, they need not wait.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a subscriber whose cursor is before the tail has of the log. In a box, because few have one.
pub(crate) type Fetched = Option<Box<Behindhand>>;

/// What was asked for, or came, for the cursor `from`.
#[derive(Debug)]
pub(crate) struct Behindhand {
    from: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// A task is at it, for as long as this is held.
    Asked(#[expect(dead_code, reason = "it is held to be dropped")] oneshot::Receiver<Infallible>),
    Came(Portioned),
}

/// Some of what a subscriber receives, and up to where the log was searched.
#[derive(Debug, Default)]
pub(crate) struct Portioned {
    updates: Vec<Arc<LoggedUpdate>>,
    next: u64,
}

/// What is to be read for whom.
#[derive(Debug)]
pub(crate) struct Fetch {
    key: SubscriberKey,
    wanted: Wanted,
    /// Closed when nobody waits for it any more.
    asked: oneshot::Sender<Infallible>,
}

impl State {
    /// Reads on for a subscriber whose cursor `from` is before the tail. Gives its next cursor, too.
    pub(crate) fn read_behind(&mut self, key: SubscriberKey, from: u64) -> (Read, Option<u64>) {
        let until = self.tail.oldest();
        let Some(member) = self.members.get_mut(key) else { return (Read::UpToDate, None) };
        // What was asked for another cursor is of no use.
        let known = member.fetched.take().filter(|known| known.from == from);
        match known.map(|known| known.stage) {
            Some(stage @ Stage::Asked(_)) => {
                member.fetched = Some(Box::new(Behindhand { from, stage }));
            }
            Some(Stage::Came(Portioned { updates, next })) => {
                let owed = self.members.get(key).and_then(|member| self.first_owed(member, next));
                if updates.is_empty() {
                    return (Read::Again, owed);
                }
                return (Read::Ready(Delivery::Updates(updates.into())), owed);
            }
            None => {
                let (asked, held) = oneshot::channel();
                member.fetched = Some(Box::new(Behindhand { from, stage: Stage::Asked(held) }));
                let wanted = Wanted {
                    from,
                    until,
                    topics: topics(member),
                    max_updates: PAGE_UPDATES,
                    max_bytes: PAGE_BYTES,
                };
                self.fetches.push(Fetch { key, wanted, asked });
            }
        }
        (Read::Waiting, Some(from))
    }

    /// The first update from a seq on that a subscriber is owed. Of what comes before the tail it is not known which that
    /// is.
    pub(crate) fn first_owed(&self, member: &Member, from: u64) -> Option<u64> {
        if from < self.tail.oldest() {
            Some(from)
        } else {
            self.collect(member, from, Portion::NOTHING).owed
        }
    }

    /// Leaves with a subscriber what was read for it. Gives whom to wake.
    fn leave_page(
        &mut self,
        fetch: &Fetch,
        page: &Page,
        updates: Vec<LoggedUpdate>,
    ) -> Option<Waker> {
        // Of a log that is gone nothing is kept, nor for who is gone.
        if fetch.asked.is_closed() {
            return None;
        }
        // What is not in the tail yet may be on its way into it.
        self.note_log_oldest(page.oldest.min(self.tail.next()));
        let member = self.members.get(fetch.key)?;
        let is_for_it = |update: &LoggedUpdate| {
            may_receive(&member.subscriber, update) && self.matches_any(member, update)
        };
        let updates: Vec<_> = updates.into_iter().filter(is_for_it).map(Arc::new).collect();
        let member = self.members.get_mut(fetch.key)?;
        let stage = Stage::Came(Portioned { updates, next: page.next });
        member.fetched = Some(Box::new(Behindhand { from: fetch.wanted.from, stage }));
        match &mut member.served {
            Served::Alone { waker, .. } => waker.take(),
            Served::InShard { shard, seat } => {
                self.shards.get(*shard).and_then(|inbox| inbox.rouse(*seat, member.subscriber.id))
            }
        }
    }

    /// Whether a page leads a reader on.
    fn is_of_use(&self, page: &Page, wanted: &Wanted) -> bool {
        page.epoch == self.tail.epoch() && wanted.from < page.next.max(page.oldest)
    }

    /// Notes that the log behind the hub retains nothing before a seq, and lets go of it, too.
    pub(crate) fn note_log_oldest(&mut self, oldest: u64) {
        if let Some(known) = &mut self.log_oldest {
            *known = oldest.max(*known);
        }
        while self.tail.oldest() < oldest
            && let Some(entry) = self.tail.evict_oldest()
        {
            self.index.evict(&entry);
        }
        self.replays.forget_before(self.tail.oldest());
    }
}

/// The topics that a subscriber asks for, if it asks for nothing but topics.
fn topics(member: &Member) -> Option<Arc<[Arc<str>]>> {
    let selectors = &member.subscriber.selectors;
    let is_topic = selectors.iter().all(|selector| selector.kind() == Kind::Exact);
    is_topic.then(|| selectors.iter().map(|selector| selector.as_str().into()).collect())
}

impl Hub {
    /// Has what reads have noted read from the log.
    pub(crate) fn fetch(&self, fetches: Vec<Fetch>) {
        let Some(behind) = &self.0.behind else { return };
        for fetch in fetches {
            behind.spawn(run(Arc::clone(&self.0), fetch));
        }
    }
}

/// Reads from the log, and leaves what came with who waits for it, unless nobody does any more.
async fn run(hub: Arc<Inner>, mut fetch: Fetch) {
    let Some(behind) = &hub.behind else { return };
    let read = {
        let mut reading = pin!(read(&hub, behind, &fetch.wanted));
        let mut unwanted = pin!(fetch.asked.closed());
        let either = poll_fn(|cx| match unwanted.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => reading.as_mut().poll(cx).map(Some),
        });
        either.await
    };
    let Some(mut page) = read else { return };
    let epoch = page.epoch;
    let logged = std::mem::take(&mut page.updates);
    let updates = logged.into_iter().map(|logged| Behind::retained(epoch, logged)).collect();
    let woken = hub.state.lock().leave_page(&fetch, &page, updates);
    woken.into_iter().for_each(Waker::wake);
}

/// Reads from the log, however long it is away or is another one than the hub knows of yet.
async fn read(hub: &Inner, behind: &Behind, wanted: &Wanted) -> Page {
    let mut back = behind.back();
    let mut pause = FIRST_PAUSE;
    loop {
        // That it is back is news to who asked before it was.
        back.mark_unchanged();
        if let Ok(page) = behind.read(wanted.clone()).await
            && hub.state.lock().is_of_use(&page, wanted)
        {
            return page;
        }
        let is_back = tokio::time::timeout(pause, back.changed()).await.is_ok();
        pause = if is_back { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
    }
}
