//! Ending streams at once: those of a user, those of a session, or one.

use tidings_hub::{CloseReason, Subscriber, SubscriberId};
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::auth::kicks::Kicked;
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

impl Whom {
    fn is(&self, subscriber: &Subscriber) -> bool {
        match self {
            Self::User(user) => subscriber.user.as_deref() == Some(user),
            Self::Session(session) => subscriber.session.as_deref() == Some(session),
            Self::Subscriber(urn) => subscriber.id.to_string() == *urn,
        }
    }

    /// What goes for those who come back, too: what was found out about them before counts no longer.
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
        let shared = &self.0;
        // Before anything else: a stream that is not open yet finds it here, one that is open is found below.
        if let Some(kicked) = whom.kicked() {
            shared.authenticator.kicks().note(kicked);
        }
        let mut ended: Vec<SubscriberId> = Vec::new();
        let mut fates: Vec<Fate> = Vec::new();
        let mut ending = shared.hub.end_at_once(
            |subscriber| {
                let is_meant = whom.is(subscriber);
                if is_meant {
                    ended.push(subscriber.id);
                    fates.extend(shared.bodies.fate(subscriber.id));
                }
                is_meant
            },
            CloseReason::Kicked,
        );
        if timeout(GRACE, ending.told()).await.is_err() {
            let open = ended.iter().filter_map(|subscriber| shared.bodies.fate(*subscriber));
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
}
