//! The table of marks: what the newest updates are found by goes into it, what left updates were found by goes out of it.

use parking_lot::RwLock;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::file;
use super::postings::Postings;
use super::recent::Recent;
use crate::mark::Mark;

/// How many rows are looked at in a transaction at least when some may have to go.
const SWEPT_AT_ONCE: usize = 64;

/// How many rows are looked at when nothing else is to be done.
pub(super) const SWEPT_WHEN_IDLE: usize = 8192;

/// How many rows are looked at for each that is put in. One row in six may be of updates that have left.
const SWEPT_FOR_EACH: usize = 6;

/// The table, as its writer sees it.
///
/// Rows of updates that have left are not looked for: each would cost a page. Instead, a sweep goes through the table in
/// its order and takes those away that it meets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// The row that was swept last, by its mark and its last update; none when the sweep is to begin at the first.
    swept: Option<(i64, i64)>,
    /// Which update was the oldest when the sweep began.
    began_at: u64,
    /// No row is of an update before this one.
    clean_until: u64,
}

/// What a transaction has done with the marks that are in memory: to be noted there once it is committed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// How many rows.
    pub(super) count: usize,
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

    /// Moves some marks from memory into the table, where so many come with updates from `next` on.
    pub(super) fn fill(
        connection: &Connection,
        recent: &RwLock<Recent>,
        coming: usize,
        oldest: u64,
        next: u64,
    ) -> rusqlite::Result<Moved> {
        let recent = recent.read();
        if let Some(indexed) = recent.is_due() {
            file::put(connection, "indexed", indexed)?;
            file::put(connection, "turned", next)?;
            return Ok(Moved { count: 0, turns: true });
        }
        let rows = recent.next_to_move(coming);
        if !rows.is_empty() {
            // It may be there already, where the log was closed before all of them were.
            let mut insert =
                connection.prepare_cached("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)")?;
            for row in rows.iter().filter(|row| row.last() >= oldest) {
                insert.execute(params![row.mark.cast_signed(), row.last(), row.others()])?;
            }
        }
        Ok(Moved { count: rows.len(), turns: false })
    }

    /// Sweeps some rows, where so many were put in.
    pub(super) fn sweep(
        &mut self,
        connection: &Connection,
        oldest: u64,
        moved: usize,
        at_least: usize,
    ) -> rusqlite::Result<()> {
        if self.is_clean(oldest) {
            return Ok(());
        }
        if self.swept.is_none() {
            self.began_at = oldest;
        }
        let after = self.swept.unwrap_or((i64::MIN, i64::MIN));
        let count = at_least.max(SWEPT_AT_ONCE).max(moved.saturating_mul(SWEPT_FOR_EACH));
        let mut rows = connection.prepare_cached(
            "SELECT mark, last FROM marks WHERE (mark, last) > (?, ?) ORDER BY mark, last LIMIT ?",
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
            connection.prepare_cached("DELETE FROM marks WHERE mark = ? AND last = ?")?;
        for (mark, last) in left {
            delete.execute([mark, last])?;
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
        "SELECT last, others FROM marks WHERE mark = ? AND last >= ? ORDER BY last",
    )?;
    let mut rows = rows.query(params![mark.cast_signed(), from])?;
    let end = out.len().saturating_add(limit);
    while let Some(row) = rows.next()?
        && out.len() < end
    {
        let row = postings(mark, row)?;
        out.extend(row.within(from, until).iter().take(end - out.len()));
        if row.last() >= until {
            break;
        }
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
    let mut rows = connection.prepare_cached(
        "SELECT last, others FROM marks WHERE mark = ? AND last >= ? ORDER BY last DESC",
    )?;
    let mut rows = rows.query(params![mark.cast_signed(), from])?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next()?
        && seqs.len() < limit
    {
        let row = postings(mark, row)?;
        seqs.extend(row.within(from, u64::MAX).iter().rev().take(limit - seqs.len()));
    }
    Ok(seqs)
}

fn postings(mark: Mark, row: &Row<'_>) -> rusqlite::Result<Postings> {
    let others = row.get_ref(1)?.as_blob()?;
    Postings::read(mark, row.get(0)?, others)
        .map_err(|bad| rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, bad.into()))
}
