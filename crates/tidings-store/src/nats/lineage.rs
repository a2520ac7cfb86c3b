//! Which log a stream holds. The epoch is in the stream's description and in its subjects, so all hubs see the same one and
//! what is published for a log that is no more finds nobody.
//!
//! A stream that has lost its end gets another epoch. What it retains stays under the subjects of the epochs before, which is
//! why the description names all of them.

use std::hash::Hasher as _;
use std::str::FromStr;

use async_nats::Subject;
use siphasher::sip::SipHasher13;
use tidings_hub::{Epoch, IdScope, OwnId, Update};

use crate::mark::Marker;

/// What every description begins with.
const BEGINNING: &str = "Tidings log (do not edit): generation ";
/// How many epochs after the first a description has room for: it may have 4 KiB.
const MAX_LATER: usize = 64;

/// The epochs of a stream, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    /// Grows with every epoch, also over a stream that is made anew: of two, the one with the greater is the later one.
    generation: u64,
    /// The first one, which is never left out: the idempotency keys are marked with it.
    first: Epoch,
    later: Vec<Epoch>,
}

impl Lineage {
    /// That of a stream which is made anew, after what was there before.
    pub(super) fn anew(epoch: Epoch, before: Option<&Self>) -> Self {
        let generation = before.map_or(1, |before| before.generation.saturating_add(1));
        Self { generation, first: epoch, later: Vec::new() }
    }

    /// That of this stream once it is known to have lost updates that `known` had. Hubs that find out at the same moment
    /// arrive at the same one.
    pub(super) fn raised(&self, known: &Self, last: u64) -> Self {
        let generation = self.generation.max(known.generation).saturating_add(1);
        let mut hasher = SipHasher13::new();
        hasher.write(self.epoch().as_str().as_bytes());
        hasher.write(known.epoch().as_str().as_bytes());
        hasher.write_u64(generation);
        hasher.write_u64(last);
        let mut later = self.later.clone();
        if later.len() >= MAX_LATER {
            later.remove(0);
        }
        later.push(Epoch::from_bits(hasher.finish()));
        Self { generation, first: self.first, later }
    }

    /// The epoch of what is appended now.
    pub(super) fn epoch(&self) -> Epoch {
        self.later.last().copied().unwrap_or(self.first)
    }

    fn epochs(&self) -> impl Iterator<Item = Epoch> {
        std::iter::once(self.first).chain(self.later.iter().copied())
    }

    /// Whether this is a later one than another.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        self.generation > other.generation
    }

    /// As the description of a stream.
    pub(super) fn describe(&self) -> String {
        let epochs: Vec<String> = self.epochs().map(|epoch| epoch.to_string()).collect();
        format!("{BEGINNING}{}, epochs {}", self.generation, epochs.join(" "))
    }

    /// What messages of this log are found by.
    pub(super) fn subjects(&self, name: &str) -> Subjects {
        let of = |epoch: Epoch| Of { prefix: prefix(name, epoch), marker: Marker::new(epoch) };
        let now = of(self.epoch());
        Subjects {
            all: self.epochs().map(of).collect(),
            plain: format!("{}.u", now.prefix).into(),
            now,
            keys: Marker::new(self.first),
        }
    }
}

impl FromStr for Lineage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (generation, epochs) =
            text.strip_prefix(BEGINNING).and_then(|rest| rest.split_once(", epochs ")).ok_or(())?;
        let mut epochs = epochs.split(' ').map(|epoch| epoch.parse::<Epoch>().map_err(drop));
        let first = epochs.next().ok_or(())??;
        let later = epochs.collect::<Result<Vec<Epoch>, ()>>()?;
        if later.len() > MAX_LATER {
            return Err(());
        }
        Ok(Self { generation: generation.parse().map_err(drop)?, first, later })
    }
}

/// Where the messages of a log are, and what is published next.
#[derive(Debug)]
pub(super) struct Subjects {
    all: Vec<Of>,
    now: Of,
    plain: Subject,
    keys: Marker,
}

#[derive(Debug)]
struct Of {
    prefix: String,
    marker: Marker,
}

impl Subjects {
    /// Under which subject an update is appended.
    pub(super) fn of(&self, update: &Update) -> Subject {
        let Of { prefix, marker } = &self.now;
        match marker.own_id(update) {
            None => self.plain.clone(),
            Some(mark) => match update.id_scope {
                IdScope::Hub => format!("{prefix}.i.{mark:016x}").into(),
                IdScope::Topic => format!("{prefix}.t.{mark:016x}").into(),
            },
        }
    }

    /// Under which subjects updates with an own id may be, oldest first.
    pub(super) fn with_id(&self, id: &OwnId) -> impl DoubleEndedIterator<Item = String> {
        self.all.iter().map(move |Of { prefix, marker }| match id {
            OwnId::Hub { id } => format!("{prefix}.i.{:016x}", marker.hub_id(id)),
            OwnId::Topic { topic, id } => format!("{prefix}.t.{:016x}", marker.topic_id(topic, id)),
        })
    }

    /// The message id of the update with an idempotency key. Where one is taken by something else, the next is tried.
    pub(super) fn message_id(&self, key: &str, attempt: u32) -> String {
        let mark = self.keys.key(key);
        if attempt == 0 { format!("{mark:016x}") } else { format!("{mark:016x}-{attempt}") }
    }

    /// The subject of updates without an own id.
    pub(super) fn plain(&self) -> &Subject {
        &self.plain
    }

    /// What the subjects of everything that is appended now begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.now.prefix
    }
}

/// What a stream of a log with this epoch takes.
pub(super) fn pattern(name: &str, epoch: Epoch) -> String {
    format!("{}.>", prefix(name, epoch))
}

fn prefix(name: &str, epoch: Epoch) -> String {
    format!("{name}.log.{epoch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(text: &str) -> Epoch {
        text.parse().unwrap()
    }

    #[test]
    fn a_lineage_reads_back_from_its_description() {
        let mut lineage = Lineage::anew(epoch("abcdefgh"), None);
        for last in 0..100 {
            assert_eq!(lineage.describe().parse(), Ok(lineage.clone()));
            assert!(lineage.describe().len() < 4096);
            let raised = lineage.raised(&lineage, last);
            assert!(raised.is_after(&lineage) && raised.epoch() != lineage.epoch());
            lineage = raised;
        }
        assert_eq!(lineage.first, epoch("abcdefgh"));
    }

    #[test]
    fn what_is_no_description_is_refused() {
        let many = "abcdefgh ".repeat(100);
        for text in [
            "",
            "orders",
            BEGINNING,
            &format!("{BEGINNING}1, epochs "),
            &format!("{BEGINNING}1, epochs {many}"),
        ] {
            assert_eq!(text.parse::<Lineage>(), Err(()), "{text}");
        }
    }

    #[test]
    fn two_hubs_raise_to_the_same_epoch_and_another_loss_to_another() {
        let lineage = Lineage::anew(epoch("abcdefgh"), None);
        assert_eq!(lineage.raised(&lineage, 7), lineage.raised(&lineage, 7));
        assert_ne!(lineage.raised(&lineage, 7), lineage.raised(&lineage, 8));
        // An old copy of the log is put back after it was raised: what was raised before is not given again.
        let before = lineage.raised(&lineage, 7);
        assert_ne!(lineage.raised(&before, 7), before);
        assert!(lineage.raised(&before, 7).is_after(&before));
    }

    #[test]
    fn what_was_kept_before_the_end_was_lost_is_found_under_its_own_subject() {
        let first = Lineage::anew(epoch("abcdefgh"), None);
        let update = Update::new("news", "").with_id(tidings_hub::EventId::new("7").unwrap());
        let kept_under = first.subjects("tidings").of(&update);
        let raised = first.raised(&first, 7).subjects("tidings");
        let id = OwnId::Hub { id: "7".into() };
        assert_eq!(raised.with_id(&id).next(), Some(kept_under.into_string()));
        assert_eq!(raised.with_id(&id).last(), Some(raised.of(&update).into_string()));
        assert_eq!(raised.message_id("k", 0), first.subjects("tidings").message_id("k", 0));
    }
}
