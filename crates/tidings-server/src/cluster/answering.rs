//! What this hub does for the others: ends streams, and says who is subscribed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::warn;

use super::Node;
use super::id::NodeId;
use super::message::{Ending, Ignored, Message, share_out};
use crate::disconnect::{Whom, end_here};
use crate::mercure::presence;

/// How many endings are done for other hubs at the same time, and how many lists are told. What is more is ignored; they
/// ask again.
pub(super) const MAX_AT_ONCE: usize = 64;
/// How long that may take. Whoever has asked has given up long before.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of how many questions it is remembered that they came.
const MAX_REMEMBERED: usize = 256;

/// The last questions, so that one that is asked again is not answered twice, and each time with the same number.
#[derive(Debug, Default)]
pub(super) struct Answered(VecDeque<Question>);

#[derive(Debug)]
struct Question {
    from: NodeId,
    call: u64,
    stage: Stage,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    UnderWay,
    Done { count: u64 },
}

impl Answered {
    /// How far the answer to a question is. From then on one that was new is under way.
    fn begin(&mut self, from: NodeId, call: u64) -> Stage {
        if let Some(known) = self.find(from, call) {
            return known.stage;
        }
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Question { from, call, stage: Stage::UnderWay });
        Stage::New
    }

    fn done(&mut self, from: NodeId, call: u64, count: u64) {
        if let Some(known) = self.find(from, call) {
            known.stage = Stage::Done { count };
        }
    }

    /// The question may be asked anew.
    fn forget(&mut self, from: NodeId, call: u64) {
        self.0.retain(|known| (known.from, known.call) != (from, call));
    }

    fn find(&mut self, from: NodeId, call: u64) -> Option<&mut Question> {
        self.0.iter_mut().find(|known| (known.from, known.call) == (from, call))
    }
}

impl Node {
    /// Ends streams for another hub, and tells it when they know.
    pub(super) fn end(
        self: &Arc<Self>,
        from: NodeId,
        call: u64,
        whom: Vec<Ending>,
    ) -> Result<(), Ignored> {
        match self.answered.lock().begin(from, call) {
            Stage::New => {}
            Stage::UnderWay => return Ok(()),
            Stage::Done { count } => {
                drop(self.voice.say(Some(from), &Message::Ended { call, count }));
                return Ok(());
            }
        }
        // Before anything else: a stream that is not open yet finds it here, one that is open is found below.
        let whom: Vec<Whom> = whom.into_iter().map(|Ending(whom)| whom).collect();
        for whom in &whom {
            whom.note(&self.local.kicks);
        }
        let place = self.place(&self.endings, (from, call))?;
        let node = Arc::clone(self);
        tokio::spawn(async move {
            let _place = place;
            let ending = end_here(&node.local.hub, &node.local.bodies, &whom);
            let Ok(count) = timeout(PATIENCE, ending).await else {
                warn!(hub = %from, "streams that another hub wants ended have not all ended within 10 s");
                node.answered.lock().forget(from, call);
                return;
            };
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            node.answered.lock().done(from, call, count);
            node.say(Some(from), &Message::Ended { call, count }).await;
        });
        Ok(())
    }

    /// Tells another hub who is subscribed here.
    pub(super) fn list(
        self: &Arc<Self>,
        from: NodeId,
        call: u64,
        (topic, subscriber): (Option<String>, Option<String>),
    ) -> Result<(), Ignored> {
        if self.answered.lock().begin(from, call) != Stage::New {
            return Ok(());
        }
        let place = self.place(&self.tellings, (from, call))?;
        let node = Arc::clone(self);
        tokio::spawn(async move {
            let _place = place;
            let telling = node.tell_open(from, call, topic.as_deref(), subscriber.as_deref());
            drop(timeout(PATIENCE, telling).await);
            node.answered.lock().forget(from, call);
        });
        Ok(())
    }

    async fn tell_open(
        &self,
        to: NodeId,
        call: u64,
        topic: Option<&str>,
        subscriber: Option<&str>,
    ) {
        let open = if self.local.shows_subscriptions {
            presence::open(&self.local.hub.subscribers(), topic, subscriber)
        } else {
            Vec::new()
        };
        let parts = share_out(open);
        let end = parts.len() - 1;
        for (place, (part, open)) in (0..).zip(parts).enumerate() {
            let last = place == end;
            self.say(Some(to), &Message::Subscriptions { call, part, last, open }).await;
        }
    }

    /// A place to do something for another hub, if there is one.
    fn place(
        &self,
        places: &Arc<Semaphore>,
        (from, call): (NodeId, u64),
    ) -> Result<OwnedSemaphorePermit, Ignored> {
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            self.answered.lock().forget(from, call);
            Ignored::Busy
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_and_then_as_before() {
        let (mut answered, a, b) =
            (Answered::default(), NodeId::new(1).unwrap(), NodeId::new(2).unwrap());
        assert_eq!(answered.begin(a, 1), Stage::New);
        assert_eq!(answered.begin(a, 1), Stage::UnderWay);
        assert_eq!((answered.begin(b, 1), answered.begin(a, 2)), (Stage::New, Stage::New));
        answered.done(a, 1, 7);
        assert_eq!(answered.begin(a, 1), Stage::Done { count: 7 });
        answered.forget(b, 1);
        assert_eq!(answered.begin(b, 1), Stage::New);
        for call in 0..1_000 {
            answered.begin(b, call);
        }
        assert_eq!(answered.0.len(), MAX_REMEMBERED);
    }
}
