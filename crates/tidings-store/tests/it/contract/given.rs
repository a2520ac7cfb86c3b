//! Updates for the contract's tests, and what a log has of them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings_hub::{
    AppendError, Appended, Appending, Bounds, Entry, EventId, Follow, IdScope, Log, Logged, Mode,
    News, OwnId, Update, Wanted,
};

/// An update of now.
pub(crate) fn entry(update: Update) -> Entry {
    let mut digest = DefaultHasher::new();
    (&update.topics, &update.data).hash(&mut digest);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let at = UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap());
    Entry { update, digest: digest.finish(), at }
}

/// An update with nothing but a topic and data.
pub(crate) fn plain(topic: &str, data: impl Into<String>) -> Entry {
    entry(Update::new(topic, data))
}

/// An update with an idempotency key.
pub(crate) fn keyed(key: &str, data: &str) -> Entry {
    entry(Update::new("t", data).with_idempotency_key(key))
}

/// An update with an own id.
pub(crate) fn with_id(topic: &str, id: &str, id_scope: IdScope) -> Entry {
    let id = EventId::new(id).unwrap();
    entry(Update { id_scope, ..Update::new(topic, "data").with_id(id) })
}

/// So many plain updates, each with its number as data.
pub(crate) fn numbered(count: u64) -> Vec<Entry> {
    (1..=count).map(|number| plain("t", number.to_string())).collect()
}

/// Appends one and waits for it.
pub(crate) async fn append(log: &Arc<dyn Log>, entry: Entry) -> Appending {
    let mut results = log.append(vec![entry], Mode::Each).await;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

/// Appends some that are all taken as new ones, and tells where they are.
pub(crate) async fn append_all(log: &Arc<dyn Log>, entries: Vec<Entry>) -> Vec<u64> {
    let results = log.append(entries, Mode::Each).await;
    results.into_iter().map(|result| new_seq(&result)).collect()
}

/// Where an update is that was appended just now.
pub(crate) fn new_seq(result: &Appending) -> u64 {
    match result {
        Ok(Appended { seq, repeated: false, .. }) => *seq,
        other => panic!("not appended as a new one: {other:?}"),
    }
}

/// Where an update is that an earlier append has put there.
pub(crate) fn repeated_seq(result: &Appending) -> u64 {
    match result {
        Ok(Appended { seq, repeated: true, .. }) => *seq,
        other => panic!("not told to be repeated: {other:?}"),
    }
}

/// Checks that a key was refused.
pub(crate) fn assert_key_reused(result: &Appending) {
    assert_eq!(*result, Err(AppendError::KeyReused));
}

/// Everything from a seq on that is wanted of some topics, page by page.
pub(crate) fn wanted(from: u64, until: u64, topics: Option<&[&str]>) -> Wanted {
    let topics = topics.map(|topics| topics.iter().map(|topic| Arc::from(*topic)).collect());
    Wanted { from, until, topics, max_updates: 1000, max_bytes: 1024 * 1024 }
}

/// Reads all pages of what is wanted. Updates about other topics are left out, as a log may give those, too.
pub(crate) async fn read(log: &Arc<dyn Log>, mut wanted: Wanted) -> Vec<Logged> {
    let mut all: Vec<Logged> = Vec::new();
    while wanted.from < wanted.until {
        let page = log.read(wanted.clone()).await.unwrap();
        assert!(page.next > wanted.from, "a read that gets nowhere: {page:?} for {wanted:?}");
        assert!(page.next <= wanted.until, "a read that goes too far: {page:?} for {wanted:?}");
        assert!(page.updates.len() <= wanted.max_updates, "{page:?} for {wanted:?}");
        let mut expected = wanted.from.max(page.oldest);
        for update in &page.updates {
            assert!(update.seq >= expected && update.seq < page.next, "{page:?} for {wanted:?}");
            expected = update.seq + 1;
        }
        all.extend(page.updates);
        wanted.from = page.next;
    }
    if let Some(topics) = wanted.topics {
        let about = |logged: &Logged| {
            logged.update.topics.iter().any(|topic| topics.iter().any(|wanted| **wanted == **topic))
        };
        all.retain(about);
    }
    all
}

/// Everything that a log retains.
pub(crate) async fn read_all(log: &Arc<dyn Log>) -> Vec<Logged> {
    let Bounds { oldest, next, .. } = log.bounds().await.unwrap();
    read(log, wanted(oldest, next, None)).await
}

/// The data of updates.
pub(crate) fn data(updates: &[Logged]) -> Vec<&str> {
    updates.iter().map(|logged| logged.update.data.as_str()).collect()
}

/// The seqs of updates.
pub(crate) fn seqs(updates: &[Logged]) -> Vec<u64> {
    updates.iter().map(|logged| logged.seq).collect()
}

/// Finds an id in the scope of the hub.
pub(crate) async fn find(log: &Arc<dyn Log>, id: &str) -> Option<u64> {
    log.find(OwnId::Hub { id: id.to_owned() }).await.unwrap()
}

/// Finds an id in the scope of a topic.
pub(crate) async fn find_on(log: &Arc<dyn Log>, topic: &str, id: &str) -> Option<u64> {
    log.find(OwnId::Topic { topic: topic.into(), id: id.to_owned() }).await.unwrap()
}

/// Asks for the bounds until they are as they should become.
pub(crate) async fn bounds_become(log: &Arc<dyn Log>, are: impl Fn(&Bounds) -> bool) -> Bounds {
    loop {
        let bounds = log.bounds().await.unwrap();
        if are(&bounds) {
            return bounds;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Who follows a log and holds it to its word: in order, nothing twice, nothing left out without being told.
pub(crate) struct Follower {
    follow: Box<dyn Follow>,
    expected: u64,
    /// The highest oldest seq that it was told.
    pub(crate) oldest: u64,
}

impl Follower {
    pub(crate) fn new(log: &Arc<dyn Log>, from: u64) -> Self {
        Self { follow: log.follow(from), expected: from, oldest: 0 }
    }

    /// The next updates; none when something else was told.
    pub(crate) async fn next(&mut self) -> Vec<Logged> {
        let news = self.follow.next().await;
        self.take(news)
    }

    fn take(&mut self, news: News) -> Vec<Logged> {
        match news {
            News::Updates(updates) => {
                assert!(!updates.is_empty(), "updates are some");
                for update in &updates {
                    let expected = self.expected;
                    let passed_over = update.seq > expected && update.seq <= self.oldest;
                    assert!(update.seq == expected || passed_over, "{} for {expected}", update.seq);
                    self.expected = update.seq + 1;
                }
                return updates;
            }
            News::Oldest(oldest) => {
                assert!(oldest >= self.oldest, "{oldest} after {}", self.oldest);
                self.oldest = oldest;
            }
            // A shared log may need a moment at first.
            News::Away(_) | News::Back => {}
            News::Anew(bounds) => panic!("the log is told to be another: {bounds:?}"),
        }
        Vec::new()
    }

    /// All updates until one has this seq.
    pub(crate) async fn until(&mut self, seq: u64) -> Vec<Logged> {
        let mut all = Vec::new();
        while self.expected <= seq {
            all.extend(self.next().await);
        }
        all
    }
}
