//! The table of blocks: the log's updates, some in a row, each row named by its first update.
//!
//! A row for each update would cost the writer more than the wait for the disk, where many publish at a time.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_hub::Entry;

use super::block::{Block, Filling};
use super::queue::Ready;
use crate::record::BadRecord;

/// Appends updates from a seq on, in as few rows as may be. Returns the next seq.
pub(super) fn append<'a>(
    connection: &Connection,
    first: u64,
    new: impl Iterator<Item = &'a Ready>,
) -> rusqlite::Result<u64> {
    let mut insert = connection.prepare_cached("INSERT INTO blocks VALUES (?, ?)")?;
    let mut filling = Filling::default();
    let mut first = first;
    let mut write = |filling: &mut Filling| {
        let next = first + u64::from(filling.count);
        insert.execute(params![first, filling.take()])?;
        first = next;
        rusqlite::Result::Ok(next)
    };
    for ready in new {
        if !filling.has_room_for(ready.record.len()) {
            write(&mut filling)?;
        }
        filling.add(&ready.record, ready.checksum);
    }
    write(&mut filling)
}

/// Gives updates from one seq until another, in order, for as long as more are wanted. There is no hole among them.
pub(super) fn each(
    connection: &Connection,
    from: u64,
    until: u64,
    mut take: impl FnMut(u64, Entry) -> bool,
) -> rusqlite::Result<()> {
    if from >= until {
        return Ok(());
    }
    let mut rows = connection.prepare_cached(
        "SELECT first, record FROM blocks
         WHERE first >= (SELECT max(first) FROM blocks WHERE first <= ?1) AND first < ?2 ORDER BY first",
    )?;
    let mut rows = rows.query([from, until])?;
    let mut seq = from;
    while seq < until {
        let row = rows.next()?.ok_or_else(|| missing(seq))?;
        let first: u64 = row.get(0)?;
        let block = block(row)?;
        if first > seq || first + block.count() <= seq {
            return Err(missing(seq));
        }
        for entry in block.entries(seq - first) {
            if seq >= until || !take(seq, entry.map_err(bad)?) {
                return Ok(());
            }
            seq += 1;
        }
    }
    Ok(())
}

/// Looks up one update after another. Where they are in the same block, it is read once.
pub(super) struct Lookup<'a> {
    connection: &'a Connection,
    first: u64,
    bytes: Vec<u8>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, first: 0, bytes: Vec::new() }
    }

    /// The update with a seq, which is retained.
    pub(super) fn entry(&mut self, seq: u64) -> rusqlite::Result<Entry> {
        if let Some(entry) = self.in_block(seq) {
            return entry;
        }
        let found = self
            .connection
            .prepare_cached(
                "SELECT first, record FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1",
            )?
            .query_row([seq], |row| {
                block(row)?;
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        (self.first, self.bytes) = found.ok_or_else(|| missing(seq))?;
        self.in_block(seq).unwrap_or_else(|| Err(missing(seq)))
    }

    fn in_block(&self, seq: u64) -> Option<rusqlite::Result<Entry>> {
        let place = seq.checked_sub(self.first)?;
        let entry = Block::read(&self.bytes).ok()?.entries(place).next()?;
        Some(entry.map_err(bad))
    }
}

/// Which updates the rows have: the first one, and the one after the last.
pub(super) fn bounds(connection: &Connection) -> rusqlite::Result<Option<(u64, u64)>> {
    let first: Option<u64> =
        connection.query_row("SELECT min(first) FROM blocks", [], |row| row.get(0))?;
    let next = connection
        .query_row("SELECT first, record FROM blocks ORDER BY first DESC LIMIT 1", [], |row| {
            Ok(row.get::<_, u64>(0)? + block(row)?.count())
        })
        .optional()?;
    Ok(first.zip(next))
}

/// Deletes the rows whose updates all come before a seq.
pub(super) fn delete_before(connection: &Connection, seq: u64, next: u64) -> rusqlite::Result<()> {
    let sql = if seq < next {
        "DELETE FROM blocks WHERE first < (SELECT max(first) FROM blocks WHERE first <= ?)"
    } else {
        "DELETE FROM blocks WHERE first < ?"
    };
    connection.prepare_cached(sql)?.execute([seq]).map(drop)
}

/// There are no holes in a log: something is wrong with the file.
pub(super) fn missing(seq: u64) -> rusqlite::Error {
    let what = format!("update {seq} is missing");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, what.into())
}

fn block<'a>(row: &'a Row<'_>) -> rusqlite::Result<Block<'a>> {
    Block::read(row.get_ref(1)?.as_blob()?).map_err(bad)
}

fn bad(bad: BadRecord) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, bad.into())
}
