//! How soon a hub that was started takes requests.

use std::time::Duration;

use tokio::time::Instant;

use crate::{hub::Hub, request, turn::alone};

#[test]
fn the_hub_starts_in_less_than_a_second() {
    alone(async {
        let begun = Instant::now();
        let hub = Hub::dev(&[]).await;
        while request::read(hub.admin, "/health/ready").await.0 != 200 {
            tokio::task::yield_now().await;
        }
        let took = begun.elapsed();
        eprintln!("startup: ready after {took:.0?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}
