//! A log in a vector, as simple as it can be: it shows that the contract can be kept, and others are compared with it.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;
use tidings_hub::{
    AppendError, Appended, Appending, Bounds, Entry, Epoch, Follow, IdScope, Log, Logged, Mode,
    News, OwnId, Page, Unavailable, Wanted,
};
use tidings_store::Retention;
use tokio::sync::watch;

use crate::contract::{Stand, contract};

/// The log.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    log: Arc<Mutex<Kept>>,
    moved: watch::Sender<()>,
}

#[derive(Debug)]
struct Kept {
    epoch: Epoch,
    retention: Retention,
    /// With the seqs from `oldest` on.
    entries: VecDeque<Entry>,
    oldest: u64,
}

impl Naive {
    pub(crate) fn new(retention: Retention) -> Self {
        let epoch = Epoch::random().unwrap();
        let kept = Kept { epoch, retention, entries: VecDeque::new(), oldest: 1 };
        Self { log: Arc::new(Mutex::new(kept)), moved: watch::Sender::new(()) }
    }

    /// The log, without what has become too old meanwhile.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.log.lock().unwrap();
        kept.forget();
        kept
    }
}

impl Kept {
    fn next(&self) -> u64 {
        self.oldest + self.entries.len() as u64
    }

    fn logged(&self) -> impl DoubleEndedIterator<Item = Logged> {
        (self.oldest..)
            .zip(&self.entries)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(seq, entry)| Logged { seq, at: entry.at, update: entry.update.clone() })
    }

    fn append(&mut self, entry: Entry) -> Appending {
        let Entry { update, digest, .. } = &entry;
        if let Some(key) = &update.idempotency_key {
            let known = |entry: &Entry| entry.update.idempotency_key.as_ref() == Some(key);
            if let Some((seq, earlier)) =
                (self.oldest..).zip(&self.entries).find(|(_, entry)| known(entry))
            {
                let appended = Appended { epoch: self.epoch, seq, repeated: true };
                return if earlier.digest == *digest {
                    Ok(appended)
                } else {
                    Err(AppendError::KeyReused)
                };
            }
        }
        self.entries.push_back(entry);
        Ok(Appended { epoch: self.epoch, seq: self.next() - 1, repeated: false })
    }

    fn append_all(&mut self, entries: Vec<Entry>, mode: Mode) -> Vec<Appending> {
        let before = self.entries.len();
        let mut results: Vec<_> = entries.into_iter().map(|entry| self.append(entry)).collect();
        if mode == Mode::All && results.iter().any(Result::is_err) {
            self.entries.truncate(before);
            for result in &mut results {
                if result.is_ok() {
                    *result =
                        Err(AppendError::Unavailable(Unavailable::new("another was refused")));
                }
            }
        }
        self.forget();
        results
    }

    fn forget(&mut self) {
        let Retention { max_updates, max_bytes, max_age } = self.retention;
        let bytes = |entries: &VecDeque<Entry>| {
            entries.iter().map(|entry| entry.update.data.len() as u64).sum::<u64>()
        };
        let now = SystemTime::now();
        while let Some(oldest) = self.entries.front() {
            let too_old =
                max_age.is_some_and(|max| now.duration_since(oldest.at).unwrap_or_default() > max);
            let too_many = max_updates.is_some_and(|max| self.entries.len() as u64 > max);
            if !too_old && !too_many && max_bytes.is_none_or(|max| bytes(&self.entries) <= max) {
                break;
            }
            self.entries.pop_front();
            self.oldest += 1;
        }
    }

    fn find(&self, id: &OwnId) -> Option<u64> {
        let is = |logged: &Logged, scope: IdScope, id: &String| {
            logged.update.id_scope == scope
                && logged.update.id.as_ref().is_some_and(|own| own.as_str() == id)
        };
        let found = match id {
            OwnId::Hub { id } => self.logged().find(|logged| is(logged, IdScope::Hub, id)),
            OwnId::Topic { topic, id } => self.logged().rev().find(|logged| {
                is(logged, IdScope::Topic, id) && logged.update.topics[0] == **topic
            }),
        };
        found.map(|logged| logged.seq)
    }

    fn read(&self, wanted: &Wanted) -> Page {
        let mut page = Page {
            epoch: self.epoch,
            updates: Vec::new(),
            next: wanted.until,
            oldest: self.oldest,
        };
        let mut bytes = 0;
        for logged in
            self.logged().filter(|logged| (wanted.from..wanted.until).contains(&logged.seq))
        {
            let about = |topics: &Arc<[Arc<str>]>| {
                logged
                    .update
                    .topics
                    .iter()
                    .any(|topic| topics.iter().any(|wanted| **wanted == **topic))
            };
            if wanted.topics.as_ref().is_none_or(about) {
                if page.updates.len() == wanted.max_updates || bytes >= wanted.max_bytes {
                    page.next = logged.seq;
                    break;
                }
                bytes += logged.update.data.len()
                    + logged.update.topics.iter().map(|topic| topic.len() + 40).sum::<usize>();
                page.updates.push(logged);
            }
        }
        page
    }
}

impl Log for Naive {
    fn append(&self, entries: Vec<Entry>, mode: Mode) -> BoxFuture<'static, Vec<Appending>> {
        let results = self.kept().append_all(entries, mode);
        self.moved.send_replace(());
        Box::pin(ready(results))
    }

    fn read(&self, wanted: Wanted) -> BoxFuture<'static, Result<Page, Unavailable>> {
        Box::pin(ready(Ok(self.kept().read(&wanted))))
    }

    fn find(&self, id: OwnId) -> BoxFuture<'static, Result<Option<u64>, Unavailable>> {
        Box::pin(ready(Ok(self.kept().find(&id))))
    }

    fn bounds(&self) -> BoxFuture<'static, Result<Bounds, Unavailable>> {
        let kept = self.kept();
        let bounds =
            Bounds { epoch: kept.epoch, oldest: kept.oldest, next: kept.next(), bytes: None };
        Box::pin(ready(Ok(bounds)))
    }

    fn follow(&self, from: u64) -> Box<dyn Follow> {
        Box::new(Following {
            moved: self.moved.subscribe(),
            log: self.clone(),
            next: from,
            oldest: 1,
        })
    }
}

struct Following {
    log: Naive,
    moved: watch::Receiver<()>,
    next: u64,
    oldest: u64,
}

impl Follow for Following {
    fn next(&mut self) -> BoxFuture<'_, News> {
        Box::pin(async {
            loop {
                {
                    let kept = self.log.kept();
                    if kept.oldest > self.oldest {
                        self.oldest = kept.oldest;
                        return News::Oldest(kept.oldest);
                    }
                    let updates: Vec<_> =
                        kept.logged().filter(|logged| logged.seq >= self.next).collect();
                    if !updates.is_empty() {
                        self.next = kept.next();
                        return News::Updates(updates);
                    }
                }
                // What becomes too old does so without being told of.
                let patience = Duration::from_millis(20);
                drop(tokio::time::timeout(patience, self.moved.changed()).await);
            }
        })
    }
}

/// A log that is kept when its handles are gone.
struct InMemory(Naive);

impl Stand for InMemory {
    async fn new() -> Self {
        Self(Naive::new(crate::contract::ROOMY))
    }

    async fn open(&self, retention: Retention) -> Arc<dyn Log> {
        self.0.kept().retention = retention;
        Arc::new(self.0.clone())
    }
}

contract!(InMemory);
