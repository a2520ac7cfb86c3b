//! The marks of the newest updates, in memory.
//!
//! A mark has its place among all marks, and so each of an update's marks belongs to another page of the file. Written with
//! its update, each would cost a page; so the newest are kept here, and go into the file some ten thousand at a time in
//! their order, when neighbours share a page and updates with the same mark a row. What is here only is made again from the
//! updates when the log is opened.

use std::collections::HashMap;

use super::postings::{Postings, within};
use crate::mark::Mark;

/// How many marks are collected before they go into the file. More make fewer pages to write, and more to make again when
/// the log is opened.
const ENOUGH: usize = 32_768;

/// The marks that may not be in the file yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Those of updates since `since`.
    filling: HashMap<Mark, Vec<u64>>,
    /// How many they are.
    filled: usize,
    since: u64,
    /// Those that were collected before, in order: on their way into the file.
    moving: Vec<Postings>,
    /// How many of these are there.
    moved: usize,
}

/// What is not needed any more after a turn.
#[derive(Debug)]
pub(super) struct Turned {
    _filling: HashMap<Mark, Vec<u64>>,
    _moving: Vec<Postings>,
}

impl Recent {
    /// Nothing yet: the marks of all updates before this seq are in the file.
    pub(super) fn since(seq: u64) -> Self {
        Self { since: seq, ..Self::default() }
    }

    /// The next rows to go into the file: with twice as many marks as come in, so that they are all there in time.
    pub(super) fn next_to_move(&self, coming: usize) -> &[Postings] {
        let rest = self.moving.get(self.moved..).unwrap_or_default();
        let (mut count, mut marks) = (0, 0);
        while let Some(row) = rest.get(count)
            && marks < coming.saturating_mul(2)
        {
            marks += row.len();
            count += 1;
        }
        rest.get(..count).unwrap_or_default()
    }

    /// Whether all that was on its way is in the file and there is enough for the next time: the seq before which every
    /// update's marks are in the file then.
    pub(super) fn is_due(&self) -> Option<u64> {
        (self.moved == self.moving.len() && self.filled >= ENOUGH).then_some(self.since)
    }

    /// Notes that so many rows are in the file.
    pub(super) fn have_moved(&mut self, count: usize) {
        self.moved += count;
    }

    /// What was collected, as rows, to begin to move it.
    pub(super) fn rows(&self) -> Vec<Postings> {
        let mut filled: Vec<_> = self.filling.iter().collect();
        filled.sort_unstable_by_key(|(mark, _)| **mark);
        filled.into_iter().flat_map(|(mark, seqs)| Postings::rows(*mark, seqs)).collect()
    }

    /// Begins to move what was collected, as these [`rows`](Self::rows). What is added from now on is of updates from this
    /// seq on. Returns what is not needed any more: to drop it takes time.
    pub(super) fn turn(&mut self, rows: Vec<Postings>, next: u64) -> Turned {
        (self.filled, self.moved, self.since) = (0, 0, next);
        Turned {
            _filling: std::mem::take(&mut self.filling),
            _moving: std::mem::replace(&mut self.moving, rows),
        }
    }

    /// Adds an update's marks. It is newer than all others.
    pub(super) fn add(&mut self, marks: &[Mark], seq: u64) {
        for mark in marks {
            let seqs = self.filling.entry(*mark).or_default();
            // A topic may be named twice.
            if seqs.last() != Some(&seq) {
                seqs.push(seq);
                self.filled += 1;
            }
        }
    }

    /// The first updates with a mark from one seq until another, in order.
    pub(super) fn first(
        &self,
        mark: Mark,
        from: u64,
        until: u64,
        limit: usize,
        out: &mut Vec<u64>,
    ) {
        if from < until {
            let moving = self.moving(mark, from).iter().flat_map(|row| row.within(from, until));
            out.extend(moving.take(limit));
            out.extend(within(self.filling(mark), from, until).iter().take(limit));
        }
    }

    /// The last updates with a mark from a seq on, in order.
    pub(super) fn last(&self, mark: Mark, from: u64, limit: usize) -> Vec<u64> {
        let filling = within(self.filling(mark), from, u64::MAX).iter().rev();
        let moving = self.moving(mark, from).iter().rev();
        let moving = moving.flat_map(|row| row.within(from, u64::MAX).iter().rev());
        let mut seqs: Vec<u64> = filling.chain(moving).take(limit).copied().collect();
        seqs.reverse();
        seqs
    }

    fn filling(&self, mark: Mark) -> &[u64] {
        self.filling.get(&mark).map_or(&[], Vec::as_slice)
    }

    /// The rows of a mark in which there may be updates from a seq on.
    fn moving(&self, mark: Mark, from: u64) -> &[Postings] {
        let first = self.moving.partition_point(|row| (row.mark, row.last()) < (mark, from));
        let end = self.moving.partition_point(|row| row.mark <= mark);
        self.moving.get(first..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everything_is_found_while_it_moves_and_moves_once() {
        let mut recent = Recent::since(1);
        let mut moved = Vec::new();
        let count = 3 * ENOUGH as u64;
        for seq in 1..=count {
            if let Some(since) = recent.is_due() {
                let all_are_there = (1..since).all(|seq| moved.len() as u64 >= seq);
                assert!(all_are_there, "{since}");
                drop(recent.turn(recent.rows(), seq));
            }
            let next = recent.next_to_move(1).to_vec();
            recent.have_moved(next.len());
            moved.extend(
                next.iter()
                    .flat_map(|row| row.within(0, u64::MAX).iter().map(|seq| (row.mark, *seq))),
            );
            recent.add(&[seq % 7], seq);
            let mut found = Vec::new();
            let from = seq.saturating_sub(70).max(1);
            recent.first(seq % 7, from, seq + 1, 100, &mut found);
            let expected: Vec<_> = (from..=seq).filter(|it| it % 7 == seq % 7).collect();
            assert_eq!(found, expected);
            assert_eq!(
                recent.last(seq % 7, 1, 2),
                if seq > 7 { vec![seq - 7, seq] } else { vec![seq] }
            );
        }
        assert!(moved.len() > ENOUGH);
        let different: BTreeSet<_> = moved.iter().collect();
        assert_eq!(different.len(), moved.len());
    }
}
