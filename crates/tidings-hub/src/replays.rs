//! Reads of several updates that were just made, so that many who come back to the same place share one.
//!
//! After a restart or a cut network thousands reconnect to the same topics with the same last id. The first of them is
//! read for, the others get what it got.

use std::sync::Arc;

use crate::index::NodeKey;
use crate::read::Portion;
use crate::update::LoggedUpdate;

/// How many reads are kept, each in the place of its selector.
const PLACES: usize = 8;

/// The reads.
#[derive(Debug, Default)]
pub(crate) struct Replays([Option<Replay>; PLACES]);

/// What was asked for and, since the log has not grown, is answered as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The only selector of who asks, which is no template.
    pub(crate) node: NodeKey,
    /// The cursor.
    pub(crate) from: u64,
    pub(crate) portion: Portion,
    /// The seq that the next update will have.
    pub(crate) next: u64,
}

/// Updates that are shared by all who read them together.
pub(crate) type Updates = Arc<[Arc<LoggedUpdate>]>;

/// An answer: the updates, and the next cursor.
pub(crate) type Answer = (Updates, Option<u64>);

#[derive(Debug)]
struct Replay {
    question: Question,
    answer: Answer,
}

impl Replays {
    /// The answer to a question that was answered before.
    pub(crate) fn find(&self, question: Question) -> Option<Answer> {
        let known = self.0.get(question.node % PLACES)?.as_ref()?;
        (known.question == question).then(|| known.answer.clone())
    }

    /// Keeps an answer that is the same for whoever asks.
    pub(crate) fn keep(&mut self, question: Question, answer: &Answer) {
        if let Some(place) = self.0.get_mut(question.node % PLACES) {
            *place = Some(Replay { question, answer: answer.clone() });
        }
    }

    /// Lets go of answers with updates that the log has let go of.
    pub(crate) fn forget_before(&mut self, oldest: u64) {
        for place in &mut self.0 {
            if place.as_ref().is_some_and(|known| known.question.from < oldest) {
                *place = None;
            }
        }
    }

    /// How many answers are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }
}
