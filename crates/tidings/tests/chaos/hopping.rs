//! Three hubs on one engine, and clients that are at another one each second: hubs are killed and started, and the engine
//! is restarted twice, once in order and once after a kill, and stands still once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::Engine,
    hall::{Hall, Plan},
    node::{LITTLE_MEMORY, Node},
    turn::alone,
};

/// How often a hub is killed between two restarts of the engine.
const KILLS: usize = 4;
/// How many updates are at least acknowledged between two kills.
const UPDATES: usize = 20;
/// How long everything runs after that: at most so long.
const CALM: Duration = Duration::from_secs(2);
/// How long a hub or the engine is away: at most so long.
const ABSENCE: Duration = Duration::from_secs(2);

/// How long the engine stands still.
const STALL: Duration = Duration::from_secs(6);
/// How long a hub that ends in order takes.
const DRAIN: &str = "drain.time=500ms";

const PLAN: Plan = Plan {
    subscribers: 300,
    stay: Some(Duration::from_secs(1)),
    publishers: &[1, 1, 5, 20],
    rest: Duration::from_millis(40),
};

/// Fewer subscribers, and much more to tell them.
const MUCH: Plan = Plan {
    subscribers: 60,
    stay: Some(Duration::from_secs(1)),
    publishers: &[1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 5, 20, 100],
    rest: Duration::from_millis(5),
};
/// How often the engine crashes under that.
const CRASHES: usize = 6;

#[test]
fn nobody_who_hops_between_hubs_on_redis_misses_or_doubles_anything() {
    alone(async { hop(Engine::redis()).await });
}

#[test]
fn nobody_who_hops_between_hubs_on_nats_misses_or_doubles_anything() {
    alone(async { hop(Engine::nats()).await });
}

/// Hubs that catch up are interrupted in it.
#[test]
fn nothing_is_missed_when_nats_crashes_under_much_again_and_again() {
    alone(async { crash_often(Engine::nats()).await });
}

#[test]
fn nothing_is_missed_when_redis_crashes_under_much_again_and_again() {
    alone(async { crash_often(Engine::redis()).await });
}

async fn crash_often(mut engine: Engine) {
    let seed = fastrand::u64(..);
    eprintln!("hopping: seed {seed}, {}", engine.url());
    let mut random = fastrand::Rng::with_seed(seed);
    let store = engine.url();
    let mut nodes = [(); 3].map(|()| Node::new(&["--store", &store], &LITTLE_MEMORY));
    for node in &mut nodes {
        node.start().await;
    }
    let hall = Hall::open(&nodes.each_ref().map(|node| node.address), &MUCH, &mut random);
    for _ in 0..CRASHES {
        // Soon again: while some hubs still catch up.
        hall.publishes(2 * UPDATES).await;
        engine.kill();
        sleep(ABSENCE.mul_f64(random.f64() / 4.0)).await;
        engine.start();
    }
    // It pours out what has waited while it stood still, and crashes in the middle of it.
    engine.stall();
    sleep(STALL).await;
    engine.go_on();
    engine.kill();
    engine.start();
    let told = hall.close().await;
    eprintln!("hopping: {CRASHES} crashes of the engine: {told}");
}

async fn hop(mut engine: Engine) {
    let seed = fastrand::u64(..);
    eprintln!("hopping: seed {seed}, {}", engine.url());
    let mut random = fastrand::Rng::with_seed(seed);
    let store = engine.url();
    let little_memory = [DRAIN, LITTLE_MEMORY[0], LITTLE_MEMORY[1]];
    // One has all of the log in memory, the others read most of it from the engine.
    let settings: [&[_]; 3] = [&[DRAIN], &little_memory, &little_memory];
    let mut nodes = settings.map(|settings| Node::new(&["--store", &store], settings));
    for node in &mut nodes {
        node.start().await;
    }
    let hubs: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let hall = Hall::open(&hubs, &PLAN, &mut random);
    let begun = Instant::now();
    kill_some(&mut nodes, &hall, &mut random).await;
    engine.stop();
    sleep(ABSENCE.mul_f64(random.f64())).await;
    engine.start();
    kill_some(&mut nodes, &hall, &mut random).await;
    // For longer than the hubs wait for an answer: what they sent is in the log, and nobody was told.
    engine.stall();
    sleep(STALL).await;
    engine.go_on();
    // A hub that comes while the engine is away waits for it.
    engine.kill();
    let node = &mut nodes[random.usize(..3)];
    node.kill().await;
    let absence = ABSENCE.mul_f64(random.f64());
    let back = async {
        sleep(absence).await;
        engine.start();
    };
    tokio::join!(node.start(), back);
    kill_some(&mut nodes, &hall, &mut random).await;
    let chaos = begun.elapsed();
    let told = hall.close().await;
    eprintln!("hopping: {chaos:.0?} of chaos, {:.0?} in all: {told}", begun.elapsed());
}

/// Kills one hub after the other, now and then two, and starts them again. Some end in order, some only stand still for a
/// while.
async fn kill_some(nodes: &mut [Node], hall: &Hall, random: &mut fastrand::Rng) {
    for _ in 0..KILLS {
        hall.publishes(UPDATES).await;
        sleep(CALM.mul_f64(random.f64())).await;
        let first = random.usize(..nodes.len());
        if random.u8(..5) == 0 {
            // It stands still, knows less than the others when it goes on, and is asked all the same.
            let hub = nodes[first].hub();
            hub.signal("STOP").await;
            sleep(ABSENCE.mul_f64(random.f64())).await;
            hub.signal("CONT").await;
            continue;
        }
        let other = (first + 1) % nodes.len();
        let both = random.u8(..4) == 0;
        let signal = if random.u8(..4) == 0 { "TERM" } else { "KILL" };
        nodes[first].end(signal).await;
        if both {
            nodes[other].kill().await;
        }
        sleep(ABSENCE.mul_f64(random.f64() / 2.0)).await;
        nodes[first].start().await;
        if both {
            nodes[other].start().await;
        }
    }
}
