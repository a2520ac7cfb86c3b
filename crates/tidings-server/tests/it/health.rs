//! The probes: they turn with the hub, and they answer when it is stuck.

use std::sync::mpsc;
use std::time::Duration;

use tidings_hub::HubConfig;
use tidings_server::ServerConfig;
use tokio::time::Instant;

use super::probe::ask;
use super::support::{PATIENCE, TestServer, open_config};

#[tokio::test]
async fn a_hub_is_ready_until_it_goes_down() {
    let (mut server, admin) = TestServer::with_admin(HubConfig::default(), open_config()).await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    assert_eq!(ask(admin, "/health/live"), (200, "ok\n".into()));
    assert_eq!(ask(admin, "/health/ready"), (200, "ok\n".into()));
    server.shut_down();
    stream.rest().await;
    assert_eq!(ask(admin, "/health/ready").0, 503);
    assert_eq!(ask(admin, "/health/live").0, 200, "draining is no reason to be killed");
    assert_eq!(ask(admin, "/elsewhere").0, 404);
}

/// The pulse stopped when the drain began: five seconds later the hub counted as stuck, and was killed in the middle of
/// a drain that takes longer. Real time, because the admin listener has a clock of its own.
#[tokio::test]
async fn a_hub_that_takes_long_to_drain_is_alive_all_the_while() {
    const DRAIN: Duration = Duration::from_secs(7);
    let config = ServerConfig { drain: DRAIN, ..open_config() };
    let (mut server, admin) = TestServer::with_admin(HubConfig::default(), config).await;
    // A body without an end holds the end up.
    let mut unfinished = server.connect().await;
    let head = "POST /events HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n";
    unfinished.send(format!("{head}Content-Length: 99\r\n\r\n").as_bytes()).await;
    assert_eq!(unfinished.head().await.unwrap().status, 200);
    server.shut_down();
    let mut probes = tokio::time::interval(Duration::from_millis(250));
    let mut asked = 0;
    while !server.done.is_finished() {
        probes.tick().await;
        let (live, ready) = (ask(admin, "/health/live").0, ask(admin, "/health/ready").0);
        asked += 1;
        assert!(server.done.is_finished() || live == 200, "stuck after {asked} probes");
        assert!(asked == 1 || ready == 503, "ready after {asked} probes");
    }
    assert!(asked > 20, "the drain was over after {asked} probes");
}

#[tokio::test]
async fn a_stuck_hub_is_found_and_a_free_one_is_well_again() {
    let (server, admin) = TestServer::with_admin(HubConfig::default(), open_config()).await;
    let mut stream = server.subscribe("topic=a", "").await.opened().await;
    assert_eq!(ask(admin, "/health/live").0, 200);
    // The hub's only thread is held up, and looks at the clock itself meanwhile: nothing will ever come from `never`.
    let (_held, never) = mpsc::channel::<()>();
    let held_since = Instant::now();
    while ask(admin, "/health/live").0 == 200 {
        let step = never.recv_timeout(Duration::from_millis(100));
        assert_eq!(step, Err(mpsc::RecvTimeoutError::Timeout));
        assert!(held_since.elapsed() < PATIENCE, "nobody noticed");
    }
    let noticed_after = held_since.elapsed();
    assert!(noticed_after > Duration::from_secs(4), "after {noticed_after:?} it is only busy");
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(ask(admin, path).0, 503, "{path}");
    }
    // Nobody holds the hub's lock: its figures are to be had, and are wanted now more than ever.
    assert_eq!(ask(admin, "/metrics").0, 200);
    let free = async {
        while ask(admin, "/health/live").0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("it is not well again");
    server.publish("topic=a&data=on").await;
    assert_eq!(stream.data(1).await, ["on"]);
}
