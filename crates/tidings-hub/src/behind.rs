//! The log behind a hub, as the hub uses it: it is followed, and its newest part is taken into the tail.

use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use parking_lot::MutexGuard;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::config::HubConfig;
use crate::fetch::Fetched;
use crate::hub::{Hub, Inner};
use crate::log::{Bounds, Follow, Log, Logged, News, OwnId, Page, Unavailable, Wanted};
use crate::position::{Epoch, Position};
use crate::presence::Announcer;
use crate::state::State;
use crate::update::{LoggedUpdate, encode};

/// How many reads of the log run at once.
const MAX_READS: usize = 32;
/// How long a publisher is kept waiting until its update, which is in the log, is in the tail, too; and a subscriber until the
/// update that it saw last is.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many updates go into the tail before others may have the lock in between.
const MAX_LOCKED_UPDATES: usize = 256;

/// The log behind a hub.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) log: Arc<dyn Log>,
    runtime: Handle,
    reads: Semaphore,
    reached: watch::Sender<Reached>,
    /// Changes when the log is back.
    back: watch::Sender<()>,
    /// The task that follows the log.
    follower: OnceLock<AbortHandle>,
}

/// Up to where the tail has the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached {
    epoch: Epoch,
    next: u64,
}

impl Drop for Behind {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.get() {
            follower.abort();
        }
    }
}

impl Hub {
    /// A hub with a log behind it. It is ready, with the newest part of the log in memory, when the future is. The
    /// retention of `config` is that of the memory; what the log retains is the log's own setting.
    ///
    /// # Cancel safety
    /// Cancel safe: there is no hub then.
    ///
    /// # Errors
    /// When the log is unavailable.
    pub async fn open(
        log: Arc<dyn Log>,
        config: HubConfig,
        announcer: Option<Box<dyn Announcer>>,
    ) -> Result<Self, Unavailable> {
        let runtime = Handle::try_current().map_err(Unavailable::new)?;
        let bounds = log.bounds().await?;
        let from = tail_from(&bounds, &config);
        let mut state = State::new(bounds.epoch, config);
        state.tail.begin(bounds.epoch, from);
        state.log_oldest = Some(bounds.oldest);
        let follow = log.follow(from);
        let (reached, _) = watch::channel(Reached { epoch: bounds.epoch, next: from });
        let behind = Behind {
            log,
            runtime,
            reads: Semaphore::new(MAX_READS),
            reached,
            back: watch::Sender::new(()),
            follower: OnceLock::new(),
        };
        let hub = Self(Arc::new(Inner::new(state, announcer, Some(behind))));
        hub.follow(follow);
        if let Some(behind) = &hub.0.behind {
            behind.filled(&bounds).await;
        }
        let away = hub.lock().away.clone();
        away.map_or(Ok(hub), Err)
    }

    /// Takes in what happens to the log, for as long as the hub is there.
    fn follow(&self, mut follow: Box<dyn Follow>) {
        let Some(behind) = &self.0.behind else { return };
        let hub = Arc::downgrade(&self.0);
        let task = behind.runtime.spawn(async move {
            loop {
                let news = follow.next().await;
                let Some(hub) = hub.upgrade() else { return };
                take_in(&hub, news);
            }
        });
        drop(behind.follower.set(task.abort_handle()));
    }
}

/// From where on the log is taken into memory: as much of its end as about fits.
fn tail_from(bounds: &Bounds, config: &HubConfig) -> u64 {
    let retained = bounds.next.saturating_sub(bounds.oldest);
    let mean = bounds.bytes.and_then(|bytes| bytes.checked_div(retained)).unwrap_or_default();
    let weight = LoggedUpdate::MIN_BYTES as u64 + mean;
    let fits = config.retention.max_bytes as u64 / weight;
    let fits = fits.min(config.retention.max_updates as u64).max(1).min(retained);
    bounds.next - fits
}

/// Takes in what has happened to the log.
fn take_in(hub: &Inner, news: News) {
    match news {
        News::Updates(updates) => add_all(hub, updates),
        News::Oldest(oldest) => {
            let mut woken = Vec::new();
            hub.state.lock().let_go(oldest, &mut woken);
            woken.into_iter().for_each(Waker::wake);
        }
        News::Anew(bounds) => {
            let mut woken = Vec::new();
            // To drop it wakes the tasks that read for the others: not under the lock.
            let mut not_under_the_lock = Vec::new();
            hub.state.lock().begin_anew(&bounds, &mut woken, &mut not_under_the_lock);
            drop(not_under_the_lock);
            woken.into_iter().for_each(Waker::wake);
        }
        News::Away(why) => hub.state.lock().away = Some(why),
        News::Back => {
            hub.state.lock().away = None;
            if let Some(behind) = &hub.behind {
                behind.back.send_replace(());
            }
        }
    }
    let newest = hub.state.lock().tail.newest_position();
    if let Some(behind) = &hub.behind {
        let now = Reached { epoch: newest.epoch, next: newest.seq + 1 };
        behind.reached.send_if_modified(|reached| std::mem::replace(reached, now) != now);
    }
}

/// Puts updates into the tail.
fn add_all(hub: &Inner, updates: Vec<Logged>) {
    let epoch = hub.state.lock().tail.epoch();
    let mut drafts = updates.into_iter().map(|logged| Behind::draft(epoch, logged)).peekable();
    let now = Instant::now();
    while drafts.peek().is_some() {
        // Encoded before the lock is taken.
        let some: Vec<_> = drafts.by_ref().take(MAX_LOCKED_UPDATES).collect();
        let mut woken = Vec::new();
        let mut state = hub.state.lock();
        for (draft, topics) in some {
            state.take_in(draft, &topics, &mut woken);
        }
        state.evict(now);
        // Whoever waits for the lock goes next.
        MutexGuard::unlock_fair(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Puts an update of the log into the tail, unless it is there.
    fn take_in(&mut self, mut draft: LoggedUpdate, topics: &[String], woken: &mut Vec<Waker>) {
        let seq = draft.position.seq;
        if seq < self.tail.next() {
            return;
        }
        if seq > self.tail.next() {
            // Somebody has taken updates out of the middle. The tail has no holes: it begins after this one.
            while let Some(entry) = self.tail.evict_oldest() {
                self.index.evict(&entry);
            }
            self.tail.begin(draft.position.epoch, seq);
            self.replays.forget_before(seq);
        }
        draft.topics = self.index.intern(topics);
        self.add(draft, woken);
    }

    /// Lets go of what the log retains no longer, and tells everybody of what has left it before it came into the tail.
    fn let_go(&mut self, oldest: u64, woken: &mut Vec<Waker>) {
        let next = self.tail.next();
        self.note_log_oldest(oldest.min(next));
        if oldest <= next {
            return;
        }
        // Whoever was up to date is owed what is lost, for it may have been for them.
        let first = self.tail.position(next);
        self.tail.begin(first.epoch, oldest);
        self.note_log_oldest(oldest);
        for (_, member) in &mut self.members {
            if member.closed.is_none() {
                woken.extend(member.served.owe(next));
            }
        }
        for (_, inbox) in &self.shards {
            woken.extend(inbox.skip(first));
        }
    }

    /// Begins with another log: all that was retained is gone, and everybody is told so and owed all of the new one.
    fn begin_anew(&mut self, bounds: &Bounds, woken: &mut Vec<Waker>, dropped: &mut Vec<Fetched>) {
        let Bounds { epoch, oldest, .. } = *bounds;
        while let Some(entry) = self.tail.evict_oldest() {
            self.index.evict(&entry);
        }
        self.replays.forget_before(u64::MAX);
        self.tail.begin(epoch, oldest);
        self.log_oldest = Some(oldest);
        let before = self.tail.position(oldest - 1);
        for (_, member) in &mut self.members {
            woken.extend(member.begin_anew(before, dropped));
        }
        for (_, inbox) in &self.shards {
            woken.extend(inbox.begin_anew(epoch, oldest));
        }
    }
}

impl Behind {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    pub(crate) async fn read(&self, wanted: Wanted) -> Result<Page, Unavailable> {
        let _turn = self.reads.acquire().await.map_err(Unavailable::new)?;
        self.log.read(wanted).await
    }

    pub(crate) async fn find(&self, id: OwnId) -> Result<Option<u64>, Unavailable> {
        let _turn = self.reads.acquire().await.map_err(Unavailable::new)?;
        self.log.find(id).await
    }

    pub(crate) async fn bounds(&self) -> Result<Bounds, Unavailable> {
        let _turn = self.reads.acquire().await.map_err(Unavailable::new)?;
        self.log.bounds().await
    }

    /// Waits until the tail has all that the log had, for as long as something comes: what somebody has taken out at
    /// the log's end never does.
    async fn filled(&self, bounds: &Bounds) {
        let mut reached = self.reached.subscribe();
        loop {
            let Reached { epoch, next } = *reached.borrow_and_update();
            if epoch != bounds.epoch || next >= bounds.next {
                return;
            }
            if tokio::time::timeout(PATIENCE, reached.changed()).await.is_err() {
                return;
            }
        }
    }

    /// An update of the log as the tail keeps it, without its topics, and these.
    fn draft(epoch: Epoch, logged: Logged) -> (LoggedUpdate, Vec<String>) {
        let Logged { seq, at, mut update } = logged;
        let topics = std::mem::take(&mut update.topics);
        let position = Position { epoch, seq };
        let own_id = update.id.is_some().then_some(update.id_scope);
        let id = update.id.take().unwrap_or_else(|| position.to_event_id());
        let now = Instant::now();
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        let draft = LoggedUpdate {
            position,
            frame: encode(&mut update, &id),
            id,
            logged_at: now.checked_sub(age).unwrap_or(now),
            topics: Box::default(),
            private: update.private,
            own_id,
            // The log knows the keys.
            idempotency: None,
        };
        (draft, topics)
    }

    /// An update of the log as a subscriber is given it.
    pub(crate) fn retained(epoch: Epoch, logged: Logged) -> LoggedUpdate {
        let (draft, topics) = Self::draft(epoch, logged);
        LoggedUpdate { topics: topics.into_iter().map(Into::into).collect(), ..draft }
    }

    /// What changes whenever the log is back.
    pub(crate) fn back(&self) -> watch::Receiver<()> {
        self.back.subscribe()
    }

    /// Waits until the tail has an update, or is another log's.
    pub(crate) async fn reached(&self, epoch: Epoch, seq: u64) -> bool {
        let is_there = |now: &Reached| now.epoch != epoch || now.next > seq;
        // Most often it is there already, and a timer for each publisher would cost more than the update.
        if is_there(&self.reached.borrow()) {
            return true;
        }
        let mut reached = self.reached.subscribe();
        tokio::time::timeout(PATIENCE, reached.wait_for(is_there)).await.is_ok()
    }
}
