//! Updates on their way into the log: from entries to what the script takes, and from what it answers to the results.

use std::collections::VecDeque;

use redis::{Cmd, Value};
use tidings_hub::{AppendError, Appended, Appending, Entry, Epoch, IdScope, OwnId, Unavailable};

use super::answer;
use super::queue::{Chunk, Record};
use super::session::{Script, Session};
use crate::Retention;
use crate::record;

/// How large a record may be, in bytes.
pub(super) const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

/// An entry as it is sent.
pub(super) fn record(entry: &Entry) -> Record {
    let mut bytes = Vec::with_capacity(64 + entry.update.data.len());
    record::encode(entry, &mut bytes);
    let update = &entry.update;
    // The letter tells an empty key from none.
    let key = update.idempotency_key.as_ref().map(|key| (format!("k{key}"), entry.digest));
    let own_id = update.id.as_ref().map(|id| match update.id_scope {
        IdScope::Hub => hub_id(id.as_str()),
        IdScope::Topic => topic_id(update.topics.first().map_or("", String::as_str), id.as_str()),
    });
    Record { bytes, key, own_id }
}

/// An own id as it is listed. The lengths keep any other id from beginning in the same way.
pub(super) fn listed(id: &OwnId) -> String {
    match id {
        OwnId::Hub { id } => hub_id(id),
        OwnId::Topic { topic, id } => topic_id(topic, id),
    }
}

fn hub_id(id: &str) -> String {
    format!("h{}:{id}:", id.len())
}

fn topic_id(topic: &str, id: &str) -> String {
    format!("t{}:{topic}{}:{id}:", topic.len(), id.len())
}

/// What one run of the script appends.
#[derive(Debug)]
pub(super) struct Batch {
    chunks: Vec<Chunk>,
    pub(super) epoch: Epoch,
    /// Of its records.
    pub(super) bytes: usize,
}

/// What the script has made of a batch.
pub(super) enum Outcome {
    /// Each has its result; the newest update that is new in the log, if any is.
    Appended(Option<(u64, Vec<u8>)>),
    /// Nothing was appended: the log is another than it was thought to be.
    Lost,
    /// The answer makes no sense.
    Strange,
}

impl Batch {
    pub(super) fn new(chunks: Vec<Chunk>, epoch: Epoch) -> Self {
        let bytes =
            chunks.iter().flat_map(|chunk| &chunk.records).map(|record| record.bytes.len()).sum();
        Self { chunks, epoch, bytes }
    }

    /// The call of the script.
    pub(super) fn command(&self, session: &Session, retention: &Retention) -> Cmd {
        let count = self.records().count();
        let mut command = session.command(Script::Append, count + 8, self.bytes + 16 * count);
        command.arg(self.epoch.as_str());
        command.arg(retention.max_updates.unwrap_or(0)).arg(retention.max_bytes.unwrap_or(0));
        command.arg(count);
        for record in self.records() {
            command.arg(record.bytes.as_slice());
        }
        // Without a key nothing in a group can be refused, and one run of the script lets nothing in between.
        let mut groups = Vec::new();
        let mut first = 1;
        for chunk in &self.chunks {
            let end = first + chunk.records.len();
            if chunk.is_group && chunk.records.iter().any(|record| record.key.is_some()) {
                groups.push((first, end - 1));
            }
            first = end;
        }
        command.arg(groups.len());
        for (first, last) in groups {
            command.arg(first).arg(last);
        }
        for (place, record) in self.records().enumerate() {
            if record.key.is_some() || record.own_id.is_some() {
                let (key, digest) =
                    record.key.as_ref().map_or(("", 0), |(key, digest)| (key.as_str(), *digest));
                command
                    .arg(place + 1)
                    .arg(key)
                    .arg(digest)
                    .arg(record.own_id.as_deref().unwrap_or(""));
            }
        }
        command
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().flat_map(|chunk| &chunk.records)
    }

    /// What the script has answered. Everybody who waits is told.
    pub(super) fn settle(self, answer: Value) -> (Outcome, Option<Self>) {
        let Some(verdict) = Verdict::read(answer) else { return (Outcome::Strange, Some(self)) };
        let Verdict::Ran { first, mut others } = verdict else {
            return (Outcome::Lost, Some(self));
        };
        let mut next = first;
        let mut newest = None;
        let mut place = 0;
        for Chunk { records, reply, .. } in self.chunks {
            let mut results = Vec::with_capacity(records.len());
            for record in records {
                place += 1;
                let other = others.pop_front_if(|(other, _)| *other == place);
                results.push(match other {
                    Some((_, Other::Repeated(seq))) => {
                        Ok(Appended { epoch: self.epoch, seq, repeated: true })
                    }
                    Some((_, Other::Reused)) => Err(AppendError::KeyReused),
                    Some((_, Other::Out)) => Err(out()),
                    None => {
                        let seq = next;
                        next += 1;
                        newest = Some((seq, record.bytes));
                        Ok(Appended { epoch: self.epoch, seq, repeated: false })
                    }
                });
            }
            // Nobody may wait any more.
            drop(reply.send(results));
        }
        (Outcome::Appended(newest), None)
    }

    /// Tells everybody who waits that it cannot be appended, or that it is not known whether it was.
    pub(super) fn fail(self, why: &Unavailable) {
        for Chunk { records, reply, .. } in self.chunks {
            let failed: Vec<Appending> =
                records.iter().map(|_| Err(AppendError::Unavailable(why.clone()))).collect();
            drop(reply.send(failed));
        }
    }
}

/// Why an update was not appended though its own key is fine.
fn out() -> AppendError {
    AppendError::Unavailable(Unavailable::new(
        "another update of the same request was refused, and so all of them",
    ))
}

/// What the script says.
enum Verdict {
    Lost,
    Ran {
        /// The seq of the first new update; 0 when there is none.
        first: u64,
        /// The places of those that were not appended, in order, from 1 on, and why.
        others: VecDeque<(usize, Other)>,
    },
}

enum Other {
    Repeated(u64),
    Reused,
    Out,
}

impl Verdict {
    fn read(answer: Value) -> Option<Self> {
        let mut parts = answer::list(answer)?.into_iter();
        match answer::text(parts.next()?)?.as_str() {
            "lost" => return Some(Self::Lost),
            "ok" => {}
            _ => return None,
        }
        let first = answer::text(parts.next()?)?;
        let first = if first.is_empty() { 0 } else { first.parse().ok()? };
        let mut others = Vec::new();
        while let Some(place) = parts.next() {
            let place = usize::try_from(answer::number(place)?).ok()?;
            let why = answer::text(parts.next()?)?;
            let seq = answer::number(parts.next()?)?;
            others.push((
                place,
                match why.as_str() {
                    "repeated" => Other::Repeated(seq),
                    "reused" => Other::Reused,
                    "out" => Other::Out,
                    _ => return None,
                },
            ));
        }
        // A group is judged whole before what it appends.
        others.sort_by_key(|(place, _)| *place);
        Some(Self::Ran { first, others: others.into() })
    }
}
