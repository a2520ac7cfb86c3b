//! One hub on its disk, killed again and again while many publish and subscribe: nothing that was acknowledged is lost, and
//! nobody who comes back sees anything twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::TempDir,
    hall::{Hall, Plan},
    node::{LITTLE_MEMORY, Node},
    turn::alone,
};

/// How often the hub is killed.
const ROUNDS: usize = 50;
/// How many updates are at least acknowledged in each round.
const UPDATES: usize = 20;
/// How long a hub lives after that: at most so long.
const LIFE: Duration = Duration::from_millis(300);
/// How long one lives that is killed while it starts: at most so long.
const SHORT_LIFE: Duration = Duration::from_millis(100);

const PLAN: Plan = Plan {
    subscribers: 50,
    stay: None,
    publishers: &[1, 1, 5, 40],
    rest: Duration::from_millis(1),
};

#[test]
fn what_was_acknowledged_survives_fifty_kills() {
    alone(async {
        let seed = fastrand::u64(..);
        eprintln!("crash: seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let data = TempDir::new("crash");
        let mut node = Node::new(&["--data", data.path().to_str().unwrap()], &LITTLE_MEMORY);
        node.start().await;
        let hall = Hall::open(&[node.address], &PLAN, &mut random);
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
        eprintln!("crash: {ROUNDS} kills in {:.0?}: {told}", begun.elapsed());
    });
}
