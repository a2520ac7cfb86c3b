//! The table of marks: what the newest updates are found by goes into it, what left updates were found by goes out of it.

use parking_lot::RwLock;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::file;
use super::postings::Postings;
use super::recent::{Recent, Turned};
use crate::mark::Mark;

/// How many rows are looked at in a transaction at least when some may have to go, and when many have to.
const SWEPT_AT_ONCE: usize = 64;
const SWEPT_WHEN_BEHIND: usize = 512;

/// How many rows are looked at when nothing else is to be done.
pub(super) const SWEPT_WHEN_IDLE: usize = 8192;

/// How many rows are looked at for each that is put in, and when many have to go, for each mark that comes. One row in six
/// may be of updates that have left.
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
    /// No row's last update is before this one.
    clean_until: u64,
    /// Whether more rows had to go than one in six: what comes now takes fewer rows than what has left.
    is_behind: bool,
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
        Self { swept: None, began_at: 1, clean_until: 1, is_behind: false }
    }

    /// Whether there may be rows of updates that have left.
    pub(super) fn is_clean(&self, oldest: u64) -> bool {
        self.clean_until >= oldest
    }

    /// Moves some marks from memory into the table, where so many come with updates from `first` on.
    pub(super) fn fill(
        connection: &Connection,
        recent: &RwLock<Recent>,
        coming: usize,
        oldest: u64,
        first: u64,
    ) -> rusqlite::Result<Moved> {
        let recent = recent.read();
        if let Some(indexed) = recent.is_due() {
            file::put(connection, "indexed", indexed)?;
            file::put(connection, "turned", first)?;
            return Ok(Moved { count: 0, turns: true });
        }
        let rows = recent.next_to_move(coming);
        if !rows.is_empty() {
            // It may be there already, where the log was closed before all of them were: with the same last update, and no
            // fewer others.
            let mut insert =
                connection.prepare_cached("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)")?;
            for row in rows.iter().filter(|row| row.last() >= oldest) {
                insert.execute(params![row.mark.cast_signed(), row.last(), row.others()])?;
            }
        }
        Ok(Moved { count: rows.len(), turns: false })
    }

    /// Sweeps some rows, where so many marks come and so many rows were put in.
    pub(super) fn sweep(
        &mut self,
        connection: &Connection,
        oldest: u64,
        coming: usize,
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
        let (share, least) =
            if self.is_behind { (coming, SWEPT_WHEN_BEHIND) } else { (moved, SWEPT_AT_ONCE) };
        let count = at_least.max(least).max(share.saturating_mul(SWEPT_FOR_EACH));
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
        self.is_behind = left.len().saturating_mul(SWEPT_FOR_EACH) > seen;
        let mut delete =
            connection.prepare_cached("DELETE FROM marks WHERE mark = ? AND last = ?")?;
        for (mark, last) in left {
            delete.execute([mark, last])?;
        }
        if seen < count {
            *self = Self { clean_until: self.began_at, is_behind: self.is_behind, ..Self::new() };
        }
        Ok(())
    }
}

impl Moved {
    /// The rows that are to be moved next, where there is a turn: to make them takes time, in which others may read.
    pub(super) fn next_rows(self, recent: &RwLock<Recent>) -> Option<Vec<Postings>> {
        self.turns.then(|| recent.read().rows())
    }

    /// Notes what has been done, and adds the marks of new updates. Returns what is not needed any more.
    pub(super) fn note<'a>(
        self,
        recent: &mut Recent,
        next_rows: Option<Vec<Postings>>,
        first: u64,
        new: impl Iterator<Item = &'a [Mark]>,
    ) -> Option<Turned> {
        recent.have_moved(self.count);
        let turned = next_rows.map(|rows| recent.turn(rows, first));
        for (seq, marks) in (first..).zip(new) {
            recent.add(marks, seq);
        }
        turned
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(file::TABLES).unwrap();
        connection
    }

    /// The marks of updates, on their way into the file.
    fn moving(marks: impl Iterator<Item = Mark>) -> RwLock<Recent> {
        let mut recent = Recent::since(1);
        for (seq, mark) in (1..).zip(marks) {
            recent.add(&[mark], seq);
        }
        drop(recent.turn(recent.rows(), 10_000));
        RwLock::new(recent)
    }

    #[test]
    fn a_row_that_has_left_in_part_is_put_in() {
        let (connection, recent) = (table(), moving(std::iter::repeat_n(7, 100)));
        Marks::fill(&connection, &recent, 100, 50, 10_000).unwrap();
        let mut found = Vec::new();
        first(&connection, 7, 50, 1000, 1000, &mut found).unwrap();
        assert_eq!(found, (50..=100).collect::<Vec<_>>());
        assert_eq!(last(&connection, 7, 50, 2).unwrap(), [100, 99]);
    }

    /// Of updates about many topics there are many rows. When they leave and those that come are about one, few rows are put
    /// in, and what is there must be swept all the same: it takes the room of updates that could be retained.
    #[test]
    fn much_that_has_left_is_swept_faster() {
        const COUNT: usize = 1200;
        let (connection, recent) = (table(), moving(1..=COUNT as u64));
        Marks::fill(&connection, &recent, COUNT, 1, 10_000).unwrap();
        let rows = || {
            let count = "SELECT count(*) FROM marks";
            connection.query_row(count, [], |row| row.get::<_, usize>(0)).unwrap()
        };
        let mut marks = Marks::new();
        let mut left = vec![rows()];
        while !marks.is_clean(5000) {
            marks.sweep(&connection, 5000, 1, 0, 0).unwrap();
            left.push(rows());
        }
        assert_eq!(left, [1200, 1136, 624, 112, 0]);
    }
}
