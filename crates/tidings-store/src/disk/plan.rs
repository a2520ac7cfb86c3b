//! Which of the entries that wait are appended, and where: idempotency keys, and all or none.

use std::collections::HashMap;

use rusqlite::Connection;
use tidings_hub::{AppendError, Appended, Appending, Mode, Unavailable};

use super::blocks::Lookup;
use super::marks;
use super::queue::{Call, Ready};
use super::reader::MAX_EQUAL_MARKS;
use super::shared::Shared;

/// What becomes of some calls' entries.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The results of each call, for when it is committed.
    pub(super) results: Vec<Vec<Appending>>,
    /// How many are appended.
    pub(super) new: usize,
}

/// Decides what to append, from a seq on.
pub(super) fn plan(
    shared: &Shared,
    connection: &Connection,
    calls: &[Call],
    oldest: u64,
    next: u64,
) -> rusqlite::Result<Plan> {
    let mut planner = Planner { shared, connection, oldest, next, keys: HashMap::new() };
    let mut plan = Plan::default();
    for call in calls {
        plan.results.push(planner.call(call)?);
    }
    plan.new = usize::try_from(planner.next.saturating_sub(next)).unwrap_or(usize::MAX);
    Ok(plan)
}

struct Planner<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    oldest: u64,
    next: u64,
    /// The keys of what is appended now: where, and the digest.
    keys: HashMap<&'a str, (u64, u64)>,
}

impl<'a> Planner<'a> {
    fn call(&mut self, call: &'a Call) -> rusqlite::Result<Vec<Appending>> {
        let first = self.next;
        let mut results = Vec::with_capacity(call.entries.len());
        for entry in &call.entries {
            results.push(match entry {
                Ok(ready) => self.entry(ready)?,
                Err(refused) => Err(refused.clone()),
            });
        }
        if call.mode == Mode::All && results.iter().any(Result::is_err) {
            self.next = first;
            self.keys.retain(|_, (seq, _)| *seq < first);
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                let why =
                    "nothing was appended, because another update of the same call was refused";
                *result = Err(AppendError::Unavailable(Unavailable::new(why)));
            }
        }
        Ok(results)
    }

    fn entry(&mut self, ready: &'a Ready) -> rusqlite::Result<Appending> {
        let appended = |seq, repeated| Ok(Appended { epoch: self.shared.epoch, seq, repeated });
        let Some(key) = ready.update.idempotency_key.as_deref() else {
            let result = appended(self.next, false);
            self.next += 1;
            return Ok(result);
        };
        let known = match self.keys.get(key) {
            Some(known) => Some(*known),
            None => self.retained(key)?,
        };
        Ok(match known {
            Some((seq, digest)) if digest == ready.digest => appended(seq, true),
            Some(_) => Err(AppendError::KeyReused),
            None => {
                let result = appended(self.next, false);
                self.keys.insert(key, (self.next, ready.digest));
                self.next += 1;
                result
            }
        })
    }

    /// The retained update with a key.
    fn retained(&self, key: &str) -> rusqlite::Result<Option<(u64, u64)>> {
        let mark = self.shared.marker.key(key);
        let end = i64::MAX.cast_unsigned();
        let mut seqs = Vec::new();
        self.shared.recent.read().first(mark, self.oldest, end, MAX_EQUAL_MARKS, &mut seqs);
        marks::first(self.connection, mark, self.oldest, end, MAX_EQUAL_MARKS, &mut seqs)?;
        let mut lookup = Lookup::new(self.connection);
        for seq in seqs {
            let entry = lookup.entry(seq)?;
            if entry.update.idempotency_key.as_deref() == Some(key) {
                return Ok(Some((seq, entry.digest)));
            }
        }
        Ok(None)
    }
}
