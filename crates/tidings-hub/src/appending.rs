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
        let all = self.append_each(behind, vec![update]);
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
        Publishing::later(self.append_each(behind, updates))
    }

    /// Publishes all of several updates through the log behind the hub, or none.
    pub(crate) fn publish_batch_behind(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
    ) -> Publishing<Result<Vec<Receipt>, BatchError>> {
        let mut refused = self.refusals(&updates).into_iter().enumerate();
        let first = refused.find_map(|(place, error)| Some(BatchError { place, error: error? }));
        if let Some(refused) = first {
            return Publishing::done(Err(refused));
        }
        // Which keys were used the log knows.
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

    /// Why each of several updates cannot be published at all, where it cannot.
    fn refusals(&self, updates: &[Update]) -> Vec<Option<PublishError>> {
        let weights: Vec<usize> = updates.iter().map(Update::max_weight).collect();
        let state = self.lock();
        let checked = updates.iter().zip(weights);
        let refusal = |(update, weight)| {
            state.check(update).and_then(|()| state.check_max_weight(weight)).err()
        };
        checked.map(refusal).collect()
    }

    /// Hands updates to the log, those that can be published at all, and gives the result of each.
    fn append_each(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
    ) -> impl Future<Output = Vec<Result<Receipt, PublishError>>> + Send + 'static {
        let refused = self.refusals(&updates);
        let good = updates.into_iter().zip(&refused);
        let good =
            good.filter(|(_, refused)| refused.is_none()).map(|(update, _)| update).collect();
        let appended = self.append(behind, good, Mode::Each);
        async move {
            let mut results = appended.await.into_iter();
            let lost =
                || Err(AppendError::Unavailable(Unavailable::new("the log gave no result")).into());
            let mut result = |refused: Option<PublishError>| {
                refused.map_or_else(|| results.next().unwrap_or_else(lost), Err)
            };
            refused.into_iter().map(&mut result).collect()
        }
    }

    /// Hands updates to the log, and gives the result of each.
    fn append(
        &self,
        behind: &Behind,
        updates: Vec<Update>,
        mode: Mode,
    ) -> impl Future<Output = Vec<Result<Receipt, PublishError>>> + Send + 'static {
        let at = SystemTime::now();
        let own_ids: Vec<_> = updates.iter().map(|update| update.id.clone()).collect();
        let entry = |update| Entry { digest: digest(&update), update, at };
        let entries: Vec<Entry> = updates.into_iter().map(entry).collect();
        let appending = (!entries.is_empty()).then(|| behind.log.append(entries, mode));
        let hub = self.clone();
        async move {
            let results = match appending {
                Some(appending) => appending.await,
                None => Vec::new(),
            };
            hub.note_appended(&results).await;
            results.into_iter().zip(own_ids).map(receipt).collect()
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
fn receipt((result, own_id): (Appending, Option<EventId>)) -> Result<Receipt, PublishError> {
    let Appended { epoch, seq, repeated } = result?;
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
