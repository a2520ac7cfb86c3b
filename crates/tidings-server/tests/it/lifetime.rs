//! How a stream goes on in silence, and when it ends by its age. The clock is paused: hours take no time.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_hub::{CloseReason, HubConfig, Update};
use tidings_server::{Lane, ServerConfig, StreamConfig};
use tokio::time::Instant;

use super::support::{Client, Now, Seen, TestServer, lane, open_config};

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive_within_the_time() {
    let server = TestServer::open().await;
    let keep_alive = StreamConfig::default().keep_alive;
    let mut client = server.subscribe("topic=a", "").await.opened().await.client;
    let mut silent_since = Instant::now();
    for round in 0..5 {
        // To another topic: from then on there is a better place to resume from.
        let moved = (round == 2).then(|| server.server.hub().publish(Update::new("b", "")).now());
        let bytes = String::from_utf8(client.piece().await.unwrap()).unwrap();
        match moved {
            None => assert_eq!(bytes, ":\n\n"),
            Some(moved) => assert_eq!(bytes, format!(":\nid: {}\n\n", moved.unwrap().position)),
        }
        let silence = silent_since.elapsed();
        let earliest = keep_alive.mul_f64(0.9);
        let latest = keep_alive + Duration::from_millis(5);
        assert!((earliest..latest).contains(&silence), "{silence:?}");
        silent_since = Instant::now();
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_kept_alive_each_at_its_own_time() {
    let server = TestServer::open().await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(server.subscribe("topic=a", "").await.opened().await.client);
    }
    let begun = Instant::now();
    let first_keep_alive = |mut client: Client| async move {
        client.piece().await.unwrap();
        begun.elapsed().as_millis()
    };
    let waiting: Vec<_> =
        clients.into_iter().map(|client| tokio::spawn(first_keep_alive(client))).collect();
    let mut moments = BTreeSet::new();
    for waiting in waiting {
        moments.insert(waiting.await.unwrap());
    }
    // Those of the direct lane go out together where they are due within the same 64th of the time.
    let least = match lane() {
        Lane::Direct => 4,
        Lane::Body => 20,
    };
    assert!(moments.len() >= least, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_events_needs_no_keep_alive() {
    let server = TestServer::open().await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    for n in 0..20 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        server.server.hub().publish(Update::new("a", n.to_string())).now().unwrap();
        assert!(matches!(stream.next().await, Some(Seen::Event { .. })), "{n}");
    }
}

#[tokio::test]
async fn every_stream_has_a_reconnection_time_of_its_own() {
    let server = TestServer::open().await;
    let base = StreamConfig::default().retry;
    let mut retries = BTreeSet::new();
    for _ in 0..20 {
        let mut stream = server.subscribe("topic=a", "").await;
        stream.next().await;
        let Some(Seen::Retry(retry)) = stream.next().await else { panic!("no retry") };
        assert!((base..=2 * base).contains(&retry), "{retry:?}");
        retries.insert(retry);
    }
    assert!(retries.len() > 10, "{retries:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_end_at_their_age_but_not_together() {
    const AGE: Duration = Duration::from_mins(10);
    let stream = StreamConfig { max_age: Some(AGE), ..StreamConfig::default() };
    let config = ServerConfig { stream, ..open_config() };
    let server = TestServer::start(HubConfig::default(), config).await;
    let begun = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = server.subscribe("topic=a", "").await.opened().await;
        streams.push(tokio::spawn(async move {
            // Nothing is said at the end: a browser reconnects by itself, with the last id it was told.
            assert!(stream.rest().await.iter().all(|seen| matches!(seen, Seen::Comment(_))));
            begun.elapsed()
        }));
    }
    let mut ends = BTreeSet::new();
    for stream in streams {
        let end = stream.await.unwrap();
        assert!((AGE.mul_f64(0.8)..=AGE + Duration::from_millis(5)).contains(&end), "{end:?}");
        ends.insert(end.as_secs());
    }
    assert!(ends.len() > 10, "{ends:?}");
}

/// Whatever it was closed for, a stream told that the hub goes down.
#[tokio::test]
async fn a_stream_says_at_its_end_what_it_ends_for() {
    for (reason, farewell) in [
        (CloseReason::Drain, Some("drain")),
        (CloseReason::Expired, Some("expired")),
        (CloseReason::Limit, None),
        (CloseReason::MaxAge, None),
    ] {
        let server = TestServer::open().await;
        let mut stream = server.subscribe("topic=a", "").await.opened().await;
        server.server.hub().close_some(1, reason);
        let rest = stream.rest().await;
        let events = rest.iter().filter_map(|seen| match seen {
            Seen::Event { event_type, .. } => Some(event_type.as_str()),
            Seen::Comment(_) | Seen::Retry(_) => None,
        });
        assert_eq!(
            events.collect::<Vec<_>>(),
            farewell.into_iter().collect::<Vec<_>>(),
            "{reason}"
        );
    }
}
