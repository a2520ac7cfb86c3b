//! Reading the file: on threads where waiting is allowed, a few at a time, in short transactions.

use std::sync::Arc;

use rusqlite::Connection;
use tidings_hub::{Entry, IdScope, Logged, OwnId, Page, Unavailable, Wanted};

use crate::record;

use super::blocks::{self, Lookup};
use super::shared::{Shared, View};
use super::{file, found, marks};
use crate::mark::Mark;

/// How many updates one read gives at the most, whatever is asked for.
const MAX_UPDATES: usize = 4096;

/// How many updates with the same mark are looked at for an own id or a key. More than one that is about something else
/// would be two collisions, which nobody can bring about.
pub(super) const MAX_EQUAL_MARKS: usize = 8;

/// Reads a page.
pub(super) async fn page(shared: Arc<Shared>, wanted: Wanted) -> Result<Page, Unavailable> {
    reading(shared, move |shared, connection| read_page(shared, connection, &wanted)).await
}

/// Finds the update that an own id means.
pub(super) async fn find(shared: Arc<Shared>, id: OwnId) -> Result<Option<u64>, Unavailable> {
    reading(shared, move |shared, connection| match &id {
        OwnId::Hub { id } => oldest_with(shared, connection, id),
        OwnId::Topic { topic, id } => newest_with(shared, connection, topic, id),
    })
    .await
}

/// Reads on a thread where waiting is allowed.
async fn reading<T: Send + 'static>(
    shared: Arc<Shared>,
    read: impl FnOnce(&Shared, &Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Unavailable> {
    let ended = |_| Unavailable::new("the log is being closed");
    let turn = shared.reading.clone().acquire_owned().await.map_err(ended)?;
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let _gate = shared.gate.read();
        let idle = shared.idle.lock().pop();
        let connection = idle.map_or_else(|| file::open_to_read(&shared.file), Ok);
        let read = connection.and_then(|connection| {
            // Nothing in it is written, and it ends here.
            let transaction = connection.unchecked_transaction()?;
            let result = read(&shared, &transaction)?;
            drop(transaction);
            shared.idle.lock().push(connection);
            Ok(result)
        });
        read.map_err(|error| shared.unavailable(&error))
    });
    read.await.unwrap_or_else(|_| Err(Unavailable::new("the runtime is going down")))
}

fn read_page(shared: &Shared, connection: &Connection, wanted: &Wanted) -> rusqlite::Result<Page> {
    // The order matters: what memory does not know any more, the file does already.
    let View { oldest: known, next, .. } = *shared.view.borrow();
    let mut until = wanted.until.min(next);
    let limit = wanted.max_updates.clamp(1, MAX_UPDATES);
    let topics = wanted.topics.as_ref().map(|topics| {
        let mut marks: Vec<Mark> = topics.iter().map(|topic| shared.marker.topic(topic)).collect();
        marks.sort_unstable();
        marks.dedup();
        let mut recently = Vec::new();
        {
            let recent = shared.recent.read();
            for mark in &marks {
                recent.first(*mark, wanted.from.max(known), until, limit, &mut recently);
            }
        }
        recently.sort_unstable();
        recently.dedup();
        recently.truncate(limit);
        // More may be there behind what was taken out, some of which may have left meanwhile.
        if let (true, Some(last)) = (recently.len() == limit, recently.last()) {
            until = last + 1;
        }
        (topics, marks, recently)
    });
    let oldest = file::number(connection, "oldest")?;
    let from = wanted.from.max(oldest);
    let mut page =
        Page { epoch: shared.epoch, updates: Vec::new(), next: until.max(wanted.from), oldest };
    if from >= until {
        return Ok(page);
    }
    let mut room = Room { updates: limit, bytes: wanted.max_bytes };
    match topics {
        None => {
            blocks::each(connection, from, until, |seq, entry| {
                room.take(&entry);
                page.updates.push(logged(seq, entry));
                page.next = seq + 1;
                !room.is_full()
            })?;
        }
        Some((topics, marks, recently)) => {
            let found = found::first(connection, &marks, &recently, from, until, limit)?;
            let mut lookup = Lookup::new(connection);
            for seq in &found {
                let entry = lookup.entry(*seq)?;
                let is_wanted = |topic: &String| topics.iter().any(|wanted| **wanted == **topic);
                if entry.update.topics.iter().any(is_wanted) {
                    room.take(&entry);
                    page.updates.push(logged(*seq, entry));
                }
                if room.is_full() || (found.len() == limit && found.last() == Some(seq)) {
                    page.next = seq + 1;
                    break;
                }
            }
        }
    }
    Ok(page)
}

/// How much more goes into a page.
struct Room {
    updates: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, entry: &Entry) {
        self.updates = self.updates.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(record::weight(&entry.update));
    }

    fn is_full(&self) -> bool {
        self.updates == 0 || self.bytes == 0
    }
}

fn oldest_with(
    shared: &Shared,
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Option<u64>> {
    let mark = shared.marker.hub_id(id);
    let mut seqs = Vec::new();
    let known = shared.view.borrow().oldest;
    shared.recent.read().first(mark, known, u64::MAX, MAX_EQUAL_MARKS, &mut seqs);
    let oldest = file::number(connection, "oldest")?;
    marks::first(connection, mark, oldest, i64::MAX.cast_unsigned(), MAX_EQUAL_MARKS, &mut seqs)?;
    // Where all that was taken out of memory has left meanwhile, there may be others.
    if oldest > known {
        shared.recent.read().first(mark, oldest, u64::MAX, MAX_EQUAL_MARKS, &mut seqs);
    }
    seqs.sort_unstable();
    seqs.dedup();
    first_that(connection, seqs, oldest, |entry| {
        let own = entry.update.id.as_ref();
        entry.update.id_scope == IdScope::Hub && own.is_some_and(|own| own.as_str() == id)
    })
}

fn newest_with(
    shared: &Shared,
    connection: &Connection,
    topic: &str,
    id: &str,
) -> rusqlite::Result<Option<u64>> {
    let mark = shared.marker.topic_id(topic, id);
    let mut seqs = shared.recent.read().last(mark, 1, MAX_EQUAL_MARKS);
    let oldest = file::number(connection, "oldest")?;
    seqs.extend(marks::last(connection, mark, oldest, MAX_EQUAL_MARKS)?);
    seqs.sort_unstable_by(|one, other| other.cmp(one));
    seqs.dedup();
    first_that(connection, seqs, oldest, |entry| {
        let own = entry.update.id.as_ref();
        entry.update.id_scope == IdScope::Topic
            && own.is_some_and(|own| own.as_str() == id)
            && entry.update.topics.first().is_some_and(|first| first == topic)
    })
}

fn first_that(
    connection: &Connection,
    seqs: Vec<u64>,
    oldest: u64,
    is: impl Fn(&Entry) -> bool,
) -> rusqlite::Result<Option<u64>> {
    let mut lookup = Lookup::new(connection);
    for seq in seqs.into_iter().filter(|seq| *seq >= oldest) {
        if is(&lookup.entry(seq)?) {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

fn logged(seq: u64, entry: Entry) -> Logged {
    Logged { seq, at: entry.at, update: entry.update }
}
