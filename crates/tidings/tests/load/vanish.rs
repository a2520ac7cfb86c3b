//! Thousands of subscribers that disappear and come back.

use std::{fmt, time::Duration};

use tokio::process::Command;

use crate::{
    hub::{Hub, PROGRAM},
    network::Network,
    publisher::Publisher,
    stream::{Stream, open_many},
    turn::alone,
};

const STREAMS: usize = 5_000;
/// The descriptors that they take here, and some more.
const DESCRIPTORS: u64 = 6_000;
/// Keep-alives come once a second, and a peer may be silent for 5 s: what is found later is found late.
const FOUND_WITHIN: Duration = Duration::from_secs(20);
const CLOSED_WITHIN: Duration = Duration::from_secs(20);
/// How much more memory the hub may have after a second round than after the first: 800 bytes for each of 5,000 streams.
/// Up to 2.4 MiB were seen in a second round, which no later one added to: the allocator's own tables and what it
/// keeps at hand.
const MAX_GROWTH_BYTES: usize = 4 * 1024 * 1024;
/// How much more memory the hub may have after all streams than before the first: the log, and tables with room for as many
/// again. With them it has only some megabytes more than without, so that a part of that would say little.
const MAX_LEFT_BYTES: usize = 4 * 1024 * 1024;
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
const KEY: &str = "a secret of at least 32 bytes for a test";
/// The log is full after the first round: what it weighs does not count.
const SETTINGS: [&str; 2] = ["limits.per_address=0", "log.max_updates=1_000"];

#[test]
fn five_thousand_subscribers_that_vanish_without_a_fin_are_found_and_leave_no_memory_behind() {
    alone(async {
        let network = Network::new();
        let hub = start_inside(&network).await;
        let token = mint_token().await;
        let mut memory = Memory::before_streams(&hub);
        for round in 1..=2 {
            let streams = open_all(&hub).await;
            network.cut();
            // What these sockets still say reaches nobody.
            reset_all(streams);
            let half_open = "tidings_streams_closed_total{reason=\"half_open\"}";
            let found = hub.wait_for(half_open, round * STREAMS, FOUND_WITHIN).await;
            all_gone(&hub).await;
            network.mend();

            let mut streams = open_all(&hub).await;
            let mut publisher = Publisher::connect(hub.address).await.with_token(&token);
            let id = publisher.publish("a", "welcome back").await;
            for stream in &mut streams {
                assert_eq!(stream.next().await.unwrap().id, id);
            }
            memory.with_streams(&hub);
            drop((streams, publisher));
            all_gone(&hub).await;
            memory.without_streams(&hub).await;
            eprintln!("vanish: round {round}: all {STREAMS} found after {found:.1?}; {memory}");
        }
    });
}

#[test]
fn five_thousand_subscribers_that_reset_their_connections_come_back_and_leave_no_memory_behind() {
    alone(async {
        let hub = Hub::dev(&SETTINGS).await;
        let mut memory = Memory::before_streams(&hub);
        for round in 1..=2 {
            let streams = open_all(&hub).await;
            memory.with_streams(&hub);
            reset_all(streams);
            let closed = "tidings_streams_closed_total{reason=\"client\"}";
            let found = hub.wait_for(closed, round * STREAMS, CLOSED_WITHIN).await;
            all_gone(&hub).await;
            memory.without_streams(&hub).await;
            eprintln!("reset: round {round}: all {STREAMS} gone after {found:.1?}; {memory}");
        }
    });
}

/// A hub behind a link that can be cut. Development mode serves this machine alone, so it has a key instead.
async fn start_inside(network: &Network) -> Hub {
    let mut command = network.command(PROGRAM);
    command.args(["serve", "--store", "memory", "--listen", &format!("{}:0", network.address())]);
    command.args(["--admin-listen", &format!("{}:0", network.probe_address())]);
    let key = format!("auth.publisher_key={KEY}");
    let own = ["auth.anonymous=true", "stream.keep_alive=1s", "stream.peer_timeout=5s", &key];
    Hub::start(command, &[&SETTINGS, own.as_slice()].concat()).await
}

async fn mint_token() -> String {
    let minted = Command::new(PROGRAM).args(["token", "--key", KEY, "--publish", "*"]).output();
    String::from_utf8(minted.await.unwrap().stdout).unwrap().trim().to_owned()
}

/// Opens all streams, and sees that the hub counts them.
async fn open_all(hub: &Hub) -> Vec<Stream> {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(descriptors >= DESCRIPTORS, "{STREAMS} streams need `ulimit -n {DESCRIPTORS}`");
    let streams = open_many(hub.address, "a", STREAMS).await;
    assert_eq!(hub.metric("tidings_streams").await, STREAMS);
    assert_eq!(hub.metric("tidings_connections").await, STREAMS);
    streams
}

fn reset_all(streams: Vec<Stream>) {
    streams.into_iter().for_each(Stream::reset);
}

/// Waits until the hub counts nobody any more.
async fn all_gone(hub: &Hub) {
    hub.wait_for("tidings_streams", 0, CLOSED_WITHIN).await;
    hub.wait_for("tidings_connections", 0, CLOSED_WITHIN).await;
}

/// The hub's memory round by round, in bytes.
struct Memory {
    before: usize,
    with_streams: Vec<usize>,
    without: Vec<usize>,
}

impl Memory {
    fn before_streams(hub: &Hub) -> Self {
        Self { before: hub.memory(), with_streams: Vec::new(), without: Vec::new() }
    }

    fn with_streams(&mut self, hub: &Hub) {
        self.with_streams.push(hub.memory());
    }

    /// Notes what is left once the hub has given back what it does not use.
    async fn without_streams(&mut self, hub: &Hub) {
        let before = self.before;
        let at_most = before + MAX_LEFT_BYTES;
        let memory = match self.without.first() {
            None => hub.least_memory().await,
            // It settles by and by: what was left behind would stay.
            Some(first) => {
                let at_most = at_most.min(first + MAX_GROWTH_BYTES);
                hub.wait_for_memory(at_most, SETTLED_WITHIN).await
            }
        };
        self.without.push(memory);
        assert!(memory <= at_most, "{memory} bytes are left, {before} were before");
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |memory: &[usize]| memory.iter().map(|bytes| bytes / 1024).collect::<Vec<_>>();
        write!(
            f,
            "{} KiB before, with all streams {:?}, ",
            self.before / 1024,
            kib(&self.with_streams)
        )?;
        write!(f, "without {:?}", kib(&self.without))
    }
}
