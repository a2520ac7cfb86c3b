//! The marks of the newest updates, in memory.
//!
//! A mark has its place among all marks, and so each of an update's marks belongs to another page of the file. Written with
//! its update, each would cost a page; so the newest are kept here, and go into the file some ten thousand at a time in
//! their order, when neighbours share a page. What is here only is made again from the updates when the log is opened.

use std::collections::BTreeSet;

use crate::mark::Mark;

/// How many marks are collected before they go into the file. More make fewer pages to write, and more to make again when
/// the log is opened.
const ENOUGH: usize = 32_768;

/// The marks that may not be in the file yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Those of updates since `since`.
    filling: BTreeSet<(Mark, u64)>,
    since: u64,
    /// Those that were collected before, in order: on their way into the file.
    moving: Vec<(Mark, u64)>,
    /// How many of these are there.
    moved: usize,
}

impl Recent {
    /// Nothing yet: the marks of all updates before this seq are in the file.
    pub(super) fn since(seq: u64) -> Self {
        Self { since: seq, ..Self::default() }
    }

    /// The next marks to go into the file: twice as many as come in, so that they are all there in time.
    pub(super) fn next_to_move(&self, coming: usize) -> &[(Mark, u64)] {
        let rest = self.moving.get(self.moved..).unwrap_or_default();
        rest.get(..coming.saturating_mul(2)).unwrap_or(rest)
    }

    /// Whether all that was on its way is in the file and there is enough for the next time: the seq before which every
    /// update's marks are in the file then.
    pub(super) fn is_due(&self) -> Option<u64> {
        (self.moved == self.moving.len() && self.filling.len() >= ENOUGH).then_some(self.since)
    }

    /// Notes that so many are in the file.
    pub(super) fn have_moved(&mut self, count: usize) {
        self.moved += count;
    }

    /// Begins to move what was collected. What is added from now on is of updates from this seq on.
    pub(super) fn turn(&mut self, next: u64) {
        self.moving = std::mem::take(&mut self.filling).into_iter().collect();
        self.moved = 0;
        self.since = next;
    }

    /// Adds an update's marks.
    pub(super) fn add(&mut self, marks: &[Mark], seq: u64) {
        self.filling.extend(marks.iter().map(|mark| (*mark, seq)));
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
            let moving = self.moved_range(mark, from, until).iter().take(limit);
            let filling = self.filling.range((mark, from)..(mark, until)).take(limit);
            out.extend(moving.chain(filling).map(|(_, seq)| *seq));
        }
    }

    /// The last updates with a mark from a seq on, in order.
    pub(super) fn last(&self, mark: Mark, from: u64, limit: usize) -> Vec<u64> {
        let filling = self.filling.range((mark, from)..=(mark, u64::MAX)).rev().take(limit);
        let moving = self.moved_range(mark, from, u64::MAX).iter().rev().take(limit);
        let mut seqs: Vec<u64> = filling.chain(moving).take(limit).map(|(_, seq)| *seq).collect();
        seqs.reverse();
        seqs
    }

    fn moved_range(&self, mark: Mark, from: u64, until: u64) -> &[(Mark, u64)] {
        let first = self.moving.partition_point(|place| *place < (mark, from));
        let end = self.moving.partition_point(|place| *place < (mark, until));
        self.moving.get(first..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
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
                recent.turn(seq);
            }
            let next = recent.next_to_move(1).to_vec();
            recent.have_moved(next.len());
            moved.extend(next);
            recent.add(&[seq % 7], seq);
            let mut found = Vec::new();
            recent.first(seq % 7, seq.saturating_sub(70), seq + 1, 100, &mut found);
            assert!(found.ends_with(&[seq]));
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
