//! What the retention no longer keeps leaves even when nobody publishes. Each hub looks after that; it does no harm
//! that several do.
//!
//! Appending holds the log to its updates and bytes by itself. This is for the age, for a hub that is started with a
//! smaller retention than the one before, and for what is still listed of updates that have left.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::answer;
use super::link::Link;
use super::node::Node;
use super::session::Script;
use crate::Retention;

/// How often it looks; with a short age more often.
const EVERY: Duration = Duration::from_secs(1);
const AT_THE_MOST: Duration = Duration::from_millis(50);

/// Looks for as long as it is let to.
pub(super) async fn run(link: Arc<Link>, node: Arc<Node>, retention: Retention) {
    if retention == (Retention { max_updates: None, max_bytes: None, max_age: None }) {
        return;
    }
    let every = retention.max_age.map_or(EVERY, |age| (age / 10).clamp(AT_THE_MOST, EVERY));
    loop {
        tokio::time::sleep(every).await;
        while trim(&link, &node, &retention).await {}
    }
}

/// Removes a piece. Says whether there is more.
async fn trim(link: &Link, node: &Node, retention: &Retention) -> bool {
    // While the server is away, whoever appends or follows says so.
    let (Ok(session), Some(epoch)) = (link.session().await, node.epoch()) else { return false };
    let too_old = retention.max_age.and_then(|age| SystemTime::now().checked_sub(age));
    let too_old = too_old.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let args = [
        epoch.to_string(),
        retention.max_updates.unwrap_or(0).to_string(),
        retention.max_bytes.unwrap_or(0).to_string(),
        too_old.as_millis().to_string(),
    ];
    match session.run(Script::Trim, "let the oldest updates go", &args).await {
        Ok(answer) => answer::text(answer).as_deref() == Some("more"),
        Err(fault) => {
            let why = link.failed(fault);
            tracing::debug!(%why, "the log was not trimmed");
            false
        }
    }
}
