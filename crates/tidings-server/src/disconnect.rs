//! Ending streams at once: those of a user, those of a session, or one.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use tidings_hub::{CloseReason, Hub, Subscriber, SubscriberId};
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::auth::kicks::{Kicked, Kicks};
use crate::bodies::Bodies;
use crate::cluster::Answers;
use crate::connection::Fate;
use crate::script::GRACE;
use crate::server::Server;

/// Whose streams [`Server::end_streams`] ends.
///
/// It has no `Debug`: a session's name may be its secret.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "a session's name may be its secret")]
pub enum Whom {
    /// All streams of a user: a token's `sub`, or [`Identity::user`](crate::auth::Identity::user).
    User(String),
    /// All streams of a session: a token's `sid`, or [`Identity::session`](crate::auth::Identity::session).
    Session(String),
    /// The one stream of this URN, as the log and the active subscriptions show it.
    Subscriber(String),
}

/// The same for several, as it is looked up under the hub's lock.
#[derive(Default)]
struct Meant<'a> {
    users: HashSet<&'a str>,
    sessions: HashSet<&'a str>,
    subscribers: HashSet<SubscriberId>,
}

impl<'a> Meant<'a> {
    fn new(whom: &'a [Whom]) -> Self {
        let mut meant = Self::default();
        for whom in whom {
            match whom {
                Whom::User(user) => drop(meant.users.insert(user)),
                Whom::Session(session) => drop(meant.sessions.insert(session)),
                // What is no URN names nobody.
                Whom::Subscriber(urn) => meant.subscribers.extend(urn.parse::<SubscriberId>().ok()),
            }
        }
        meant
    }

    fn has(&self, subscriber: &Subscriber) -> bool {
        let is_in = |names: &HashSet<&str>, name: &Option<Arc<str>>| {
            name.as_deref().is_some_and(|name| names.contains(name))
        };
        is_in(&self.users, &subscriber.user)
            || is_in(&self.sessions, &subscriber.session)
            || self.subscribers.contains(&subscriber.id)
    }
}

impl Whom {
    /// Notes that what was found out about them before counts no longer. It comes before the ending of their streams, so
    /// that a stream that is not open yet finds it, and one that is open is found.
    pub(crate) fn note(&self, kicks: &Kicks) {
        if let Some(kicked) = self.kicked() {
            kicks.note(kicked);
        }
    }

    /// What goes for those who come back, too.
    fn kicked(&self) -> Option<Kicked> {
        match self {
            Self::User(user) => Some(Kicked::User(user.clone())),
            Self::Session(session) => Some(Kicked::Session(session.clone())),
            Self::Subscriber(_) => None,
        }
    }
}

impl Server {
    /// Ends streams at once, each with an `expired` event, and gives how many: for a host program that logs somebody out.
    /// [`serve`](Self::serve) has it as admin calls.
    ///
    /// When it has answered, these streams' clients get no update but what had left the process: each stream has come to
    /// its end or is gone. A connection whose client takes no bytes is cut, where the server has accepted it itself; on
    /// HTTP/2 with all its streams. Of a user or a session also those requests are refused that came before this call: who
    /// was just being let in, or publishes. A browser whose stream ends comes back, and it is the host, the application or
    /// the token that then says whether it may.
    ///
    /// With a [`bus`](crate::ServerConfig::bus) all that holds at the other hubs, too, when they have answered. It waits
    /// for them for 4 s at the most; the log names one that has not answered.
    ///
    /// It waits for as long as whoever serves a stream does not ask for more of its body. In a host program that may be as
    /// long as a client takes no bytes: give it a time limit.
    ///
    /// # Cancel safety
    /// Dropped, the streams end all the same.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings_hub::HubConfig;
    /// use tidings_server::{Server, ServerConfig, Whom};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
    /// let ending = server.end_streams(Whom::User("alice".into()));
    /// match tokio::time::timeout(Duration::from_secs(2), ending).await {
    ///     Ok(count) => println!("{count} streams have ended"),
    ///     Err(_) => println!("they were told to; some clients take no bytes"),
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn end_streams(&self, whom: Whom) -> usize {
        self.end_everywhere(whom).await.closed
    }

    /// Ends streams here and at the other hubs that share the log.
    pub(crate) async fn end_everywhere(&self, whom: Whom) -> Ended {
        let shared = &self.0;
        whom.note(shared.authenticator.kicks());
        let here = end_here(&shared.hub, &shared.bodies, slice::from_ref(&whom));
        let elsewhere = async {
            match &shared.cluster {
                Some(cluster) => cluster.end_streams(whom.clone()).await,
                None => Answers::default(),
            }
        };
        let (here, elsewhere) = tokio::join!(here, elsewhere);
        let closed = here.saturating_add(usize::try_from(elsewhere.count).unwrap_or(usize::MAX));
        let Answers { missing, is_unasked, .. } = elsewhere;
        Ended { closed, is_unasked, missing: missing.iter().map(ToString::to_string).collect() }
    }
}

/// Streams that were ended here and at other hubs.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How many there were.
    pub(crate) closed: usize,
    /// The other hubs that have not said that they have ended theirs.
    pub(crate) missing: Vec<String>,
    /// Whether the other hubs, known or not, cannot be spoken to.
    pub(crate) is_unasked: bool,
}

/// Ends this hub's streams.
pub(crate) async fn end_here(hub: &Hub, bodies: &Bodies, whom: &[Whom]) -> usize {
    let meant = Meant::new(whom);
    let mut ended: Vec<SubscriberId> = Vec::new();
    let mut fates: Vec<Fate> = Vec::new();
    let mut ending = hub.end_at_once(
        |subscriber| {
            let is_meant = meant.has(subscriber);
            if is_meant {
                ended.push(subscriber.id);
                fates.extend(bodies.fate(subscriber.id));
            }
            is_meant
        },
        CloseReason::Kicked,
    );
    if timeout(GRACE, ending.told()).await.is_err() {
        let open = ended.iter().filter_map(|subscriber| bodies.fate(*subscriber));
        open.for_each(|fate| fate.cut(CloseReason::Kicked));
        ending.told().await;
    }
    // What was given to them last may be more than their clients take. They have a moment: others may be on the same
    // connection.
    if fates.iter().any(Fate::is_stalled) {
        sleep(GRACE).await;
        let stalled = fates.iter().filter(|fate| fate.is_stalled());
        stalled.for_each(|fate| fate.cut(CloseReason::Kicked));
    }
    info!(closed = ending.count(), "ended the streams of somebody who was thrown out");
    ending.count()
}
