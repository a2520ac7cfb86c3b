//! The probes: they turn with the hub, and they answer when it is stuck.

use std::sync::mpsc;
use std::time::Duration;

use tidings_hub::HubConfig;
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
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(ask(admin, path).0, 503, "{path}");
    }
    let free = async {
        while ask(admin, "/health/live").0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("it is not well again");
    server.publish("topic=a&data=on").await;
    assert_eq!(stream.data(1).await, ["on"]);
}
