//! The table of marks: what the newest updates are found by goes into it, what left updates were found by goes out of it.

use parking_lot::RwLock;
use rusqlite::{Connection, params};

use super::file;
use super::recent::Recent;
use crate::mark::Mark;

/// How many rows are looked at in a transaction at least when some may have to go.
const SWEPT_AT_ONCE: usize = 512;

/// How many rows are looked at when nothing else is to be done.
pub(super) const SWEPT_WHEN_IDLE: usize = 8192;

/// How many rows are looked at for each mark that comes. One row in six may be a left update's.
const SWEPT_FOR_EACH: usize = 6;

/// The table, as its writer sees it.
///
/// Rows of updates that have left are not looked for: each would cost a page. Instead, a sweep goes through the table in
/// its order and takes those away that it meets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// The row that was swept last; none when the sweep is to begin at the first.
    swept: Option<(i64, i64)>,
    /// Which update was the oldest when the sweep began.
    began_at: u64,
    /// No row is of an update before this one.
    clean_until: u64,
}

/// What a transaction has done with the marks that are in memory: to be noted there once it is committed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    count: usize,
    turns: bool,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self { swept: None, began_at: 1, clean_until: 1 }
    }

    /// Whether there may be rows of updates that have left.
    pub(super) fn is_clean(&self, oldest: u64) -> bool {
        self.clean_until >= oldest
    }

    /// Moves some marks from memory into the table.
    pub(super) fn fill(
        connection: &Connection,
        recent: &RwLock<Recent>,
        coming: usize,
        oldest: u64,
    ) -> rusqlite::Result<Moved> {
        let recent = recent.read();
        if let Some(indexed) = recent.is_due() {
            file::put(connection, "indexed", indexed)?;
            return Ok(Moved { count: 0, turns: true });
        }
        let next = recent.next_to_move(coming);
        if !next.is_empty() {
            // It may be there already, where the log was closed before all of them were.
            let mut insert =
                connection.prepare_cached("INSERT OR IGNORE INTO marks VALUES (?, ?)")?;
            for (mark, seq) in next.iter().filter(|(_, seq)| *seq >= oldest) {
                insert.execute(params![mark.cast_signed(), seq])?;
            }
        }
        Ok(Moved { count: next.len(), turns: false })
    }

    /// Sweeps some rows.
    pub(super) fn sweep(
        &mut self,
        connection: &Connection,
        oldest: u64,
        coming: usize,
        at_least: usize,
    ) -> rusqlite::Result<()> {
        if self.is_clean(oldest) {
            return Ok(());
        }
        if self.swept.is_none() {
            self.began_at = oldest;
        }
        let after = self.swept.unwrap_or((i64::MIN, i64::MIN));
        let count = at_least.max(SWEPT_AT_ONCE).max(coming.saturating_mul(SWEPT_FOR_EACH));
        let mut rows = connection.prepare_cached(
            "SELECT mark, seq FROM marks WHERE (mark, seq) > (?, ?) ORDER BY mark, seq LIMIT ?",
        )?;
        let mut rows = rows.query(params![after.0, after.1, count])?;
        let (mut left, mut seen) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let place: (i64, i64) = (row.get(0)?, row.get(1)?);
            seen += 1;
            self.swept = Some(place);
            if place.1 < oldest.cast_signed() {
                left.push(place);
            }
        }
        drop(rows);
        let mut delete =
            connection.prepare_cached("DELETE FROM marks WHERE mark = ? AND seq = ?")?;
        for (mark, seq) in left {
            delete.execute([mark, seq])?;
        }
        if seen < count {
            *self = Self { clean_until: self.began_at, ..Self::new() };
        }
        Ok(())
    }
}

impl Moved {
    /// Notes what has been done, and adds the marks of new updates.
    pub(super) fn note<'a>(
        self,
        recent: &mut Recent,
        first: u64,
        new: impl Iterator<Item = &'a [Mark]>,
    ) {
        recent.have_moved(self.count);
        if self.turns {
            recent.turn(first);
        }
        for (seq, marks) in (first..).zip(new) {
            recent.add(marks, seq);
        }
    }
}

/// The first updates with a mark in the table, from one seq until another, in order.
pub(super) fn first(
    connection: &Connection,
    mark: Mark,
    from: u64,
    until: u64,
    limit: usize,
    out: &mut Vec<u64>,
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare_cached(
        "SELECT seq FROM marks WHERE mark = ? AND seq >= ? AND seq < ? ORDER BY seq LIMIT ?",
    )?;
    let mut rows = rows.query(params![mark.cast_signed(), from, until, limit])?;
    while let Some(row) = rows.next()? {
        out.push(row.get(0)?);
    }
    Ok(())
}

/// The last updates with a mark in the table from a seq on, the newest first.
pub(super) fn last(
    connection: &Connection,
    mark: Mark,
    from: u64,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    connection
        .prepare_cached(
            "SELECT seq FROM marks WHERE mark = ? AND seq >= ? ORDER BY seq DESC LIMIT ?",
        )?
        .query_map(params![mark.cast_signed(), from, limit], |row| row.get(0))?
        .collect()
}
