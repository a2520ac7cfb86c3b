//! Reading on from the log behind the hub, for a subscriber whose cursor is before the tail.
//!
//! A read under the hub's lock notes what it needs of the log; a task gets it and leaves it with the subscriber, who is
//! woken as for a new update. So both lanes know only one kind of waiting, and what is kept for one that is behind is
//! as much as it is given at once, from when it came until it is read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hashbrown::HashSet;
use tokio::sync::oneshot;

use crate::behind::Behind;
use crate::hub::{Hub, Inner};
use crate::index::SubscriberKey;
use crate::log::{Page, Wanted};
use crate::read::{Portion, Read};
use crate::selector::{Kind, Selector};
use crate::served::Served;
use crate::state::{Member, State, may_receive};
use crate::subscriber::Subscriber;
use crate::subscription::Delivery;
use crate::update::LoggedUpdate;

/// How much is read from the log at once: as much as a socket on a network takes in one go. Less for one that is given less
/// at once, but where the log cannot pick what it receives: there may be little of that in a whole page.
const PAGE: Portion = Portion { updates: 512, bytes: 64 * 1024 };
/// How many updates are looked at before other tasks have a turn: each may have a thousand topics, and be compared with
/// 64 templates.
const LOOKED_AT: usize = 32;
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
    /// The topics that it asks for, if it asks for nothing else.
    topics: Option<Arc<[Arc<str>]>>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// A task is at it, for as long as this is held.
    Asked(#[expect(dead_code, reason = "it is held to be dropped")] oneshot::Receiver<Infallible>),
    Came(Portioned),
    /// What came was read, and more will be.
    Read,
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
    subscriber: Arc<Subscriber>,
    wanted: Wanted,
    /// How much of it is kept.
    portion: Portion,
    /// What was asked for another cursor: to drop it wakes its task, which is not for under the lock.
    _stale: Fetched,
    /// Closed when nobody waits for it any more.
    asked: oneshot::Sender<Infallible>,
}

impl State {
    /// Reads on for a subscriber whose cursor `from` is before the tail. Gives its next cursor, too.
    pub(crate) fn read_behind(
        &mut self,
        key: SubscriberKey,
        from: u64,
        portion: Portion,
    ) -> (Read, Option<u64>) {
        let until = self.tail.oldest();
        let Some(member) = self.members.get_mut(key) else { return (Read::UpToDate, None) };
        let mut stale = None;
        let topics = match member.fetched.take() {
            Some(mut known) if known.from == from => match known.stage {
                Stage::Asked(_) => {
                    member.fetched = Some(known);
                    return (Read::Waiting, Some(from));
                }
                Stage::Came(Portioned { updates, next }) => {
                    if next < until {
                        (known.from, known.stage) = (next, Stage::Read);
                        member.fetched = Some(known);
                    }
                    let owed = self.members.get(key).and_then(|m| self.first_owed(m, next));
                    if updates.is_empty() {
                        return (Read::Again, owed);
                    }
                    return (Read::Ready(Delivery::Updates(updates.into())), owed);
                }
                Stage::Read => known.topics,
            },
            // What was asked for another cursor is of no use.
            other => {
                stale = other;
                stale.as_ref().and_then(|stale| stale.topics.clone())
            }
        };
        let subscriber = Arc::clone(&member.subscriber);
        let topics = topics.or_else(|| all_topics(&subscriber));
        let all = self.index.all();
        let receives_all = topics.is_some() || member.places.iter().any(|place| place.node == all);
        let page = if receives_all { PAGE.min(portion) } else { PAGE };
        let (asked, held) = oneshot::channel();
        let stage = Stage::Asked(held);
        member.fetched = Some(Box::new(Behindhand { from, topics: topics.clone(), stage }));
        let Portion { updates: max_updates, bytes: max_bytes } = page;
        let wanted = Wanted { from, until, topics, max_updates, max_bytes };
        self.fetches.push(Fetch { key, subscriber, wanted, portion, asked, _stale: stale });
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

    /// Leaves with a subscriber what was read for it. Gives whom to wake, and what is to be dropped without the lock.
    fn leave_page(
        &mut self,
        fetch: &Fetch,
        oldest: u64,
        came: Portioned,
    ) -> (Option<Waker>, Fetched) {
        // Of a log that is gone nothing is kept, nor for who is gone.
        if fetch.asked.is_closed() {
            return (None, None);
        }
        // What is not in the tail yet may be on its way into it.
        self.note_log_oldest(oldest.min(self.tail.next()));
        let Some(member) = self.members.get_mut(fetch.key) else { return (None, None) };
        let Wanted { from, topics, .. } = &fetch.wanted;
        let came = Behindhand { from: *from, topics: topics.clone(), stage: Stage::Came(came) };
        let asked = member.fetched.replace(Box::new(came));
        let woken = match &mut member.served {
            Served::Alone { waker, .. } => waker.take(),
            Served::InShard { shard, seat } => {
                self.shards.get(*shard).and_then(|inbox| inbox.rouse(*seat, member.subscriber.id))
            }
        };
        (woken, asked)
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

impl Fetch {
    /// Picks what the subscriber receives of a page, as much of it as is kept.
    async fn pick(&self, page: Page) -> Portioned {
        let Page { epoch, updates, next, .. } = page;
        let mut came = Portioned { updates: Vec::new(), next };
        let mut has = Portion::NOTHING;
        let sought = Sought::of(&self.subscriber);
        for (looked_at, logged) in updates.into_iter().enumerate() {
            if looked_at % LOOKED_AT == LOOKED_AT - 1 {
                tokio::task::yield_now().await;
            }
            let update = Behind::retained(epoch, logged);
            if !may_receive(&self.subscriber, &update) || !sought.is_met_by(&update) {
                continue;
            }
            if !self.portion.takes(has, update.frame.len()) {
                came.next = update.position.seq;
                break;
            }
            has = has.and(update.frame.len());
            came.updates.push(Arc::new(update));
        }
        came
    }
}

/// What a subscriber asks for, ready to be compared with many topics.
struct Sought<'a> {
    all: bool,
    texts: HashSet<&'a str>,
    templates: Vec<&'a Selector>,
}

impl<'a> Sought<'a> {
    fn of(subscriber: &'a Subscriber) -> Self {
        let of_kind = |kind| subscriber.selectors.iter().filter(move |s| s.kind() == kind);
        Self {
            all: of_kind(Kind::All).next().is_some(),
            texts: of_kind(Kind::Exact).map(Selector::as_str).collect(),
            templates: of_kind(Kind::Template).collect(),
        }
    }

    fn is_met_by(&self, update: &LoggedUpdate) -> bool {
        let is_met = |topic| {
            self.texts.contains(topic)
                || self.templates.iter().any(|template| template.matches(topic))
        };
        self.all || update.topics().any(is_met)
    }
}

/// The topics that a subscriber asks for, if it asks for nothing but topics.
fn all_topics(subscriber: &Subscriber) -> Option<Arc<[Arc<str>]>> {
    let selectors = &subscriber.selectors;
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
    let Some(page) = read else { return };
    let oldest = page.oldest;
    let came = fetch.pick(page).await;
    let (woken, _not_under_the_lock) = hub.state.lock().leave_page(&fetch, oldest, came);
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
