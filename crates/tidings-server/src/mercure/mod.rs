//! What is particular to the Mercure protocol's 0.x dialect: names, parameters, the token's shape, documents.
//!
//! This is the one seam for dialects: another one stands beside it here and is chosen per request.

pub(crate) mod claims;
pub(crate) mod credentials;
pub(crate) mod presence;
mod query;

pub(crate) use presence::PresenceAnnouncer;
pub(crate) use query::{
    CURSOR_PARAMETERS, EARLIEST, LAST_EVENT_ID, QueryError, SubscribeQuery, cursor,
};

/// Where a 0.x hub is (DISC-1).
pub(crate) const HUB_PATH: &str = "/.well-known/mercure";
/// Where its active subscriptions are.
pub(crate) const SUBSCRIPTIONS_PATH: &str = "/.well-known/mercure/subscriptions";
/// The JSON-LD context of its documents.
const CONTEXT: &str = "https://mercure.rocks/";
