//! The updates about any of some topics, in order: those of the topics' marks merged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rusqlite::Connection;

use super::marks;
use crate::mark::Mark;

/// How many updates are read at once for all marks together. A mark has some at least.
const SEQS_AT_ONCE: usize = 4096;
const MIN_SEQS_OF_A_MARK: usize = 8;

/// What is known of one mark's updates.
struct Run {
    mark: Mark,
    seqs: VecDeque<u64>,
    /// Whether there are no more in the file.
    is_whole: bool,
}

/// The first updates with one of the marks from one seq until another, so many at the most. `recently` has those that may be
/// in memory only: the first of them, in order.
pub(super) fn first(
    connection: &Connection,
    marks: &[Mark],
    recently: &[u64],
    from: u64,
    until: u64,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    let at_once = (SEQS_AT_ONCE / marks.len().max(1))
        .clamp(MIN_SEQS_OF_A_MARK, limit.max(MIN_SEQS_OF_A_MARK));
    let mut runs = Vec::with_capacity(marks.len() + 1);
    runs.push(Run {
        mark: 0,
        seqs: recently.iter().copied().filter(|seq| *seq >= from).collect(),
        is_whole: true,
    });
    for mark in marks {
        let mut run = Run { mark: *mark, seqs: VecDeque::new(), is_whole: false };
        run.read(connection, from, until, at_once)?;
        runs.push(run);
    }
    let mut heads: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::with_capacity(runs.len());
    for (place, run) in runs.iter_mut().enumerate() {
        heads.extend(run.seqs.pop_front().map(|seq| Reverse((seq, place))));
    }
    let mut found: Vec<u64> = Vec::new();
    while let Some(Reverse((seq, place))) = heads.pop() {
        if found.last() != Some(&seq) {
            if found.len() == limit {
                break;
            }
            found.push(seq);
        }
        let Some(run) = runs.get_mut(place) else { continue };
        if run.seqs.is_empty() && !run.is_whole {
            run.read(connection, seq + 1, until, at_once)?;
        }
        heads.extend(run.seqs.pop_front().map(|seq| Reverse((seq, place))));
    }
    Ok(found)
}

impl Run {
    fn read(
        &mut self,
        connection: &Connection,
        from: u64,
        until: u64,
        limit: usize,
    ) -> rusqlite::Result<()> {
        let mut seqs = Vec::with_capacity(limit);
        marks::first(connection, self.mark, from, until, limit, &mut seqs)?;
        self.is_whole = seqs.len() < limit;
        self.seqs.extend(seqs);
        Ok(())
    }
}
