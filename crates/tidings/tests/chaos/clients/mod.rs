//! The hub is killed again and again under publishers and subscribers of `tidings-client`, which are left to themselves: each
//! update that is acknowledged is in the log once, and each subscriber has it once, in order.

mod publisher;
mod subscriber;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidings_client::Backoff;
use tokio::time::{Instant, sleep, timeout};

use self::{
    publisher::{Manner, Publishing},
    subscriber::{Habit, Subscribing},
};
use crate::{
    engine::TempDir,
    hall::Hall,
    node::{LITTLE_MEMORY, Node},
    subscriber::Wish,
    token::{self, PUBLISHER_KEY, SUBSCRIBER_KEY},
    turn::alone,
};

/// How often the hub is killed.
const ROUNDS: usize = 20;
/// How many updates are at least acknowledged in each round.
const UPDATES: usize = 100;
/// How long a hub lives after that: at most so long.
const LIFE: Duration = Duration::from_millis(400);
/// How long one lives that is killed while it starts: at most so long.
const SHORT_LIFE: Duration = Duration::from_millis(100);
/// How long all of it may take on a slow machine: it takes a tenth of that.
const LONGEST: Duration = Duration::from_mins(2);

/// The topic of what is private.
const SECRET: &str = "secret/1";

/// What is asked for, and whether with the token.
const WISHES: [(Wish, bool); 6] = [
    (Wish { query: "topic=*", prefixes: &["room/", "news/"] }, false),
    (Wish { query: "topic=*", prefixes: &[""] }, true),
    (Wish { query: "topic=room/1", prefixes: &["room/1"] }, false),
    (Wish { query: "topic=news/b", prefixes: &["news/b"] }, false),
    (Wish { query: "topic=room/%7Bnumber%7D", prefixes: &["room/"] }, false),
    (Wish { query: "topic=secret/1&topic=room/2", prefixes: &[SECRET, "room/2"] }, true),
];

const MANNERS: [Manner; 6] = [
    Manner::OneByOne,
    Manner::OneByOne,
    Manner::Many { lines: 40 },
    Manner::Many { lines: 1_200 },
    Manner::Stream { at_once: 1 },
    Manner::Stream { at_once: 30 },
];

#[test]
fn clients_left_to_themselves_survive_twenty_kills() {
    alone(async { timeout(LONGEST, survive()).await.unwrap() });
}

async fn survive() {
    let seed = fastrand::u64(..);
    eprintln!("clients: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let data = TempDir::new("clients");
    let settings = [&LITTLE_MEMORY[..], &[PUBLISHER_KEY, SUBSCRIBER_KEY, "stream.retry=50ms"]];
    let mut node = Node::new(&["--data", data.path().to_str().unwrap()], &settings.concat());
    node.start().await;
    let mut hall = Hall::empty(&[node.address], &mut random);
    let token = token::mint(&["*"]).await;
    hall.token = Some(token.clone());
    let repeated = Arc::default();
    fill(&mut hall, node.address, &token, &repeated, &mut random);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        hall.publishes(UPDATES).await;
        sleep(LIFE.mul_f64(random.f64())).await;
        node.kill().await;
        if random.u8(..5) == 0 {
            node.start_in_vain(SHORT_LIFE.mul_f64(random.f64())).await;
        }
        node.start().await;
    }
    let told = hall.close().await;
    let repeated = repeated.load(Ordering::Relaxed);
    eprintln!(
        "clients: {ROUNDS} kills in {:.0?}: {told}, {repeated} requests repeated",
        begun.elapsed()
    );
    assert!(repeated >= ROUNDS, "publishers had next to nothing to repeat: {repeated} requests");
}

/// Lets all the clients in.
fn fill(
    hall: &mut Hall,
    hub: SocketAddr,
    token: &str,
    repeated: &Arc<AtomicUsize>,
    random: &mut fastrand::Rng,
) {
    for (number, (wish, is_alice)) in WISHES.into_iter().enumerate() {
        for habit in [Habit::Steady, Habit::Restless, Habit::Sleepy] {
            let subscribing = Subscribing {
                name: format!("{habit:?} subscriber {number} ({})", wish.query),
                wish,
                hub,
                token: is_alice.then(|| token.to_owned()),
                habit,
                random: random.fork(),
                ledger: Arc::clone(&hall.ledger),
            };
            hall.let_subscribe(subscribing.read_until_the_last());
        }
    }
    for (number, manner) in MANNERS.into_iter().enumerate() {
        let name = format!("publisher {number} ({manner:?})");
        let (ledger, repeated) = (Arc::clone(&hall.ledger), Arc::clone(repeated));
        let publishing = Publishing::new(name, hub, token, ledger, repeated);
        hall.let_publish(publishing.publish_until(manner, hall.stop()));
    }
}

/// Like the default, for those who cannot wait.
fn impatient() -> Backoff {
    Backoff::default()
        .with_base(Duration::from_millis(20))
        .with_cap(Duration::from_millis(200))
        .with_max_attempts(None)
}
