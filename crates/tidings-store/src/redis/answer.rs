//! Reading what a server answers, without trusting it.

use redis::{RedisResult, Value};

/// The answers to several commands, none of which may be an error.
pub(super) fn all(answers: Vec<Value>) -> RedisResult<Vec<Value>> {
    answers.into_iter().map(Value::extract_error).collect()
}

/// The bytes of a text or a binary string.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        _ => None,
    }
}

/// A text.
pub(super) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// A whole number that is not negative.
pub(super) fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).ok(),
        other => text(other)?.parse().ok(),
    }
}

/// A list's members.
pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) | Value::Set(values) => Some(values),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

/// The updates in an entry of the stream: the seq and the record of each.
pub(super) type Updates = Vec<(u64, Vec<u8>)>;

/// A stream's entries. Those with ids that are no seqs are left out; another program has written them. Where there is no
/// record, it is empty.
pub(super) fn entries(value: Value) -> Option<Vec<Updates>> {
    let mut entries = Vec::new();
    for entry in list(value)? {
        let mut parts = list(entry)?.into_iter();
        let id = text(parts.next()?)?;
        let Some(last) = id.strip_prefix("0-").and_then(|seq| seq.parse::<u64>().ok()) else {
            continue;
        };
        let mut records = records(parts.next().and_then(list).unwrap_or_default());
        if records.is_empty() {
            records.push(Vec::new());
        }
        let before = last.saturating_sub(records.len() as u64);
        entries.push((before + 1..).zip(records).collect());
    }
    Some(entries)
}

/// The records among an entry's fields.
fn records(fields: Vec<Value>) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if bytes(name).as_deref() == Some(b"r") {
            records.extend(bytes(value));
        }
    }
    records
}

/// What is new in the one stream that was asked for.
pub(super) fn news(value: Value) -> Option<Vec<Updates>> {
    match value {
        Value::Nil => Some(Vec::new()),
        Value::Map(streams) => match streams.into_iter().next() {
            Some((_, stream)) => entries(stream),
            None => Some(Vec::new()),
        },
        other => match list(other)?.into_iter().next() {
            Some(stream) => entries(list(stream)?.into_iter().nth(1)?),
            None => Some(Vec::new()),
        },
    }
}
