//! Reads older parts of the log: many messages are asked for at once, each by its seq, of any replica. What a replica does not
//! have, the leader is asked about: only it knows whether the message was removed.

use tidings_hub::{Bounds, Logged, OwnId, Page, Unavailable, Wanted};

use crate::record;

use super::api::Stored;
use super::keys::entry;
use super::link::{Link, Up};
use super::trouble::Trouble;

/// How many messages one call looks at, at the most.
const MAX_SEARCHED: u64 = 1024;
/// How many messages are asked for at once, at the most.
const AT_ONCE: u64 = 256;
/// How many holes one call steps over.
const MAX_HOLES: usize = 16;
/// How many messages with the same mark are looked at for one own id.
const MAX_SAME_MARK: usize = 64;

/// Reads updates.
pub(super) async fn read(link: &Link, wanted: Wanted) -> Result<Page, Unavailable> {
    let up = link.up()?;
    let page = pages(link, &up, wanted).await;
    // What was read may be of a log that is no more.
    match link.up() {
        Ok(now) if now.epoch() != up.epoch() => Err(link.unavailable(&begun_anew())),
        _ => page.map_err(|trouble| failed(link, &up, &trouble)),
    }
}

async fn pages(link: &Link, up: &Up, wanted: Wanted) -> Result<Page, Trouble> {
    let mut bounds = link.last_bounds();
    if wanted.until > bounds.next || bounds.epoch != up.epoch() {
        bounds = link.look(up).await?;
    }
    let mut reading = Reading::new(up, wanted, bounds);
    let mut holes = 0;
    while reading.goes_on() {
        let end = reading.until.min(reading.page.next + reading.at_once(&bounds));
        for stored in up.api.some_of(reading.page.next..end).await? {
            // What comes after a hole is asked for again, once it is known to be one.
            if !reading.is_next(&stored) || !reading.take(&stored) {
                break;
            }
        }
        if reading.page.next == end || !reading.goes_on() {
            continue;
        }
        // A hole, in the replica or in the log.
        if holes >= MAX_HOLES {
            break;
        }
        holes += 1;
        reading.page.oldest = link.look(up).await?.oldest;
        let first = up.api.first_from(reading.page.next, &format!("{}.log.>", up.api.name)).await?;
        reading.pass_over(first.as_ref().map_or(u64::MAX, |stored| stored.seq));
        if let Some(stored) = first.filter(|stored| reading.is_next(stored)) {
            reading.take(&stored);
        }
    }
    Ok(reading.end())
}

/// A page that is being filled.
struct Reading {
    wanted: Wanted,
    /// Where the log ends, or what is wanted.
    until: u64,
    page: Page,
    bytes: usize,
    searched: u64,
    is_full: bool,
}

impl Reading {
    fn new(up: &Up, wanted: Wanted, bounds: Bounds) -> Self {
        let until = wanted.until.min(bounds.next);
        let next = wanted.from.max(bounds.oldest);
        let page = Page { epoch: up.epoch(), updates: Vec::new(), next, oldest: bounds.oldest };
        Self { wanted, until, page, bytes: 0, searched: 0, is_full: false }
    }

    fn goes_on(&self) -> bool {
        !self.is_full && self.page.next < self.until && self.searched < MAX_SEARCHED
    }

    fn is_next(&self, stored: &Stored) -> bool {
        stored.seq == self.page.next && stored.seq < self.until
    }

    /// How many messages to ask for: no more than fit, as far as the average tells, but one at least.
    fn at_once(&self, bounds: &Bounds) -> u64 {
        let average = bounds.bytes.unwrap_or(0) / (bounds.next - bounds.oldest).max(1);
        let bytes = self.wanted.max_bytes.saturating_sub(self.bytes) as u64;
        let by_bytes = bytes.checked_div(average).map_or(AT_ONCE, |count| count.saturating_add(1));
        let room = self.wanted.max_updates.saturating_sub(self.page.updates.len()) as u64;
        let by_room = if self.wanted.topics.is_some() { AT_ONCE } else { room };
        by_bytes.min(by_room).clamp(1, AT_ONCE)
    }

    /// Takes the next message; false when there is no room for it.
    fn take(&mut self, stored: &Stored) -> bool {
        if let Some(logged) = logged(stored).filter(|logged| is_wanted(&self.wanted, logged)) {
            let bytes = self.bytes + record::weight(&logged.update);
            self.is_full = self.bytes > 0 && bytes > self.wanted.max_bytes;
            if self.is_full {
                return false;
            }
            self.bytes = bytes;
            self.page.updates.push(logged);
            self.is_full = bytes >= self.wanted.max_bytes
                || self.page.updates.len() >= self.wanted.max_updates.max(1);
        }
        self.page.next += 1;
        self.searched += 1;
        !self.is_full
    }

    /// There is nothing before this seq.
    fn pass_over(&mut self, next: u64) {
        self.page.next = next.max(self.page.oldest).min(self.until).max(self.page.next);
    }

    fn end(self) -> Page {
        let Self { mut page, wanted, .. } = self;
        page.next = page.next.max(wanted.from).min(wanted.until);
        page
    }
}

fn is_wanted(wanted: &Wanted, logged: &Logged) -> bool {
    let Some(topics) = &wanted.topics else { return true };
    logged.update.topics.iter().any(|topic| topics.iter().any(|wanted| **wanted == **topic))
}

fn logged(stored: &Stored) -> Option<Logged> {
    let entry = entry(stored)?;
    Some(Logged { seq: stored.seq, at: entry.at, update: entry.update })
}

/// Finds the update that a publisher's own id means.
pub(super) async fn find(link: &Link, id: &OwnId) -> Result<Option<u64>, Unavailable> {
    let up = link.up()?;
    let subjects: Vec<String> = up.subjects.with_id(id).collect();
    let found = match id {
        OwnId::Hub { .. } => oldest(&up, subjects, id).await,
        OwnId::Topic { .. } => newest(&up, subjects, id).await,
    };
    found.map_err(|trouble| failed(link, &up, &trouble))
}

async fn oldest(up: &Up, subjects: Vec<String>, id: &OwnId) -> Result<Option<u64>, Trouble> {
    for subject in subjects {
        let mut from = 1;
        for _ in 0..MAX_SAME_MARK {
            let Some(stored) = up.api.first_from(from, &subject).await? else { break };
            if is_meant(&stored, id) {
                return Ok(Some(stored.seq));
            }
            from = stored.seq + 1;
        }
    }
    Ok(None)
}

async fn newest(up: &Up, subjects: Vec<String>, id: &OwnId) -> Result<Option<u64>, Trouble> {
    for subject in subjects.into_iter().rev() {
        let Some(last) = up.api.last_under(&subject).await? else { continue };
        if is_meant(&last, id) {
            return Ok(Some(last.seq));
        }
        // Another id with the same mark came later.
        let mut found = None;
        let mut from = 1;
        for _ in 0..MAX_SAME_MARK {
            let Some(stored) = up.api.first_from(from, &subject).await? else { break };
            if is_meant(&stored, id) {
                found = Some(stored.seq);
            }
            from = stored.seq + 1;
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn is_meant(stored: &Stored, wanted: &OwnId) -> bool {
    let Some(update) = entry(stored).map(|entry| entry.update) else { return false };
    let has = |id: &str| update.id.as_ref().is_some_and(|own| own.as_str() == id);
    match wanted {
        OwnId::Hub { id } => has(id),
        OwnId::Topic { topic, id } => {
            has(id) && update.topics.first().is_some_and(|first| **first == **topic)
        }
    }
}

fn begun_anew() -> Trouble {
    Trouble::Away("the log was begun anew while it was read".into())
}

/// Whoever reads is often the first to see that the stream is gone.
fn failed(link: &Link, up: &Up, trouble: &Trouble) -> Unavailable {
    if matches!(trouble, Trouble::Unheard | Trouble::Api(_)) {
        link.doubt(up.round);
    }
    link.unavailable(trouble)
}
