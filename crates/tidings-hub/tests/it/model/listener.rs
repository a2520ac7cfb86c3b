//! One subscriber in the model: what it is owed, worked out from every update ever published.

use tidings_hub::{
    CloseReason, Delivery, Gap, LoggedUpdate, Next, Position, SeatKey, Subscription,
};

use super::naive::Known;
use super::operation::SELECTORS;
use super::turns::Turns;
use crate::fixture::{Probe, data_of};

pub(super) struct Listener {
    /// No other has the same.
    pub(super) id: usize,
    way: Way,
    /// Which topics it asked for, and of which it may have private updates.
    topics: Vec<usize>,
    granted: Vec<usize>,
    /// The first update, matching or not, that it has not been given or told of.
    cursor: u64,
    gap: Option<Gap>,
    /// Why it was told to end, and which update was the newest then.
    closed: Option<(CloseReason, u64)>,
    /// It was told to end and has been up to date since, or was given its end: it is owed nothing more.
    ended: bool,
    /// It waits, and what comes next must wake it.
    waits: bool,
    /// The last read found nothing, or the end.
    idle: bool,
    wakes: usize,
}

/// Who takes its updates from the hub.
enum Way {
    Alone(Probe),
    InShard {
        shard: usize,
        seat: SeatKey,
        /// The newest update when it was adopted.
        since: u64,
        /// It was roused, or its carrier took less than it was given, and it has not been up to date since.
        is_behind: bool,
    },
}

impl Listener {
    pub(super) fn new(
        id: usize,
        probe: Probe,
        selectors: &[usize],
        grants: &[usize],
        cursor: u64,
        gap: Option<Gap>,
    ) -> Self {
        let topics = |of: &[usize]| of.iter().flat_map(|&s| SELECTORS[s].1).copied().collect();
        Self {
            id,
            way: Way::Alone(probe),
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

    /// Whether it asked for an update, be it allowed to receive it or not.
    pub(super) fn asked_for(&self, update: &Known) -> bool {
        update.draft.topics.iter().any(|topic| self.topics.contains(topic))
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
        self.closed = Some((reason, all.len() as u64));
        self.wakes += usize::from(std::mem::take(&mut self.waits));
        self.idle = false;
        self.end_if_up_to_date(all);
        true
    }

    /// One in a shard may be given what comes before the shard has its turn.
    fn end_if_up_to_date(&mut self, all: &[Known]) {
        let is_alone = matches!(self.way, Way::Alone(_));
        self.ended |= is_alone && self.closed.is_some() && self.owed(all).is_empty();
    }

    /// Goes to a shard; what `adopt` does there with its subscription gives its seat.
    pub(super) fn go_to(
        self,
        shard: usize,
        newest: u64,
        adopt: impl FnOnce(Subscription) -> SeatKey,
    ) -> Self {
        let Way::Alone(probe) = self.way else { panic!("it is in a shard") };
        let seat = adopt(probe.subscription);
        let way = Way::InShard { shard, seat, since: newest, is_behind: false };
        Self { way, waits: false, ..self }
    }

    /// Its shard, and its seat there.
    pub(super) fn seat(&self) -> Option<(usize, SeatKey)> {
        match self.way {
            Way::Alone(_) => None,
            Way::InShard { shard, seat, .. } => Some((shard, seat)),
        }
    }

    /// It has to read from the log.
    pub(super) fn fall_behind(&mut self) {
        if let Way::InShard { is_behind, .. } = &mut self.way {
            *is_behind = true;
        }
    }

    /// Whether it has to read from the log, where it is in a shard.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self.way, Way::InShard { is_behind: true, .. })
    }

    /// Whether it is owed something, or its end, or has to be told of a gap.
    pub(super) fn is_owed(&self, all: &[Known]) -> bool {
        self.closed.is_some() || self.gap.is_some() || !self.owed(all).is_empty()
    }

    /// It was given updates, of which it takes so many.
    pub(super) fn given(&mut self, all: &[Known], updates: &[&LoggedUpdate], taken: usize) {
        let owed = self.owed(all);
        let seqs: Vec<_> = updates.iter().map(|update| update.position.seq).collect();
        assert!(!seqs.is_empty() && owed.starts_with(&seqs), "{seqs:?} of {owed:?}");
        for update in updates {
            let known = &all[usize::try_from(update.position.seq).unwrap() - 1];
            assert_eq!(data_of(&update.frame), known.draft.data);
            assert_eq!(update.id.as_str(), known.id);
        }
        if let Some(last) = seqs[..taken].last() {
            self.cursor = last + 1;
        }
        if taken < seqs.len() {
            self.fall_behind();
        }
        self.end_if_up_to_date(all);
    }

    /// Reads once and compares; answers whether it was a gap. `before` is the place before the oldest retained update.
    pub(super) fn read(&mut self, all: &[Known], before: Position, turns: &mut [Turns]) -> bool {
        self.idle = false;
        let delivery = match &mut self.way {
            Way::Alone(probe) => probe.poll(),
            Way::InShard { shard, seat, .. } => {
                let (turns, seat) = (&mut turns[*shard], *seat);
                if turns.carrier(seat).room == 0 {
                    return false;
                }
                match turns.shard.read(seat) {
                    Next::Delivery(Delivery::Updates(updates)) => {
                        let updates: Vec<_> = updates.iter().map(AsRef::as_ref).collect();
                        let taken = turns.carrier(seat).take(updates.len());
                        if let Some(refused) = updates.get(taken) {
                            turns.shard.put_back(seat, refused.position);
                        }
                        self.check_no_gap(all, before);
                        self.given(all, &updates, taken);
                        return false;
                    }
                    Next::Delivery(delivery) => Some(delivery),
                    Next::Searching => return false,
                    Next::UpToDate => {
                        self.is_up_to_date(all, turns.delivered_through);
                        return false;
                    }
                }
            }
        };
        let owed = self.owed(all);
        let lost = self.has_lost(all, before);
        match delivery {
            Some(Delivery::Gap(told)) => {
                assert_eq!(Some(told), self.expected_gap(owed.first(), before, lost));
                if lost {
                    self.cursor = self.cursor.max(before.seq + 1);
                }
                self.end_if_up_to_date(all);
                return true;
            }
            Some(Delivery::Updates(updates)) => {
                self.check_no_gap(all, before);
                let updates: Vec<_> = updates.iter().map(AsRef::as_ref).collect();
                self.given(all, &updates, updates.len());
            }
            Some(Delivery::Closed(reason)) => {
                let Some((expected, newest)) = self.closed else { panic!("it was not closed") };
                assert_eq!(reason, expected);
                // In a shard it may be given later ones, or not.
                let is_alone = matches!(self.way, Way::Alone(_));
                let owed: Vec<_> =
                    owed.into_iter().filter(|&seq| is_alone || seq <= newest).collect();
                assert!(owed.is_empty(), "{owed:?} were owed before the end");
                self.ended = true;
                self.idle = true;
            }
            None => {
                self.check_no_gap(all, before);
                assert!(owed.is_empty() && self.closed.is_none(), "{owed:?} was owed");
                self.waits = true;
                self.idle = true;
            }
        }
        false
    }

    fn has_lost(&self, all: &[Known], before: Position) -> bool {
        self.owed(all).first().is_some_and(|&first| first <= before.seq)
    }

    fn check_no_gap(&self, all: &[Known], before: Position) {
        let lost = self.has_lost(all, before);
        assert!(!lost && self.gap.is_none(), "a gap was owed: {:?} {lost:?}", self.gap);
    }

    /// Its shard says that it is up to date: all that it is owed comes from the shard's inbox, be it retained or not.
    fn is_up_to_date(&mut self, all: &[Known], delivered_through: u64) {
        let owed = self.owed(all);
        let Way::InShard { since, is_behind, .. } = &mut self.way else { return };
        let handed_over = delivered_through.max(*since);
        assert!(owed.iter().all(|&seq| seq > handed_over), "{owed:?} was owed");
        assert_eq!(self.gap, None, "a gap was to be told");
        *is_behind = false;
        self.idle = self.closed.is_none();
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
        match &self.way {
            Way::Alone(probe) => probe.wakes() == self.wakes,
            Way::InShard { .. } => true,
        }
    }

    /// Whether there is nothing to read, not even its end.
    pub(super) fn has_everything(&self, all: &[Known]) -> bool {
        match self.way {
            Way::Alone(_) => self.idle,
            Way::InShard { .. } => {
                self.ended || (self.closed.is_none() && self.owed(all).is_empty())
            }
        }
    }
}
