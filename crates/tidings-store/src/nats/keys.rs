//! What a message id that the server knows already means: the same update again, another one, or nothing.
//!
//! JetStream remembers message ids, each an idempotency key's mark, for the stream's duplicate window, and answers with the
//! seq of the first message. Whether that is the same update, its record tells.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::HeaderMap;
use tidings_hub::{AppendError, Appending, Entry, Unavailable};

use super::api::{self, Stored};
use super::conn::Question;
use super::link::Up;
use super::queue::Item;
use super::trouble::{ApiError, Trouble};
use crate::record;

/// What a known message id means for an update with a key.
pub(super) enum Settled {
    /// It was appended before, here.
    Repeated(u64),
    /// Another update has the key.
    Reused,
    /// The message id is something else's: of another key with the same mark, or of an update that has left the log.
    Taken,
}

/// Compares an update with the message that has its message id.
pub(super) async fn settle(up: &Up, item: &Item, seq: u64) -> Result<Settled, Trouble> {
    Ok(compare(item, seq, up.api.at(seq).await?.as_ref()))
}

fn compare(item: &Item, seq: u64, stored: Option<&Stored>) -> Settled {
    match stored.and_then(entry) {
        Some(entry) if entry.update.idempotency_key != item.key => Settled::Taken,
        Some(entry) if entry.digest == item.digest => Settled::Repeated(seq),
        Some(_) => Settled::Reused,
        None => Settled::Taken,
    }
}

/// What is known of a call that is to be appended as a whole.
pub(super) enum Checked {
    /// Nothing speaks against it.
    Free,
    /// One of its updates is refused, and so are all.
    Refused(Vec<Appending>),
}

/// How many messages are read at once: each may be as large as a message can be.
const READ_AT_ONCE: usize = 64;
/// A seq that no stream ends with.
const IMPOSSIBLE: &str = "9223372036854775807";

/// Looks for what would refuse one of the updates, before any is appended.
pub(super) async fn check(up: &Up, items: &[Item]) -> Result<Checked, Trouble> {
    let refusals: HashMap<usize, AppendError> = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| Some((place, item.too_large.clone()?)))
        .chain(reused_within(items))
        .collect();
    if !refusals.is_empty() {
        return Ok(Checked::Refused(refused(refusals, items.len())));
    }
    let keyed: Vec<(usize, &Item, &Arc<str>)> = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| Some((place, item, item.key.as_ref()?)))
        .collect();
    // The server looks for the message id first: a message that cannot be appended tells whether it is known.
    let probes = keyed.iter().map(|(_, _, key)| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", up.subjects.message_id(key, 0));
        headers.insert("Nats-Expected-Last-Sequence", IMPOSSIBLE);
        Question { headers: Some(headers), ..Question::default() }
    });
    let answers = up.api.conn.gather(up.subjects.plain(), probes.collect()).await?;
    let mut known = Vec::new();
    for (probe, answer) in answers {
        let Some((place, item, _)) = keyed.get(probe) else { continue };
        let seq = match api::read::<Known>(&answer.payload) {
            Ok(known) => known.seq,
            Err(trouble) if trouble.is(ApiError::WRONG_LAST_SEQUENCE) => continue,
            Err(trouble) => return Err(trouble),
        };
        known.push((*place, *item, seq));
    }
    let mut refusals = HashMap::new();
    for some in known.chunks(READ_AT_ONCE) {
        let seqs: Vec<u64> = some.iter().map(|(_, _, seq)| *seq).collect();
        for ((place, item, seq), stored) in some.iter().zip(up.api.at_each(&seqs).await?) {
            if let Settled::Reused = compare(item, *seq, stored.as_ref()) {
                refusals.insert(*place, AppendError::KeyReused);
            }
        }
    }
    Ok(if refusals.is_empty() {
        Checked::Free
    } else {
        Checked::Refused(refused(refusals, items.len()))
    })
}

#[derive(serde::Deserialize)]
struct Known {
    seq: u64,
}

/// Updates whose key another one before them has.
fn reused_within(items: &[Item]) -> Vec<(usize, AppendError)> {
    let mut digests = HashMap::new();
    let keyed = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| Some((place, item.key.as_ref()?, item.digest)));
    keyed
        .filter(|(_, key, digest)| *digests.entry(Arc::clone(key)).or_insert(*digest) != *digest)
        .map(|(place, _, _)| (place, AppendError::KeyReused))
        .collect()
}

fn refused(mut refusals: HashMap<usize, AppendError>, count: usize) -> Vec<Appending> {
    let with_it =
        Unavailable::new("another update of the same batch was refused, so none was appended");
    (0..count)
        .map(|place| {
            Err(refusals
                .remove(&place)
                .unwrap_or_else(|| AppendError::Unavailable(with_it.clone())))
        })
        .collect()
}

/// The entry in a message, if it can be read.
pub(super) fn entry(stored: &Stored) -> Option<Entry> {
    match record::decode(&stored.payload) {
        Ok(entry) => Some(entry),
        Err(why) => {
            tracing::error!(seq = stored.seq, %why, "a message of the log is passed over");
            None
        }
    }
}
