//! Ending streams at once: those of a user, those of a session, or one.

use tidings_hub::{CloseReason, Subscriber, SubscriberId};
use tokio::time::timeout;
use tracing::info;

use crate::auth::kicks::Kicked;
use crate::connection::Fate;
use crate::script::GRACE;
use crate::server::Server;

/// Whose streams end.
///
/// It has no `Debug`: a session's name may be its secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    User(String),
    Session(String),
    /// The one stream of this URN.
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
    /// Ends streams, and gives how many. When it has answered, these streams' clients get no update but what had left
    /// the process: each stream has come to its end or is gone, and a connection whose client takes no bytes is cut. Who
    /// was just being let in is not let in.
    pub(crate) async fn end_streams(&self, whom: Whom) -> usize {
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
        let cut_stalled = || {
            let stalled = fates.iter().filter(|fate| fate.is_stalled());
            stalled.for_each(|fate| fate.cut(CloseReason::Kicked));
        };
        // Their clients take nothing, so that nobody asks for their last bytes.
        cut_stalled();
        if timeout(GRACE, ending.told()).await.is_err() {
            let open = ended.iter().filter_map(|subscriber| shared.bodies.fate(*subscriber));
            open.for_each(|fate| fate.cut(CloseReason::Kicked));
            ending.told().await;
        }
        // What was given to them last may have been too much for their clients.
        cut_stalled();
        info!(closed = ending.count(), "ended streams by an admin call");
        ending.count()
    }
}
