//! Whom this hub has thrown out of late: a hub that is met, and was there before, may not have heard of it.
//!
//! It ends the streams of somebody who has come back meanwhile, too: their clients come back once more.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;

use super::Node;
use super::id::NodeId;
use super::message::{Ending, Message, share_out};
use crate::disconnect::Whom;

/// How many are remembered.
const MAX_REMEMBERED: usize = 1_024;
/// For how long.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// How long a hub may take to answer before it is looked whether it is still there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom this hub has thrown out, and the hubs that are to be told.
#[derive(Default)]
pub(super) struct Reminders {
    last: Mutex<VecDeque<(Instant, Whom)>>,
    to: Mutex<BTreeSet<NodeId>>,
    news: Notify,
}

impl Reminders {
    /// Remembers somebody.
    pub(super) fn note(&self, whom: Whom) {
        let mut last = self.last.lock();
        if last.len() == MAX_REMEMBERED {
            last.pop_front();
        }
        last.push_back((Instant::now(), whom));
    }

    /// From now on a hub is to be told.
    pub(super) fn tell(&self, node: NodeId) {
        self.to.lock().insert(node);
        self.news.notify_one();
    }

    fn of_late(&self) -> Vec<Ending> {
        let mut last = self.last.lock();
        while last.front().is_some_and(|(at, _)| at.elapsed() >= REMEMBERED_FOR) {
            last.pop_front();
        }
        last.iter().map(|(_, whom)| Ending(whom.clone())).collect()
    }
}

/// Tells the hubs that are met, for as long as it is awaited.
pub(super) async fn remind(node: Arc<Node>) {
    loop {
        node.reminders.news.notified().await;
        let to = std::mem::take(&mut *node.reminders.to.lock());
        for whom in share_out(node.reminders.of_late()) {
            if whom.is_empty() {
                continue;
            }
            let live = node.members.lock().live();
            let round = node.rounds.open(live.into_iter().filter(|node| to.contains(node)));
            let question = Message::End { call: round.call, whom };
            let missing = node.ask(round, &question, Instant::now() + PATIENCE).await.missing;
            let live = node.members.lock().live();
            for missing in missing.into_iter().filter(|node| live.contains(node)) {
                warn!(hub = %missing, "has not said that it has ended the streams of those who were thrown out before it was met; asking again");
                node.reminders.tell(missing);
            }
        }
    }
}

/// Without whom: a session's name may be its secret.
impl fmt::Debug for Reminders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reminders").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_in_number_and_time() {
        let reminders = Reminders::default();
        for n in 0..2 * MAX_REMEMBERED {
            reminders.note(Whom::User(n.to_string()));
        }
        let of_late = reminders.of_late();
        assert_eq!(of_late.len(), MAX_REMEMBERED);
        assert!(of_late.last().unwrap().0 == Whom::User("2047".to_owned()));
        tokio::time::advance(REMEMBERED_FOR / 2).await;
        reminders.note(Whom::User("new".to_owned()));
        tokio::time::advance(REMEMBERED_FOR / 2).await;
        assert!(reminders.of_late() == [Ending(Whom::User("new".to_owned()))]);
    }
}
