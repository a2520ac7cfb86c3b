//! This hub as one of several that share a log: who the others are, what they are told, and what they are asked.
//!
//! - `id`, `message`, `voice`: names, what is said, and saying it.
//! - `members`: who the others are, and what they told of their users.
//! - `rounds`: questions to all, and the answers. `hearing`: whether this hub is heard at all.
//! - `tasks`: what goes on all the time: listening, beating, telling what has changed.
//! - `answering`: what is done for the others. `reminders`: what they are told when they are met.
//!
//! Nothing here is stored: what a hub knows of the others it has heard, and forgets with them. What they say may be lost,
//! repeated or forged: what is kept of it is bounded, and what must arrive is asked for again.

mod answering;
mod hearing;
mod id;
mod members;
mod message;
mod reminders;
mod rounds;
mod tasks;
mod voice;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidings_hub::{Hub, Unavailable};
use tidings_store::Bus;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use self::answering::Answered;
use self::hearing::Hearing;
use self::id::NodeId;
use self::members::Members;
pub(crate) use self::message::OpenSubscription;
use self::message::{Ending, Message, is_name};
use self::reminders::Reminders;
pub(crate) use self::rounds::Answers;
use self::rounds::{Round, Rounds};
use self::voice::Voice;
use crate::auth::kicks::Kicks;
use crate::bodies::Bodies;
use crate::disconnect::Whom;
use crate::metrics::Metrics;
use crate::told::Told;

/// How long the other hubs may take to end streams. The admin call gives up a second later.
const ENDING_PATIENCE: Duration = Duration::from_secs(4);
/// How long the other hubs may take to say who is subscribed there.
const LISTING_PATIENCE: Duration = Duration::from_secs(2);
/// How long after a question those are asked again who have not answered: it may have been lost, or the answer. So a call
/// fails only when a hub is not there.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long a message may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// How many lists of subscriptions are asked for at the same time; others wait.
const MAX_LISTINGS: usize = 16;

/// This hub among those that share its log. Dropped, it falls silent.
#[derive(Debug)]
pub(crate) struct Cluster {
    node: Arc<Node>,
    _tasks: [AbortOnDropHandle<()>; 4],
}

/// What this hub's tasks share.
#[derive(Debug)]
struct Node {
    local: Local,
    voice: Voice,
    members: Mutex<Members>,
    hearing: Hearing,
    rounds: Rounds,
    /// Who has asked for all users.
    asked: Mutex<BTreeSet<NodeId>>,
    answered: Mutex<Answered>,
    reminders: Reminders,
    /// How many endings are done for other hubs at the same time, and how many lists are told.
    endings: Arc<Semaphore>,
    tellings: Arc<Semaphore>,
    /// How many lists this hub asks for at the same time.
    listings: Semaphore,
    /// What the log was told of lately: what cannot be sent, and what is ignored.
    unsent: Told,
    ignored: Told,
}

/// The parts of the server that the other hubs have to do with.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) hub: Hub,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) kicks: Arc<Kicks>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether others may know who is subscribed.
    pub(crate) shows_subscriptions: bool,
}

impl Cluster {
    /// Joins the others. Must be called within the hub's runtime.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn join(bus: Arc<dyn Bus>, local: Local) -> Result<Self, getrandom::Error> {
        let voice = Voice::new(NodeId::random()?, bus);
        info!(node = %voice.me(), "joins the hubs that share the log");
        local.metrics.nodes(1);
        let node = Arc::new(Node {
            local,
            voice,
            members: Mutex::new(Members::new()),
            hearing: Hearing::new(),
            rounds: Rounds::default(),
            asked: Mutex::default(),
            answered: Mutex::default(),
            reminders: Reminders::default(),
            endings: Arc::new(Semaphore::new(answering::MAX_AT_ONCE)),
            tellings: Arc::new(Semaphore::new(answering::MAX_AT_ONCE)),
            listings: Semaphore::new(MAX_LISTINGS),
            unsent: Told::default(),
            ignored: Told::default(),
        });
        let listener = node.voice.listen();
        let tasks = [
            tokio::spawn(tasks::listen(Arc::clone(&node), listener)),
            tokio::spawn(tasks::tell(Arc::clone(&node))),
            tokio::spawn(tasks::beat(Arc::clone(&node))),
            tokio::spawn(reminders::remind(Arc::clone(&node))),
        ];
        Ok(Self { node, _tasks: tasks.map(AbortOnDropHandle::new) })
    }

    /// Tells the others that this hub goes, and nothing after that.
    pub(crate) async fn leave(&self) {
        self.node.say(None, &Message::Leave).await;
    }

    /// Ends streams at the other hubs: those that do not answer within some seconds are missing.
    pub(crate) async fn end_streams(&self, whom: Whom) -> Answers {
        let node = Arc::clone(&self.node);
        // In a task: whoever waits for it may go.
        let ending = tokio::spawn(async move { node.end_elsewhere(whom).await });
        let answers = ending.await.unwrap_or_else(|_| self.node.nobody_answers());
        if answers.is_unasked {
            warn!(
                "the other hubs cannot be spoken to, and go on with the streams of somebody who was thrown out"
            );
        } else if !answers.missing.is_empty() {
            warn!(hubs = ?answers.missing, "have not said that they have ended the streams of somebody who was thrown out");
        }
        answers
    }

    /// Who is subscribed at the other hubs: to one selector or any, as one subscriber or any.
    pub(crate) async fn subscriptions(
        &self,
        topic: Option<&str>,
        subscriber: Option<&str>,
    ) -> Answers {
        let over = Instant::now() + LISTING_PATIENCE;
        let (topic, subscriber) = (topic.map(str::to_owned), subscriber.map(str::to_owned));
        let question = |call| Message::AskSubscriptions { call, topic, subscriber };
        if !self.node.is_acquainted(over).await {
            return self.node.nobody_answers();
        }
        match timeout_at(over, self.node.listings.acquire()).await {
            Ok(_listing) => self.node.ask_all(question, over).await,
            Err(_) => self.node.nobody_answers(),
        }
    }
}

impl Node {
    /// Says something, and waits until it is sent. What cannot be sent is lost, as messages may be.
    async fn say(&self, to: Option<NodeId>, message: &Message) {
        let sent = timeout(SEND_TIMEOUT, self.voice.say(to, message)).await;
        let result =
            sent.unwrap_or_else(|_| Err(Unavailable::new("it takes longer than a second")));
        match result {
            Ok(()) => self.unsent.forget(),
            Err(error) if self.unsent.is_news(&error.to_string()) => {
                warn!(%error, "the other hubs cannot be spoken to: what holds across hubs holds at this one alone meanwhile");
            }
            Err(_) => {}
        }
    }

    async fn end_elsewhere(&self, whom: Whom) -> Answers {
        let over = Instant::now() + ENDING_PATIENCE;
        let (Whom::User(name) | Whom::Session(name) | Whom::Subscriber(name)) = &whom;
        if !is_name(name) {
            // None of them would read it. Only a host program has such names.
            return self.nobody_answers();
        }
        let is_acquainted = self.is_acquainted(over).await;
        // Whoever is met from now on is told. Not before: those that are asked say how many have ended.
        self.reminders.note(whom.clone());
        if !is_acquainted {
            return self.nobody_answers();
        }
        self.ask_all(|call| Message::End { call, whom: vec![Ending(whom)] }, over).await
    }

    /// Waits until this hub knows of all whose answer it has to wait for; not so when the time is over.
    async fn is_acquainted(&self, over: Instant) -> bool {
        timeout_at(over, self.hearing.acquainted()).await.is_ok()
    }

    /// What has come when nobody was asked.
    fn nobody_answers(&self) -> Answers {
        Answers { is_unasked: true, missing: self.members.lock().live(), ..Answers::default() }
    }

    /// Asks all other hubs, and gives what has come when all have answered, or the time is over. Its own question comes back
    /// to this hub, or it cannot know who has heard it.
    async fn ask_all(&self, question: impl FnOnce(u64) -> Message, over: Instant) -> Answers {
        let me = self.voice.me();
        let others = self.members.lock().live();
        let round = self.rounds.open(others.into_iter().chain([me]));
        let question = question(round.call);
        let mut answers = self.ask(round, &question, over).await;
        answers.is_unasked = answers.missing.contains(&me);
        answers.missing.retain(|node| *node != me);
        answers
    }

    /// Asks the hubs of a round, again and again, and gives what has come when all have answered, or the time is over.
    async fn ask(&self, round: Round<'_>, question: &Message, over: Instant) -> Answers {
        let me = self.voice.me();
        let asking = async {
            let mut again = interval(ASK_AGAIN);
            again.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                again.tick().await;
                let missing = round.missing();
                if missing.contains(&me) {
                    self.say(None, question).await;
                    continue;
                }
                for node in missing {
                    self.say(Some(node), question).await;
                }
            }
        };
        let answering = async {
            tokio::select! {
                // It is asked before anything else, however few are known of.
                biased;
                never = asking => never,
                () = round.complete() => {}
            }
        };
        drop(timeout_at(over, answering).await);
        round.answers()
    }
}
