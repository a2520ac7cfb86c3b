//! One subscriber in the model: what it is owed, worked out from every update ever published.

use tidings_hub::{CloseReason, Delivery, Gap, Position};

use super::naive::Known;
use super::operation::SELECTORS;
use crate::fixture::{Probe, data_of};

pub(super) struct Listener {
    probe: Probe,
    /// Which topics it asked for, and of which it may have private updates.
    topics: Vec<usize>,
    granted: Vec<usize>,
    /// The first update, matching or not, that it has not been given or told of.
    cursor: u64,
    gap: Option<Gap>,
    closed: Option<CloseReason>,
    /// It was told to end and has been up to date since: it is owed nothing more.
    ended: bool,
    /// It waits, and what comes next must wake it.
    waits: bool,
    /// The last read found nothing, or the end.
    idle: bool,
    wakes: usize,
}

impl Listener {
    pub(super) fn new(
        probe: Probe,
        selectors: &[usize],
        grants: &[usize],
        cursor: u64,
        gap: Option<Gap>,
    ) -> Self {
        let topics = |of: &[usize]| of.iter().flat_map(|&s| SELECTORS[s].1).copied().collect();
        Self {
            probe,
            topics: topics(selectors),
            granted: topics(grants),
            cursor,
            gap,
            closed: None,
            ended: false,
            waits: false,
            idle: false,
            wakes: 0,
        }
    }

    fn receives(&self, update: &Known) -> bool {
        let any_of = |topics: &[usize]| update.draft.topics.iter().any(|t| topics.contains(t));
        any_of(&self.topics) && (!update.draft.private || any_of(&self.granted))
    }

    /// What it is owed, be it retained or lost.
    fn owed(&self, all: &[Known]) -> Vec<u64> {
        let owed = all.iter().filter(|update| update.seq >= self.cursor && self.receives(update));
        if self.ended { Vec::new() } else { owed.map(|update| update.seq).collect() }
    }

    /// An update was published.
    pub(super) fn published(&mut self, update: &Known) {
        self.idle = false;
        if self.waits && self.receives(update) {
            self.waits = false;
            self.wakes += 1;
        }
    }

    /// Answers whether it was open until now.
    pub(super) fn told_to_end(&mut self, all: &[Known], reason: CloseReason) -> bool {
        if self.closed.is_some() {
            return false;
        }
        self.closed = Some(reason);
        self.wakes += usize::from(std::mem::take(&mut self.waits));
        self.idle = false;
        self.end_if_up_to_date(all);
        true
    }

    fn end_if_up_to_date(&mut self, all: &[Known]) {
        self.ended = self.closed.is_some() && self.owed(all).is_empty();
    }

    /// Reads once and compares; answers whether it was a gap. `before` is the place before the oldest retained update.
    pub(super) fn read(&mut self, all: &[Known], before: Position) -> bool {
        let owed = self.owed(all);
        let lost = owed.first().is_some_and(|&first| first <= before.seq);
        let delivery = self.probe.poll();
        self.idle = false;
        match delivery {
            Some(Delivery::Gap(told)) => {
                assert_eq!(Some(told), self.expected_gap(owed.first(), before, lost));
                if lost {
                    self.cursor = self.cursor.max(before.seq + 1);
                }
                self.end_if_up_to_date(all);
                return true;
            }
            _ if lost || self.gap.is_some() => panic!("a gap was owed, not {delivery:?}"),
            Some(Delivery::Updates(updates)) => {
                let seqs: Vec<_> = updates.iter().map(|update| update.position.seq).collect();
                assert!(!seqs.is_empty() && owed.starts_with(&seqs), "{seqs:?} of {owed:?}");
                for update in &updates {
                    let seq = usize::try_from(update.position.seq).unwrap();
                    assert_eq!(data_of(&update.frame), all[seq - 1].draft.data);
                    assert_eq!(update.id.as_str(), all[seq - 1].id);
                }
                self.cursor = seqs[seqs.len() - 1] + 1;
                self.end_if_up_to_date(all);
            }
            Some(Delivery::Closed(reason)) => {
                assert!(owed.is_empty(), "{owed:?} was owed before the end");
                assert_eq!(Some(reason), self.closed);
                self.idle = true;
            }
            None => {
                assert!(owed.is_empty() && self.closed.is_none(), "{owed:?} was owed");
                self.waits = true;
                self.idle = true;
            }
        }
        false
    }

    /// The gap that is to be told: what the id it came with told, and what was lost since.
    fn expected_gap(
        &mut self,
        first_owed: Option<&u64>,
        before: Position,
        lost: bool,
    ) -> Option<Gap> {
        match self.gap.take() {
            Some(mut gap) => {
                let more = before.seq.saturating_sub(gap.before.seq);
                gap.missed = gap.missed.map(|missed| missed + more);
                gap.before.seq += more;
                Some(gap)
            }
            None if lost => {
                let missed = first_owed.map(|&first| before.seq + 1 - first);
                Some(Gap { last_event_id: None, before, missed })
            }
            None => None,
        }
    }

    pub(super) fn was_woken_as_expected(&self) -> bool {
        self.probe.wakes() == self.wakes
    }

    pub(super) fn has_everything(&self) -> bool {
        self.idle
    }
}
