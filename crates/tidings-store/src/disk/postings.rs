//! A mark's postings: the updates that have it, some to a row of the file.
//!
//! A row for each would cost the writer more than all the rest of a commit, where many updates are about few topics.

use std::hash::Hasher;

use bytes::BufMut;
use siphasher::sip::SipHasher13;

use crate::mark::Mark;
use crate::record::BadRecord;

/// How many updates are in a row at the most: as many as go into a page of SQLite's without another for the rest.
///
/// A part of the format: rows that are written again, after the log was closed in the middle, must be cut at the same
/// updates.
const MAX_SEQS: usize = 240;

/// What a distance, and the checksum after them, takes in a row, in bytes.
const WORD_BYTES: usize = 4;

/// Some updates with a mark, in order, and all of those between. They are some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Postings {
    pub(super) mark: Mark,
    seqs: Vec<u64>,
}

impl Postings {
    /// All updates with a mark, in rows. Where the first ones are missing since they have left, the rows that have no part
    /// in them are the same.
    pub(super) fn rows(mark: Mark, seqs: &[u64]) -> impl Iterator<Item = Self> {
        seqs.rchunks(MAX_SEQS).rev().map(move |seqs| Self { mark, seqs: seqs.to_vec() })
    }

    /// The last of them, which names the row.
    pub(super) fn last(&self) -> u64 {
        self.seqs.last().copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Those from one seq until another.
    pub(super) fn within(&self, from: u64, until: u64) -> &[u64] {
        within(&self.seqs, from, until)
    }

    /// What is in the row beside the mark and the last seq: how far before the last one the others are, and a checksum.
    /// Nothing where there is one only.
    pub(super) fn others(&self) -> Vec<u8> {
        let Some((last, others)) = self.seqs.split_last().filter(|(_, others)| !others.is_empty())
        else {
            return Vec::new();
        };
        let mut bytes = Vec::with_capacity(self.seqs.len() * WORD_BYTES);
        for seq in others {
            // What is collected together is far below 4,000,000,000 updates.
            bytes.put_u32_le(u32::try_from(last - seq).unwrap_or(u32::MAX));
        }
        let sum = checksum(self.mark, *last, &bytes);
        bytes.put_u32_le(sum);
        bytes
    }

    /// Reads a row.
    pub(super) fn read(mark: Mark, last: u64, others: &[u8]) -> Result<Self, BadRecord> {
        let mut seqs = Vec::with_capacity(others.len() / WORD_BYTES + 1);
        if let Some((distances, sum)) = others.split_last_chunk() {
            let (words, rest) = distances.as_chunks();
            if !rest.is_empty() || checksum(mark, last, distances) != u32::from_le_bytes(*sum) {
                return Err(BadRecord::Damaged);
            }
            for distance in words {
                let seq = last.checked_sub(u32::from_le_bytes(*distance).into());
                seqs.push(seq.ok_or(BadRecord::Damaged)?);
            }
        } else if !others.is_empty() {
            return Err(BadRecord::Damaged);
        }
        seqs.push(last);
        if !seqs.is_sorted_by(|one, next| one < next) {
            return Err(BadRecord::Damaged);
        }
        Ok(Self { mark, seqs })
    }
}

/// What tells whether a row is what was written.
fn checksum(mark: Mark, last: u64, distances: &[u8]) -> u32 {
    let mut hasher = SipHasher13::new();
    hasher.write(&mark.to_le_bytes());
    hasher.write(&last.to_le_bytes());
    hasher.write(distances);
    let [low @ .., _, _, _, _] = hasher.finish().to_le_bytes();
    u32::from_le_bytes(low)
}

/// The seqs from one until another, of some in order.
pub(super) fn within(seqs: &[u64], from: u64, until: u64) -> &[u64] {
    let first = seqs.partition_point(|seq| *seq < from);
    let end = seqs.partition_point(|seq| *seq < until);
    seqs.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seqs in order, as a turn has them.
    fn seqs() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![Just(1_u64), 1..100_u64];
        (1..1_000_000_u64, proptest::collection::vec(step, 0..3 * MAX_SEQS)).prop_map(
            |(first, steps)| {
                let next = |seq: &mut u64, step: u64| {
                    *seq += step;
                    Some(*seq)
                };
                std::iter::once(first).chain(steps.into_iter().scan(first, next)).collect()
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_in_order(seqs in seqs()) {
            let mut read = Vec::new();
            for row in Postings::rows(7, &seqs) {
                prop_assert!(row.len() <= MAX_SEQS);
                prop_assert_eq!(Postings::read(7, row.last(), &row.others()), Ok(row.clone()));
                read.extend_from_slice(row.within(0, u64::MAX));
            }
            prop_assert_eq!(read, seqs);
        }

        /// A row is written again when the log was closed before all of them were, and must not be there twice.
        #[test]
        fn what_has_left_changes_no_other_row(seqs in seqs(), left in any::<prop::sample::Index>()) {
            let left = left.index(seqs.len());
            let all: Vec<_> = Postings::rows(7, &seqs).collect();
            let rest: Vec<_> = Postings::rows(7, &seqs[left..]).collect();
            let same = all.iter().rev().zip(rest.iter().rev()).filter(|(one, other)| one == other);
            prop_assert!(same.count() >= rest.len() - 1);
            prop_assert_eq!(all.last().map(Postings::last), rest.last().map(Postings::last));
            let first = rest.first().map(Postings::last);
            prop_assert!(all.iter().any(|row| Some(row.last()) == first));
        }

        #[test]
        fn no_cut_no_changed_byte_and_no_other_name_is_taken_for_a_row(
            seqs in seqs(),
            place in any::<prop::sample::Index>(),
            change in 1_u8..,
        ) {
            let row = Postings::rows(7, &seqs).next().unwrap();
            let mut bytes = row.others();
            prop_assume!(!bytes.is_empty());
            let place = place.index(bytes.len());
            if place > 0 {
                prop_assert_eq!(Postings::read(7, row.last(), &bytes[..place]), Err(BadRecord::Damaged));
            }
            prop_assert_eq!(Postings::read(8, row.last(), &bytes), Err(BadRecord::Damaged));
            prop_assert_eq!(Postings::read(7, row.last() + 1, &bytes), Err(BadRecord::Damaged));
            bytes[place] ^= change;
            prop_assert_eq!(Postings::read(7, row.last(), &bytes), Err(BadRecord::Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            last in any::<u64>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            drop(Postings::read(7, last, &bytes));
        }
    }

    /// Rows are kept on disk: another version must read them, and cut them at the same updates.
    #[test]
    fn a_row_reads_for_ever() {
        let bytes = Postings::rows(7, &[1, 2, 300]).next().unwrap().others();
        assert_eq!(bytes, b"\x2b\x01\0\0\x2a\x01\0\0\xc3\xe5\x2e\x32");
        assert!(Postings::rows(7, &[5]).next().unwrap().others().is_empty());
        let seqs: Vec<u64> = (1..=500).collect();
        let lasts: Vec<_> = Postings::rows(7, &seqs).map(|row| row.last()).collect();
        assert_eq!(lasts, [20, 260, 500]);
    }
}
