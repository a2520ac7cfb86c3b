//! A shared relay whose hub has a log behind it: events wait for it, in order and once each, and nobody waits for ever.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tidings_hub::{HubConfig, Unavailable};
use tidings_server::{RelayConfig, Server, ServerConfig, StartError};
use tidings_store::{Bus, Listen};

use super::super::support::open_config;
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

/// What was in the log, though nobody had said so, was published again.
#[tokio::test]
async fn an_event_is_in_the_log_once_though_its_answer_was_lost() {
    let log = MemoryLog::new(usize::MAX);
    let upstream = Upstream::start().await;
    for snapshot in [0, 1] {
        let relay = RelayConfig { snapshot, ..upstream.relay(PATH) };
        let server = relaying_on(&log, relay).await;
        let client = ask(&server, PATH, "").await;
        let mut feed = upstream.feed().await;
        let mut stream = client.stream().await.opened().await;
        let before = log.change(|contents| {
            contents.loses_results = true;
            contents.appends
        });
        feed.send("data: 1\n\ndata: 2\n\n").await;
        log.until(|contents| contents.appends > before + 1).await;
        log.change(|contents| contents.loses_results = false);
        feed.send("data: 3\n\n").await;
        assert_eq!(stream.data(3).await, ["1", "2", "3"]);
    }
    assert_eq!(log.contents().history.len(), 6);
}

/// A bus on which there is nobody else.
#[derive(Debug)]
struct Silence;

impl Bus for Silence {
    fn send(&self, _: Bytes) -> BoxFuture<'static, Result<(), Unavailable>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::new(Self)
    }
}

impl Listen for Silence {
    fn next(&mut self) -> BoxFuture<'_, Bytes> {
        Box::pin(std::future::pending())
    }
}

/// Only the binary saw to that: in a host program each hub put the upstream's events into the log of all.
#[tokio::test]
async fn a_shared_relay_is_refused_where_several_hubs_share_the_log() {
    let upstream = Upstream::start().await;
    let open = |relay| {
        let bus = Some(Arc::new(Silence) as Arc<dyn Bus>);
        let config = ServerConfig { relays: vec![relay], bus, ..open_config() };
        Server::open(MemoryLog::new(usize::MAX).shared(), HubConfig::default(), config)
    };
    let refused = open(upstream.relay(PATH)).await.unwrap_err();
    assert!(matches!(refused, StartError::Relay(_)), "{refused}");
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("several hubs share"), "{why}");
    open(upstream.per_client(PATH)).await.unwrap();
}
