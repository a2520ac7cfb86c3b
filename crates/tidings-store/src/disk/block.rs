//! Updates that were committed together, as the bytes of one row.
//!
//! ```text
//! count u32 | for each update: length u32, checksum u32 | their records
//! ```
//! Numbers are little-endian. SQLite has no checksums of its own: what a disk garbles in the middle of a row is found by ours.

use std::hash::Hasher;

use bytes::BufMut;
use siphasher::sip::SipHasher13;
use tidings_hub::Entry;

use crate::record::{self, BadRecord};

/// How large a block becomes, in bytes: what many publishers have ready at a time is one, and to read one update of it is
/// not dear. A larger update is a block of its own.
const MAX_BLOCK_BYTES: usize = 16 * 1024;

/// What a record takes beside itself, in bytes.
const HEAD_BYTES: usize = 8;

/// What tells whether a record is what was written.
pub(super) fn checksum(record: &[u8]) -> u32 {
    let mut hasher = SipHasher13::new();
    hasher.write(record);
    let [low @ .., _, _, _, _] = hasher.finish().to_le_bytes();
    u32::from_le_bytes(low)
}

/// A block that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    pub(super) count: u32,
    heads: Vec<u8>,
    records: Vec<u8>,
}

impl Filling {
    /// Whether a record of so many bytes still belongs into it. Into an empty one any does.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let taken = self.heads.len() + self.records.len() + HEAD_BYTES;
        self.count == 0 || taken.saturating_add(bytes) <= MAX_BLOCK_BYTES
    }

    /// Adds a record and its [`checksum`].
    pub(super) fn add(&mut self, record: &[u8], checksum: u32) {
        self.count += 1;
        // Records are bounded far below 4 GiB.
        self.heads.put_u32_le(u32::try_from(record.len()).unwrap_or(u32::MAX));
        self.heads.put_u32_le(checksum);
        self.records.put_slice(record);
    }

    /// The block's bytes. The next one is empty.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let Self { count, heads, records } = std::mem::take(self);
        [count.to_le_bytes().as_slice(), &heads, &records].concat()
    }
}

/// A block that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    heads: &'a [[u8; HEAD_BYTES]],
    records: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads how many updates are in it, and how long they are.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BadRecord> {
        Self::split(bytes).ok_or(BadRecord::Damaged)
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (heads, records) = rest.split_at_checked(count.checked_mul(HEAD_BYTES)?)?;
        let (heads, _) = heads.as_chunks();
        let total: usize = heads.iter().map(|head| read_head(*head).0).sum();
        (count > 0 && total == records.len()).then_some(Self { heads, records })
    }

    /// How many updates are in it; at least one.
    pub(super) fn count(&self) -> u64 {
        self.heads.len() as u64
    }

    /// Its updates in order, from a place on.
    pub(super) fn entries(self, from: u64) -> impl Iterator<Item = Result<Entry, BadRecord>> {
        let mut rest = self.records;
        let records = self.heads.iter().map(move |head| {
            let (length, sum) = read_head(*head);
            let (record, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = after;
            (record, sum)
        });
        records.skip(usize::try_from(from).unwrap_or(usize::MAX)).map(|(record, sum)| {
            if checksum(record) == sum { record::decode(record) } else { Err(BadRecord::Damaged) }
        })
    }
}

/// A record's length and its checksum.
fn read_head(head: [u8; HEAD_BYTES]) -> (usize, u32) {
    let [a, b, c, d, sum @ ..] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes(sum))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use tidings_hub::Update;

    use super::*;

    fn entry(data: &str) -> Entry {
        Entry { update: Update::new("t", data), digest: 7, at: UNIX_EPOCH }
    }

    fn block(entries: &[Entry]) -> Vec<u8> {
        let mut filling = Filling::default();
        for entry in entries {
            let mut record = Vec::new();
            record::encode(entry, &mut record);
            filling.add(&record, checksum(&record));
        }
        filling.take()
    }

    fn entries(bytes: &[u8], from: u64) -> Result<Vec<Entry>, BadRecord> {
        Block::read(bytes)?.entries(from).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            texts in proptest::collection::vec("\\PC{0,20}", 1..20),
            from in 0_usize..25,
        ) {
            let all: Vec<_> = texts.iter().map(|text| entry(text)).collect();
            let rest = all.get(from..).unwrap_or_default();
            prop_assert_eq!(entries(&block(&all), from as u64), Ok(rest.to_vec()));
        }

        #[test]
        fn no_cut_no_surplus_and_no_changed_byte_is_taken_for_a_block(
            texts in proptest::collection::vec("\\PC{0,20}", 1..5),
            place in any::<prop::sample::Index>(),
            change in 1_u8..,
        ) {
            let all: Vec<_> = texts.iter().map(|text| entry(text)).collect();
            let whole = block(&all);
            let place = place.index(whole.len());
            prop_assert_eq!(entries(&whole[..place], 0), Err(BadRecord::Damaged));
            prop_assert_eq!(entries(&[whole.as_slice(), &[0]].concat(), 0), Err(BadRecord::Damaged));
            let mut changed = whole;
            changed[place] ^= change;
            prop_assert_eq!(entries(&changed, 0), Err(BadRecord::Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(entries(&bytes, 1));
        }
    }

    /// Blocks are kept on disk: another version must read them.
    #[test]
    fn a_block_reads_for_ever() {
        let record = b"\x01\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\0\x01\0\0\0t\x02\0\0\0hi";
        let head = b"\x01\0\0\0\x1f\0\0\0\x7d\x82\x53\x6d";
        let bytes = [head.as_slice(), record].concat();
        assert_eq!(entries(&bytes, 0), Ok(vec![entry("hi")]));
        assert_eq!(block(&[entry("hi")]), bytes);
    }

    #[test]
    fn a_block_is_bounded_unless_it_is_one_update() {
        let mut filling = Filling::default();
        assert!(filling.has_room_for(usize::MAX));
        let record = [0; 1000];
        while filling.has_room_for(record.len()) {
            filling.add(&record, 0);
        }
        assert_eq!(filling.count, 16);
        assert!(filling.take().len() <= MAX_BLOCK_BYTES);
        assert!(filling.has_room_for(MAX_BLOCK_BYTES * 2));
    }
}
