//! A log to put behind a hub: it does what the trait says, in memory, and what happens to it is up to the test.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use tidings_hub::{
    AppendError, Appended, Appending, Bounds, Entry, Epoch, EventId, Follow, IdScope, Log, Logged,
    Mode, News, OwnId, Page, Position, Unavailable, Update, Wanted,
};
use tokio::sync::watch;

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A handle to a log. Clones are handles to the same log, which is as well in use as there are handles.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    contents: Mutex<Contents>,
    /// Counts what has happened.
    changes: watch::Sender<u64>,
}

/// What is in the log, and how it behaves.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own for the test")]
pub(crate) struct Contents {
    pub(crate) epoch: Epoch,
    pub(crate) oldest: u64,
    pub(crate) next: u64,
    entries: BTreeMap<u64, Kept>,
    /// All that was ever in it, and in those before it.
    pub(crate) history: Vec<(Position, Update)>,
    /// It retains so many.
    pub(crate) max_updates: usize,
    /// It has an index of topics, and so gives only what a page is wanted for.
    pub(crate) has_index: bool,
    /// It looks at so many updates for one page.
    pub(crate) max_searched: u64,
    pub(crate) is_away: bool,
    /// Nothing comes to those who follow it.
    pub(crate) is_followed_late: bool,
    /// Reads wait.
    pub(crate) reads_are_held: bool,
    /// Results of what is appended wait.
    pub(crate) results_are_held: bool,
    /// What is appended is, but whoever appends it gets no good answer.
    pub(crate) loses_results: bool,
    /// Reads that have begun and wait.
    pub(crate) waiting_reads: usize,
    /// What was read, finished or not.
    pub(crate) reads: Vec<Wanted>,
    /// How often an id was looked up in it, or its bounds were asked for.
    pub(crate) lookups: usize,
    /// How often something was to be appended, in vain or not.
    pub(crate) appends: usize,
}

#[derive(Clone, Debug)]
struct Kept {
    logged: Logged,
    digest: u64,
}

impl MemoryLog {
    /// An empty log that retains so many updates.
    pub(crate) fn new(max_updates: usize) -> Self {
        let contents = Contents {
            epoch: Epoch::random().unwrap(),
            oldest: 1,
            next: 1,
            entries: BTreeMap::new(),
            history: Vec::new(),
            max_updates,
            has_index: true,
            max_searched: u64::MAX,
            is_away: false,
            is_followed_late: false,
            reads_are_held: false,
            results_are_held: false,
            loses_results: false,
            waiting_reads: 0,
            reads: Vec::new(),
            lookups: 0,
            appends: 0,
        };
        Self(Arc::new(Shared { contents: Mutex::new(contents), changes: watch::Sender::default() }))
    }

    /// A log with so many updates about a topic, the first of which says 1.
    pub(crate) fn with(topic: &str, updates: u64) -> Self {
        let log = Self::new(usize::MAX);
        for number in 1..=updates {
            log.put(Update::new(topic, number.to_string()));
        }
        log
    }

    /// The log as a hub takes it.
    pub(crate) fn shared(&self) -> Arc<dyn Log> {
        Arc::new(self.clone())
    }

    /// How many handles there are, in whatever is at work on it.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.contents.lock().unwrap()
    }

    /// Changes what is in it or how it behaves, and tells those who wait for that.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> T {
        let result = change(&mut self.contents());
        self.0.changes.send_modify(|count| *count += 1);
        result
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, is_so: impl Fn(&Contents) -> bool) {
        let mut changes = self.0.changes.subscribe();
        while !is_so(&self.contents()) {
            changes.changed().await.unwrap();
        }
    }

    /// Another writer appends an update. Gives its seq.
    pub(crate) fn put(&self, update: Update) -> u64 {
        let entry = Entry { digest: 0, update, at: SystemTime::now() };
        self.change(|contents| contents.add(entry)).unwrap().seq
    }

    /// Retains nothing before a seq from now on.
    pub(crate) fn trim(&self, oldest: u64) {
        self.change(|contents| contents.trim(oldest));
    }

    /// Somebody takes updates out of the middle.
    pub(crate) fn punch(&self, seqs: RangeInclusive<u64>) {
        self.change(|contents| contents.entries.retain(|seq, _| !seqs.contains(seq)));
    }

    /// The log is lost, and another one has so many updates about a topic.
    pub(crate) fn begin_anew(&self, topic: &str, updates: u64) {
        self.change(|contents| {
            contents.epoch = Epoch::random().unwrap();
            contents.entries.clear();
            (contents.oldest, contents.next) = (1, 1);
            for number in 1..=updates {
                let update = Update::new(topic, format!("new {number}"));
                contents.add(Entry { digest: 0, update, at: SystemTime::now() }).unwrap();
            }
        });
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.contents().epoch
    }

    pub(crate) fn position(&self, seq: u64) -> Position {
        Position { epoch: self.epoch(), seq }
    }
}

impl Contents {
    fn unavailable(&self) -> Result<(), Unavailable> {
        if self.is_away { Err(Unavailable::new("the test has sent it away")) } else { Ok(()) }
    }

    fn bounds(&self) -> Bounds {
        let Self { epoch, oldest, next, .. } = *self;
        Bounds { epoch, oldest, next, bytes: None }
    }

    fn add(&mut self, mut entry: Entry) -> Appending {
        if let Some(key) = entry.update.idempotency_key.clone() {
            let has_key = |kept: &&Kept| kept.logged.update.idempotency_key.as_ref() == Some(&key);
            if let Some(first) = self.entries.values().find(has_key) {
                let seq = first.logged.seq;
                let is_same = first.digest == entry.digest;
                let repeated = Appended { epoch: self.epoch, seq, repeated: true };
                return is_same.then_some(repeated).ok_or(AppendError::KeyReused);
            }
        }
        let seq = self.next;
        self.next += 1;
        entry.update.topics.dedup();
        self.history.push((Position { epoch: self.epoch, seq }, entry.update.clone()));
        let logged = Logged { seq, at: entry.at, update: entry.update };
        self.entries.insert(seq, Kept { logged, digest: entry.digest });
        self.trim(self.next.saturating_sub(u64::try_from(self.max_updates).unwrap_or(u64::MAX)));
        Ok(Appended { epoch: self.epoch, seq, repeated: false })
    }

    fn trim(&mut self, oldest: u64) {
        self.oldest = self.oldest.max(oldest);
        self.next = self.next.max(self.oldest);
        self.entries = self.entries.split_off(&self.oldest);
    }

    /// Appends all of several, or none. (No entry here has the key of another among them.)
    fn add_all(&mut self, entries: Vec<Entry>) -> Vec<Appending> {
        let count = entries.len();
        let (before, next) = (self.entries.clone(), self.next);
        let results: Vec<_> = entries.into_iter().map(|entry| self.add(entry)).collect();
        let Some(refused) = results.iter().position(Result::is_err) else { return results };
        (self.entries, self.next) = (before, next);
        let mut all: Vec<Appending> = Vec::new();
        all.resize(count, Err(AppendError::Unavailable(Unavailable::new("another is refused"))));
        all[refused].clone_from(&results[refused]);
        all
    }

    fn page(&self, wanted: &Wanted) -> Page {
        let Wanted { from, until, topics, max_updates, max_bytes } = wanted;
        let from = (*from).max(self.oldest);
        let end = (*until).min(self.next).min(from.saturating_add(self.max_searched));
        let mut page =
            Page { epoch: self.epoch, updates: Vec::new(), next: end, oldest: self.oldest };
        let mut bytes = 0;
        for kept in self.entries.range(from.min(end)..end).map(|(_, kept)| kept) {
            let is_one =
                |topic: &String| topics.as_ref().is_none_or(|t| t.iter().any(|t| **t == **topic));
            if self.has_index && !kept.logged.update.topics.iter().any(is_one) {
                continue;
            }
            if page.updates.len() == *max_updates || bytes >= *max_bytes {
                page.next = kept.logged.seq;
                break;
            }
            bytes += kept.logged.update.data.len();
            page.updates.push(kept.logged.clone());
        }
        page
    }

    fn find(&self, id: &OwnId) -> Option<u64> {
        let is_it = |kept: &&Kept| {
            let Update { topics, id: own, id_scope, .. } = &kept.logged.update;
            let own = own.as_ref().map(EventId::as_str);
            match id {
                OwnId::Hub { id } => *id_scope == IdScope::Hub && own == Some(id),
                OwnId::Topic { topic, id } => {
                    *id_scope == IdScope::Topic && topics[0] == **topic && own == Some(id)
                }
            }
        };
        let mut all = self.entries.values().filter(is_it);
        let found = if matches!(id, OwnId::Hub { .. }) { all.next() } else { all.next_back() };
        found.map(|kept| kept.logged.seq)
    }
}

impl Log for MemoryLog {
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> Later<'static, Vec<Appending>> {
        let count = entries.len();
        let results = self.change(|contents| {
            contents.appends += 1;
            let lost = |why| vec![Err(AppendError::Unavailable(why)); count];
            if let Err(why) = contents.unavailable() {
                return lost(why);
            }
            let results = match mode {
                Mode::Each => entries.into_iter().map(|entry| contents.add(entry)).collect(),
                Mode::All => contents.add_all(entries),
            };
            if contents.loses_results {
                lost(Unavailable::new("it did not answer"))
            } else {
                results
            }
        });
        let log = self.clone();
        Box::pin(async move {
            log.until(|contents| !contents.results_are_held).await;
            results
        })
    }

    fn read(&self, wanted: Wanted) -> Later<'static, Result<Page, Unavailable>> {
        let log = self.clone();
        Box::pin(async move {
            log.change(|contents| {
                contents.reads.push(wanted.clone());
                contents.waiting_reads += 1;
            });
            let _waiting = Waiting(log.clone());
            log.until(|contents| !contents.reads_are_held).await;
            let contents = log.contents();
            contents.unavailable().map(|()| contents.page(&wanted))
        })
    }

    fn find(&self, id: OwnId) -> Later<'static, Result<Option<u64>, Unavailable>> {
        let mut contents = self.contents();
        contents.lookups += 1;
        Box::pin(std::future::ready(contents.unavailable().map(|()| contents.find(&id))))
    }

    fn bounds(&self) -> Later<'static, Result<Bounds, Unavailable>> {
        let mut contents = self.contents();
        contents.lookups += 1;
        Box::pin(std::future::ready(contents.unavailable().map(|()| contents.bounds())))
    }

    fn follow(&self, from: u64) -> Box<dyn Follow> {
        let contents = self.contents();
        let (epoch, oldest) = (contents.epoch, contents.oldest);
        drop(contents);
        Box::new(Follower { log: self.clone(), epoch, oldest, from, is_away: false })
    }
}

/// A read that has begun and is not over.
struct Waiting(MemoryLog);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.change(|contents| contents.waiting_reads -= 1);
    }
}

struct Follower {
    log: MemoryLog,
    epoch: Epoch,
    oldest: u64,
    from: u64,
    is_away: bool,
}

impl Follower {
    /// What has happened that was not told.
    fn look(&mut self) -> Option<News> {
        let contents = self.log.contents();
        if contents.is_followed_late {
            return None;
        }
        if let Err(why) = contents.unavailable() {
            return (!std::mem::replace(&mut self.is_away, true)).then_some(News::Away(why));
        }
        if std::mem::take(&mut self.is_away) {
            return Some(News::Back);
        }
        if contents.epoch != self.epoch {
            (self.epoch, self.oldest) = (contents.epoch, contents.oldest);
            self.from = self.oldest;
            return Some(News::Anew(contents.bounds()));
        }
        if contents.oldest > self.oldest {
            self.oldest = contents.oldest;
            self.from = self.from.max(self.oldest);
            return Some(News::Oldest(self.oldest));
        }
        let updates = contents.entries.range(self.from..).map(|(_, kept)| kept.logged.clone());
        let updates: Vec<_> = updates.collect();
        self.from = self.from.max(contents.next);
        (!updates.is_empty()).then_some(News::Updates(updates))
    }
}

impl Follow for Follower {
    fn next(&mut self) -> Later<'_, News> {
        Box::pin(async move {
            let mut changes = self.log.0.changes.subscribe();
            loop {
                if let Some(news) = self.look() {
                    return news;
                }
                changes.changed().await.unwrap();
            }
        })
    }
}
