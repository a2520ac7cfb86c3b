//! Two hubs that share a log on Redis: who is sent away by one goes on at the other.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{process::Command, task::JoinSet, time::Instant};

use crate::{
    balancer::{Backend, Balancer, Kind, free_address},
    browser::{Browser, Seen},
    hub::{Hub, PROGRAM},
    publisher::publish,
    redis::Redis,
    turn::alone,
};

const TOPIC: &str = "numbers";
const BROWSERS: usize = 20;
/// How many updates are published in each state of the hubs.
const UPDATES: usize = 50;
/// How long it may take until all browsers are where they should be.
const MOVED: Duration = Duration::from_secs(20);
/// How long a balancer may leave a hub alone that is back.
const TAKEN_IN: Duration = Duration::from_secs(20);

#[test]
fn behind_nginx_nobody_misses_anything_when_a_hub_goes() {
    alone(nobody_misses_anything_when_a_hub_goes(Kind::Nginx));
}

#[test]
fn behind_haproxy_nobody_misses_anything_when_a_hub_goes() {
    alone(nobody_misses_anything_when_a_hub_goes(Kind::Haproxy));
}

async fn nobody_misses_anything_when_a_hub_goes(kind: Kind) {
    let redis = Redis::new();
    let places = [(); 2].map(|()| Backend { address: free_address(), admin: free_address() });
    let mut one = start(&redis, places[0]).await;
    let two = start(&redis, places[1]).await;
    let balancer = Balancer::start(kind, places).await;
    let browser = Browser::new(&balancer, Ipv4Addr::LOCALHOST);
    let mut publisher = Numbers { browser: browser.clone(), next: 0 };
    let last = format!("number {}", 5 * UPDATES - 1);
    let mut browsers = JoinSet::new();
    for _ in 0..BROWSERS {
        browsers.spawn(browser.clone().read_until(TOPIC, last.clone()));
    }
    let begun = Instant::now();
    while streams(&one).await + streams(&two).await < BROWSERS {
        assert!(begun.elapsed() < MOVED, "not all are let in");
    }
    assert!(streams(&one).await > 0 && streams(&two).await > 0, "each hub has its share");
    publisher.publish().await;

    // It goes down in order, and publishing goes on meanwhile.
    one.signal("TERM").await;
    publisher.publish().await;
    assert_eq!(one.exit().await.code(), Some(0));
    two.wait_for("tidings_streams", BROWSERS, MOVED).await;
    publisher.publish().await;

    // It is back, and now the other one dies.
    let one = start(&redis, places[0]).await;
    let begun = Instant::now();
    let mut visitors = Vec::new();
    while streams(&one).await == 0 {
        visitors.push(browser.open("another").await);
        assert!(begun.elapsed() < TAKEN_IN, "the hub that is back is not asked");
    }
    // All browsers are at the other hub, so these are visitors.
    let here = streams(&one).await;
    two.signal("KILL").await;
    publisher.publish().await;
    one.wait_for("tidings_streams", BROWSERS + here, MOVED).await;
    publisher.publish().await;
    drop(visitors);

    let wanted: Vec<String> = (0..5 * UPDATES).map(|number| format!("number {number}")).collect();
    while let Some(seen) = browsers.join_next().await {
        let Seen { updates, returns, told } = seen.unwrap();
        assert_eq!(updates, wanted);
        assert!(returns >= 1, "it was at one hub all the time");
        assert!(!told.contains(&"gap".to_owned()), "{told:?}");
    }
}

/// Who publishes the numbers in their order.
struct Numbers {
    browser: Browser,
    next: usize,
}

impl Numbers {
    async fn publish(&mut self) {
        for _ in 0..UPDATES {
            publish(&self.browser, TOPIC, &format!("number {}", self.next)).await;
            self.next += 1;
        }
    }
}

async fn start(redis: &Redis, place: Backend) -> Hub {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--dev", "--store", &redis.url()]);
    let (address, admin) = (place.address.to_string(), place.admin.to_string());
    command.args(["--listen", &address, "--admin-listen", &admin]);
    Hub::start(command, &["stream.retry=50ms", "drain.time=2s"]).await
}

async fn streams(hub: &Hub) -> usize {
    hub.metric("tidings_streams").await
}
