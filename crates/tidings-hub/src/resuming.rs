//! Where in the log behind the hub a subscription begins that has seen some of it.

use crate::behind::Behind;
use crate::error::SubscribeError;
use crate::hub::Hub;
use crate::log::{OwnId, Unavailable};
use crate::position::{Epoch, Position};
use crate::selector::{Kind, Selector};
use crate::subscriber::Start;
use crate::tail::Found;
use crate::update::IdScope;

/// Where the log behind the hub says that an id is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// In which log.
    pub(crate) epoch: Epoch,
    pub(crate) found: Found,
}

/// Of how many topics it is asked whether an own id is one of theirs. Of more it is not known.
const MAX_TOPICS_ASKED: usize = 32;

impl Hub {
    /// See [`Behind::place`].
    pub(crate) async fn place(
        &self,
        start: &Start,
        selectors: &[Selector],
    ) -> Result<Option<Placed>, SubscribeError> {
        match &self.0.behind {
            Some(behind) => {
                behind.place(self, start, selectors).await.map_err(SubscribeError::Unavailable)
            }
            None => Ok(None),
        }
    }
}

impl Behind {
    /// Where in the log an id is that a subscriber saw last; nothing where the tail can tell.
    async fn place(
        &self,
        hub: &Hub,
        start: &Start,
        selectors: &[Selector],
    ) -> Result<Option<Placed>, Unavailable> {
        let (id, scope) = match start {
            Start::Live | Start::Earliest => return Ok(None),
            Start::After(id) => (id, IdScope::Hub),
            Start::AfterOnTopic(id) => (id, IdScope::Topic),
        };
        let slow = || Unavailable::new("the hub does not keep up with its log");
        let newest = hub.newest();
        let Ok(position) = id.parse::<Position>() else {
            // No publisher's own id begins so.
            if id.starts_with(Position::MARK) {
                return Ok(None);
            }
            let found = match self.find_own_id(id, scope, selectors).await? {
                Some(seq) if !self.reached(newest.epoch, seq).await => return Err(slow()),
                Some(seq) => Found::From(seq.saturating_add(1)),
                None => Found::Lost { missed: None },
            };
            return Ok(Some(Placed { epoch: newest.epoch, found }));
        };
        if position.epoch != newest.epoch || position.seq <= newest.seq {
            return Ok(None);
        }
        // Another hub was faster, or the log has lost its end.
        let bounds = self.bounds().await?;
        if bounds.next > position.seq && !self.reached(position.epoch, position.seq).await {
            return Err(slow());
        }
        Ok(None)
    }

    /// The seq of the update that an own id means: in its scope first, then in the other.
    async fn find_own_id(
        &self,
        id: &str,
        scope: IdScope,
        selectors: &[Selector],
    ) -> Result<Option<u64>, Unavailable> {
        let in_hub = || self.find(OwnId::Hub { id: id.to_owned() });
        if scope == IdScope::Hub
            && let Some(seq) = in_hub().await?
        {
            return Ok(Some(seq));
        }
        // Of several topics the one that is furthest behind: to resume too early doubles some, too late loses them.
        let mut furthest_behind = None;
        let topics = || selectors.iter().filter(|selector| selector.kind() == Kind::Exact);
        // One of those that are not asked about could be the one.
        let are_few = topics().nth(MAX_TOPICS_ASKED).is_none();
        for topic in topics().filter(|_| are_few) {
            let topic = OwnId::Topic { topic: topic.as_str().into(), id: id.to_owned() };
            let found = self.find(topic).await?;
            furthest_behind = [furthest_behind, found].into_iter().flatten().min();
        }
        if furthest_behind.is_none() && scope == IdScope::Topic {
            return in_hub().await;
        }
        Ok(furthest_behind)
    }
}
