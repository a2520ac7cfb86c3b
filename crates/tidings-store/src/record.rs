//! An update as bytes, the same in every log: what is read back is what was appended.
//!
//! ```text
//! version u8 = 1 | flags u8 | at u64, ms since 1970 | digest u64
//! | topics: count u16, each as text | id: text | type: text | retry u64, ms | key: text | data: text to the end
//! ```
//! A text is its length as u32 and its bytes; numbers are little-endian. What the flags say is missing is left out.

use std::time::{Duration, UNIX_EPOCH};

use bytes::{Buf, BufMut};
use tidings_hub::{Entry, EventId, EventType, IdScope, Update};

const VERSION: u8 = 1;

/// What a topic costs in memory beside its name, in bytes.
const TOPIC_BYTES: usize = 40;

const PRIVATE: u8 = 1;
const HAS_ID: u8 = 1 << 1;
const TOPIC_SCOPE: u8 = 1 << 2;
const HAS_TYPE: u8 = 1 << 3;
const HAS_RETRY: u8 = 1 << 4;
const HAS_KEY: u8 = 1 << 5;
const KNOWN: u8 = (1 << 6) - 1;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadRecord {
    /// They were written by a later version of Tidings, or by something else.
    Version(u8),
    /// They are not whole, or not what a record may have in it.
    Damaged,
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "a record of version {version}, where this Tidings knows {VERSION}: it was written by a newer one, or by another program"
            ),
            Self::Damaged => f.write_str("a damaged record"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// What an update counts in a page, in bytes: its data, and its topics with what each costs beside its name. An update with a
/// thousand long topics and no data is not a small one.
pub(crate) fn weight(update: &Update) -> usize {
    let topics: usize = update.topics.iter().map(|topic| topic.len() + TOPIC_BYTES).sum();
    update.data.len() + topics
}

/// Writes an entry.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let Entry { update, digest, at } = entry;
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(update.private, PRIVATE)
        | flag(update.id.is_some(), HAS_ID)
        | flag(update.id_scope == IdScope::Topic, TOPIC_SCOPE)
        | flag(update.event_type.is_some(), HAS_TYPE)
        | flag(update.retry.is_some(), HAS_RETRY)
        | flag(update.idempotency_key.is_some(), HAS_KEY);
    let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    out.put_u8(VERSION);
    out.put_u8(flags);
    out.put_u64_le(millis(since_1970));
    out.put_u64_le(*digest);
    // The hub refuses more topics than that.
    let topics = u16::try_from(update.topics.len()).unwrap_or(u16::MAX);
    out.put_u16_le(topics);
    for topic in update.topics.iter().take(topics.into()) {
        put_text(out, topic);
    }
    if let Some(id) = &update.id {
        put_text(out, id.as_str());
    }
    if let Some(event_type) = &update.event_type {
        put_text(out, event_type.as_ref());
    }
    if let Some(retry) = update.retry {
        out.put_u64_le(millis(retry));
    }
    if let Some(key) = &update.idempotency_key {
        put_text(out, key);
    }
    put_text(out, &update.data);
}

/// Reads an entry.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub(crate) fn decode(mut bytes: &[u8]) -> Result<Entry, BadRecord> {
    let from = &mut bytes;
    let version = from.try_get_u8().map_err(|_| BadRecord::Damaged)?;
    if version != VERSION {
        return Err(BadRecord::Version(version));
    }
    let entry = read(from).ok_or(BadRecord::Damaged)?;
    if bytes.is_empty() { Ok(entry) } else { Err(BadRecord::Damaged) }
}

fn read(from: &mut &[u8]) -> Option<Entry> {
    let flags = from.try_get_u8().ok()?;
    if flags & !KNOWN != 0 {
        return None;
    }
    let has = |flag: u8| flags & flag != 0;
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(from.try_get_u64_le().ok()?))?;
    let digest = from.try_get_u64_le().ok()?;
    let count = from.try_get_u16_le().ok()?;
    // Not by `count`: it may be a lie.
    let mut topics = Vec::new();
    for _ in 0..count {
        topics.push(text(from)?.to_owned());
    }
    if topics.is_empty() {
        return None;
    }
    let id = if has(HAS_ID) { Some(EventId::new(text(from)?).ok()?) } else { None };
    let event_type = if has(HAS_TYPE) { Some(EventType::new(text(from)?).ok()?) } else { None };
    let retry = if has(HAS_RETRY) {
        Some(Duration::from_millis(from.try_get_u64_le().ok()?))
    } else {
        None
    };
    let key = if has(HAS_KEY) { Some(text(from)?.into()) } else { None };
    let data = text(from)?.to_owned();
    let id_scope = if has(TOPIC_SCOPE) { IdScope::Topic } else { IdScope::Hub };
    let update = Update {
        topics,
        data,
        id,
        id_scope,
        event_type,
        retry,
        private: has(PRIVATE),
        idempotency_key: key,
    };
    Some(Entry { update, digest, at })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Texts are bounded at the edge, far below 4 GiB.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.put_u32_le(length);
    out.put_slice(text.as_bytes().get(..length as usize).unwrap_or_default());
}

fn text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = from.try_get_u32_le().ok()? as usize;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    std::str::from_utf8(text).ok()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Entry> {
        let texts = "\\PC{0,20}";
        let topics = proptest::collection::vec(texts, 1..4);
        let id = proptest::option::of("[a-z]{0,8}");
        let event_type = proptest::option::of("[a-z]{1,8}");
        let retry = proptest::option::of(any::<u32>());
        let key = proptest::option::of(texts);
        let rest = (any::<bool>(), any::<bool>(), any::<u64>(), any::<u32>());
        (topics, texts, id, event_type, retry, key, rest).prop_map(
            |(topics, data, id, event_type, retry, key, (private, scoped, digest, at))| Entry {
                update: Update {
                    topics,
                    data,
                    id: id.map(|id| EventId::new(id).unwrap()),
                    id_scope: if scoped { IdScope::Topic } else { IdScope::Hub },
                    event_type: event_type.map(|text| EventType::new(text).unwrap()),
                    retry: retry.map(|ms| Duration::from_millis(ms.into())),
                    private,
                    idempotency_key: key.map(Into::into),
                },
                digest,
                at: UNIX_EPOCH + Duration::from_millis(at.into()),
            },
        )
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(entry, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(entry in entries()) {
            prop_assert_eq!(decode(&encoded(&entry)), Ok(entry));
        }

        #[test]
        fn no_cut_and_no_surplus_is_taken_for_a_record(entry in entries(), cut in any::<prop::sample::Index>()) {
            let mut bytes = encoded(&entry);
            bytes.push(0);
            prop_assert_eq!(decode(&bytes), Err(BadRecord::Damaged));
            bytes.pop();
            bytes.truncate(cut.index(bytes.len()));
            prop_assert_eq!(decode(&bytes), Err(BadRecord::Damaged));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&bytes));
            let mut versioned = vec![VERSION];
            versioned.extend(&bytes);
            if let Ok(entry) = decode(&versioned) {
                prop_assert_eq!(encoded(&entry), versioned);
            }
        }
    }

    /// Records are kept on disk and in shared logs: another version must read them.
    #[test]
    fn a_record_of_version_1_reads_for_ever() {
        let bytes = b"\x01\x29\x15\xcd\x5b\x07\0\0\0\0\x07\0\0\0\0\0\0\0\x01\0\x01\0\0\0a\x01\0\0\0t\x01\0\0\0k\x02\0\0\0hi";
        let entry = decode(bytes).unwrap();
        assert_eq!(entry.update.topics, ["a"]);
        assert_eq!(entry.update.data, "hi");
        assert_eq!(entry.update.idempotency_key.as_deref(), Some("k"));
        assert!(entry.update.private);
        assert_eq!((entry.digest, entry.at), (7, UNIX_EPOCH + Duration::from_millis(123_456_789)));
        assert_eq!(encoded(&entry), bytes);
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        assert_eq!(decode(&[2, 0, 0]), Err(BadRecord::Version(2)));
        assert_eq!(decode(&[]), Err(BadRecord::Damaged));
    }
}
