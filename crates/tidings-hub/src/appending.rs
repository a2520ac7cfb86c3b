//! Publishing through the log behind the hub.

use std::time::SystemTime;

use tidings_wire::EventId;

use crate::behind::Behind;
use crate::digest::digest;
use crate::error::{BatchError, PublishError};
use crate::hub::Hub;
use crate::log::{AppendError, Appended, Appending, Entry, Mode, Unavailable};
use crate::position::Position;
use crate::publishing::Publishing;
use crate::update::{Receipt, Update};

impl Hub {
    /// Publishes through the log behind the hub.
    pub(crate) fn publish_behind(
        &self,
        behind: &Behind,
        update: Update,
    ) -> Publishing<Result<Receipt, PublishError>> {
        let all = self.append(behind, vec![update], Mode::Each);
        Publishing::later(async move {
            let mut results = all.await;
            // One update has one result.
            results.pop().unwrap_or(Err(PublishError::Closed))
        })
    }

    /// Publishes several updates through the log behind the hub, each for itself.
    pub(crate) fn publish_all_behind(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
    ) -> Publishing<Vec<Result<Receipt, PublishError>>> {
        Publishing::later(self.append(behind, updates, Mode::Each))
    }

    /// Publishes all of several updates through the log behind the hub, or none.
    pub(crate) fn publish_batch_behind(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
    ) -> Publishing<Result<Vec<Receipt>, BatchError>> {
        let weights: Vec<usize> = updates.iter().map(Update::max_weight).collect();
        if let Err(error) = self.lock().check_batch(&updates, &weights) {
            return Publishing::done(Err(error));
        }
        let all = self.append(behind, updates, Mode::All);
        Publishing::later(async move {
            let results = all.await;
            let errors = results.iter().enumerate().filter_map(|(place, result)| {
                result.as_ref().err().map(|error| BatchError { place, error: error.clone() })
            });
            // Those that are kept out by another one have no error of their own.
            let is_kept_out =
                |refused: &BatchError| matches!(refused.error, PublishError::Unavailable(_));
            match errors.min_by_key(is_kept_out) {
                Some(refused) => Err(refused),
                None => Ok(results.into_iter().flatten().collect()),
            }
        })
    }

    /// Hands updates to the log, those that can be published at all, and gives the result of each.
    fn append(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
        mode: Mode,
    ) -> impl Future<Output = Vec<Result<Receipt, PublishError>>> + Send + 'static {
        let at = SystemTime::now();
        let mut own_ids = Vec::with_capacity(updates.len());
        let mut refused = Vec::with_capacity(updates.len());
        let mut entries = Vec::with_capacity(updates.len());
        let weights: Vec<usize> = updates.iter().map(Update::max_weight).collect();
        let state = self.lock();
        let checked = updates.iter().zip(weights);
        refused.extend(checked.map(|(update, weight)| {
            state.check(update).and_then(|()| state.check_max_weight(weight)).err()
        }));
        drop(state);
        for (update, refused) in updates.into_iter().zip(&refused) {
            if refused.is_none() {
                own_ids.push(update.id.clone());
                entries.push(Entry { digest: digest(&update), update, at });
            }
        }
        let appending = (!entries.is_empty()).then(|| behind.log.append(entries, mode));
        let hub = self.clone();
        async move {
            let results = match appending {
                Some(appending) => appending.await,
                None => Vec::new(),
            };
            hub.note_appended(&results).await;
            let mut results = results.into_iter().zip(own_ids);
            let mut result = |refused: Option<PublishError>| {
                let of_log = || {
                    let (result, own_id) = results.next().unzip();
                    receipt(result, own_id.flatten())
                };
                refused.map_or_else(of_log, Err)
            };
            refused.into_iter().map(&mut result).collect()
        }
    }

    /// Counts what was appended, and waits until the tail has it: whoever published it may read on from it at once.
    async fn note_appended(&self, results: &[Appending]) {
        let appended = || results.iter().filter_map(|result| result.as_ref().ok());
        let new = appended().filter(|appended| !appended.repeated).count();
        self.lock().published += new as u64;
        let Some(behind) = &self.0.behind else { return };
        if let Some(last) = appended().max_by_key(|appended| appended.seq) {
            behind.reached(last.epoch, last.seq).await;
        }
    }
}

/// What a publisher gets for an entry's result.
fn receipt(result: Option<Appending>, own_id: Option<EventId>) -> Result<Receipt, PublishError> {
    let lost = || AppendError::Unavailable(Unavailable::new("the log gave no result"));
    let Appended { epoch, seq, repeated } = result.unwrap_or_else(|| Err(lost()))?;
    let position = Position { epoch, seq };
    let id = own_id.unwrap_or_else(|| position.to_event_id());
    Ok(Receipt { id, position, repeated })
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::KeyReused => Self::KeyReused,
            AppendError::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            AppendError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
