//! The figures for Prometheus agree with what has happened.

use tidings_hub::{HubConfig, Retention};

use super::probe::{ask, metric, metric_becomes};
use super::support::{TestServer, open_config};

#[tokio::test]
async fn the_metrics_tell_what_has_happened() {
    let retention = Retention { max_updates: 5, ..HubConfig::default().retention };
    let hub = HubConfig { retention, ..HubConfig::default() };
    let config = tidings_server::ServerConfig { subscriptions: false, ..open_config() };
    let (server, admin) = TestServer::with_admin(hub, config).await;
    let is = |name: &str, value| assert_eq!(metric(admin, name), value, "{name}");
    for closed in
        ["client", "slow", "expired", "max_age", "drain", "limit", "write_error", "half_open"]
    {
        is(&format!("tidings_streams_closed_total{{reason=\"{closed}\"}}"), 0);
    }
    let mut live = server.subscribe("topic=a", "").await.opened().await;
    let mut ids = Vec::new();
    for n in 1..=8 {
        ids.push(server.publish(&format!("topic=a&data={n}")).await);
    }
    live.data(8).await;
    // Updates 4 to 8 are retained.
    for (last, outcome, replayed) in
        [(ids[5].as_str(), "hit", 2), (ids[1].as_str(), "partial", 5), ("unknown", "gap", 5)]
    {
        let outcome = format!("tidings_resumes_total{{outcome=\"{outcome}\"}}");
        let before = metric(admin, "tidings_updates_replayed_total");
        is(&outcome, 0);
        let headers = format!("Last-Event-ID: {last}\r\n");
        let mut resumed = server.subscribe("topic=a", &headers).await;
        while resumed.event().await.1 != "8" {}
        is(&outcome, 1);
        is("tidings_updates_replayed_total", before + replayed);
        is("tidings_streams", 2);
        drop(resumed);
        metric_becomes(admin, "tidings_streams", 1).await;
    }
    is("tidings_gaps_total", 2);
    is("tidings_streams_accepted_total", 4);
    is("tidings_streams_closed_total{reason=\"client\"}", 3);
    is("tidings_updates_published_total", 8);
    is("tidings_updates_delivered_total", 8 + 2 + 5 + 5);
    is("tidings_publish_to_write_seconds_count", 8);
    is("tidings_log_updates", 5);
    is("tidings_log_topics", 1);
    is("tidings_log_up", 1);
    assert!(metric(admin, "tidings_log_bytes") > 5 * 8);
    assert!(metric(admin, "tidings_sent_bytes_total") > 20 * 8);
    assert_eq!(server.request("GET /events HTTP/1.1", b"").await.status, 400);
    is("tidings_requests_refused_total{reason=\"missing_topic\"}", 1);
    drop(live);
    metric_becomes(admin, "tidings_connections", 0).await;
    is("tidings_streams", 0);
    is("tidings_streams_closed_total{reason=\"client\"}", 4);
    assert!(ask(admin, "/metrics").1.ends_with("# EOF\n"), "OpenMetrics' end");
}

/// Those who come back to the same place are given the replay in one piece, from the second on. It is counted as a whole.
#[tokio::test]
async fn a_replay_that_many_are_given_is_counted_for_each() {
    let config = tidings_server::ServerConfig { subscriptions: false, ..open_config() };
    let (server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let first = server.publish("topic=a&data=0").await;
    for n in 1..=3 {
        server.publish(&format!("topic=a&data={n}")).await;
    }
    let mut sent = Vec::new();
    for round in 1..=4 {
        let before = metric(admin, "tidings_sent_bytes_total");
        let headers = format!("Last-Event-ID: {first}\r\n");
        let mut resumed = server.subscribe("topic=a", &headers).await;
        for n in 1..=3 {
            assert_eq!(resumed.event().await.1, n.to_string());
        }
        metric_becomes(admin, "tidings_updates_delivered_total", 3 * round).await;
        assert_eq!(metric(admin, "tidings_updates_replayed_total"), 3 * round);
        assert_eq!(metric(admin, "tidings_publish_to_write_seconds_count"), 0);
        sent.push(metric(admin, "tidings_sent_bytes_total") - before);
        drop(resumed);
        metric_becomes(admin, "tidings_streams", 0).await;
    }
    assert!(sent.iter().all(|bytes| bytes == &sent[0]), "{sent:?}");
}

#[tokio::test]
async fn a_stream_counts_once_under_the_reason_it_ended_for() {
    let config = open_config();
    let (mut server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    server.shut_down();
    stream.rest().await;
    (&mut server.done).await.unwrap();
    assert_eq!(metric(admin, "tidings_streams_closed_total{reason=\"drain\"}"), 1);
    let (_, text) = ask(admin, "/metrics");
    let closed = text.lines().filter_map(|line| line.strip_prefix("tidings_streams_closed_total"));
    let sum: u64 = closed.map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, 1);
}
