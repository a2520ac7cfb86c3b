//! What goes on all the time: listening to the other hubs, beating, and telling them whose streams have changed.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_store::Listen;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::Node;
use super::id::NodeId;
use super::members::{Heard, Members, Told};
use super::message::{self, Head, Ignored, Message, is_name, share_out};

/// How often a hub says that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// How often it is looked whose number of streams has changed. A notice from within the hub would have to be given under
/// its lock.
const LOOK: Duration = Duration::from_millis(20);
/// How long after all users were told they may be told again: many may ask at once.
const PAUSE: Duration = Duration::from_millis(250);

/// Listens for as long as it is awaited.
pub(super) async fn listen(node: Arc<Node>, mut listener: Box<dyn Listen>) {
    loop {
        let bytes = listener.next().await;
        if let Err(why) = node.hear(&bytes) {
            node.local.metrics.message_refused();
            if node.ignored.is_news(&why.to_string()) {
                warn!(%why, "a message of another hub is ignored");
            }
        }
    }
}

/// Says that this hub is there, and forgets those that are not.
pub(super) async fn beat(node: Arc<Node>) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first message is that of `tell`.
    beats.tick().await;
    loop {
        beats.tick().await;
        node.forget_silent();
        node.say(None, &Message::Beat).await;
    }
}

/// Tells the others how many streams each user has here: of all users when it comes and when one asks, and else of those
/// whose number has changed.
pub(super) async fn tell(node: Arc<Node>) {
    // Its first message is the first of all, so that whoever hears it knows that there was none before.
    node.tell_all(None).await;
    node.say(None, &Message::AskUsers).await;
    let mut told_at = Instant::now();
    let mut is_due = false;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match node.local.hub.changed_users() {
            Some(changed) => node.tell_changed(changed).await,
            None => is_due = true,
        }
        if told_at.elapsed() < PAUSE {
            continue;
        }
        let asked = mem::take(&mut *node.asked.lock());
        let to = match (is_due, asked.len()) {
            (false, 0) => continue,
            (false, 1) => asked.first().copied(),
            _ => None,
        };
        node.tell_all(to).await;
        is_due = false;
        told_at = Instant::now();
    }
}

/// The users of whom others can be told, as it is told.
fn countable(users: Vec<(Arc<str>, usize)>) -> impl Iterator<Item = (Box<str>, u32)> {
    let told = |(user, count): (Arc<str>, usize)| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        is_name(&user).then(|| (Box::from(&*user), count))
    };
    users.into_iter().filter_map(told)
}

impl Node {
    /// Tells all hubs, or one, how many streams each user has here.
    async fn tell_all(&self, to: Option<NodeId>) {
        let parts = share_out(countable(self.local.hub.users()));
        let end = parts.len() - 1;
        for (place, users) in parts.into_iter().enumerate() {
            let (first, last) = (place == 0, place == end);
            self.say(to, &Message::Users { first, last, users }).await;
        }
    }

    async fn tell_changed(&self, changed: Vec<(Arc<str>, usize)>) {
        if changed.is_empty() {
            return;
        }
        for users in share_out(countable(changed)) {
            self.say(None, &Message::Changed { users }).await;
        }
    }

    /// Takes what came over the bus.
    fn hear(self: &Arc<Self>, bytes: &Bytes) -> Result<(), Ignored> {
        let (head, rest) = message::read_head(bytes)?;
        let me = self.voice.me();
        if head.from == me {
            self.hear_itself(head, rest);
            return Ok(());
        }
        // What is for others is not read; it shows that none was lost, if its sender is known.
        let is_for_others = head.to.is_some_and(|to| to != me);
        if is_for_others {
            self.members.lock().overhear(head.from, head.number, Instant::now());
            return Ok(());
        }
        let message = message::read_message(rest)?;
        let heard = self.members.lock().hear(head.from, head.number, Instant::now());
        match heard {
            Heard::First { had_begun } => self.meet(head.from, had_begun),
            Heard::Later => {}
            Heard::Again => return Ok(()),
            Heard::TooMany => return Err(Ignored::TooManyHubs),
        }
        let result = self.take(head.from, message);
        let is_to_be_asked = self.members.lock().is_to_be_asked(head.from, Instant::now());
        if is_to_be_asked {
            // If it is lost, it is asked again.
            drop(self.voice.say(Some(head.from), &Message::AskUsers));
        }
        result
    }

    /// Notes that what this hub has said is heard. Of a question to all, the round must know.
    fn hear_itself(&self, head: Head, rest: &[u8]) {
        self.hearing.hear(Instant::now());
        if head.to.is_none()
            && let Ok(Message::End { call, .. } | Message::AskSubscriptions { call, .. }) =
                message::read_message(rest)
        {
            self.rounds.counted(head.from, call, 0);
        }
    }

    /// Somebody is heard of for the first time.
    fn meet(&self, node: NodeId, had_begun: bool) {
        info!(%node, "hears of another hub that shares the log");
        self.local.metrics.nodes(self.members.lock().len() + 1);
        if had_begun {
            // It may have thrown somebody out, and not have waited for this hub.
            self.local.kicks.forget();
            // And the other way round.
            self.reminders.tell(node);
        }
    }

    fn take(self: &Arc<Self>, from: NodeId, message: Message) -> Result<(), Ignored> {
        match message {
            Message::Beat => {}
            Message::Leave => {
                info!(node = %from, "another hub has gone");
                self.forget(from);
                self.rounds.gone(from);
            }
            Message::AskUsers => drop(self.asked.lock().insert(from)),
            Message::Users { first, last, users } => {
                return self.count(|members| members.users(from, (first, last), users));
            }
            Message::Changed { users } => {
                return self.count(|members| members.changed(from, users));
            }
            Message::End { call, whom } => return self.end(from, call, whom),
            Message::Ended { call, count } => self.rounds.counted(from, call, count),
            Message::AskSubscriptions { call, topic, subscriber } => {
                return self.list(from, call, (topic, subscriber));
            }
            Message::Subscriptions { call, part, last, open } => {
                self.rounds.listed(from, call, (part, last), open);
            }
        }
        Ok(())
    }

    /// Takes what a hub told of users.
    fn count(&self, take: impl FnOnce(&mut Members) -> Told) -> Result<(), Ignored> {
        let mut members = self.members.lock();
        let Told { changes, left_out } = take(&mut members);
        self.local.hub.add_elsewhere(changes);
        if left_out > 0 { Err(Ignored::NoRoom { users: left_out }) } else { Ok(()) }
    }

    fn forget_silent(&self) {
        let silent = self.members.lock().silent(Instant::now());
        for node in silent {
            warn!(%node, "another hub was silent for 10 s: forgets it, and its streams no longer count");
            self.forget(node);
        }
    }

    /// Forgets a hub, with everything of it.
    fn forget(&self, node: NodeId) {
        let mut members = self.members.lock();
        self.local.hub.add_elsewhere(members.remove(node));
        self.local.metrics.nodes(members.len() + 1);
    }
}
