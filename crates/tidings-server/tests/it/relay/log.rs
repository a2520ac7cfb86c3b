//! A shared relay whose hub has a log behind it: events wait for it, in order and once each, and nobody waits for ever.

use tidings_server::RelayConfig;

use super::upstream::{PATH, Upstream, ask, quick, relaying_on};
use crate::memory_log::MemoryLog;

/// An event for the snapshot that waits for the log keeps newcomers out: they waited for as long as it was away.
#[tokio::test]
async fn who_comes_while_an_event_of_the_snapshot_waits_for_the_log_is_told_in_time() {
    let log = MemoryLog::new(usize::MAX);
    let upstream = Upstream::start().await;
    let relay = RelayConfig { snapshot: 1, ..quick(upstream.relay(PATH)) };
    let server = relaying_on(&log, relay).await;
    let client = ask(&server, PATH, "").await;
    let mut feed = upstream.feed().await;
    let mut first = client.stream().await.opened().await;
    let before = log.change(|contents| {
        contents.is_away = true;
        contents.appends
    });
    feed.send("data: 1\n\n").await;
    log.until(|contents| contents.appends > before).await;
    let refused = ask(&server, PATH, "").await.answer().await.soft_refusal();
    assert_eq!((&refused["status"], &refused["reason"]), (&503.into(), &"log_unavailable".into()));
    log.change(|contents| contents.is_away = false);
    assert_eq!(first.data(1).await, ["1"]);
    let mut second = ask(&server, PATH, "").await.stream().await.opened().await;
    assert_eq!(second.data(1).await, ["1"]);
}
