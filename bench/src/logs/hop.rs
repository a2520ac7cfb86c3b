//! From a publisher at one hub to a subscriber at another that shares its log, beside the same over the engine alone.

use anyhow::Result;

use super::{
    Bench, Contender, DATA_BYTES, Figures, LIMIT, Scenario,
    alone::{self, Pair},
    millis,
    nats::Nats,
    redis::Redis,
};
use crate::{
    engine::Engine,
    histogram::Histogram,
    load::{Burst, Load, Pace, Plan, topic_name},
    report::Figure,
    target::{Port, Store, Target},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hop",
    about: "500 updates a second of 200 bytes, published at one hub and received at another",
    figures,
    contenders,
};

/// Updates a second.
const RATE: f64 = 500.0;
/// Connections that publish.
const PUBLISHERS: usize = 8;

fn figures() -> Vec<Figure> {
    vec![
        Figure::new("p50", "publish to delivery, p50", "ms"),
        Figure::new("p99", "publish to delivery, p99", "ms"),
        Figure::new("max", "publish to delivery, longest", "ms"),
    ]
}

fn contenders(bench: &Bench) -> Vec<Contender> {
    let mut contenders = Vec::new();
    let engines = [
        (Engine::Redis { sync: "everysec" }, "redis", "tidings-redis"),
        (Engine::Nats, "nats", "tidings-nats"),
    ];
    for (engine, name, own) in engines {
        let Some(version) = bench.version(engine) else { continue };
        let about = match engine {
            Engine::Redis { .. } => "XADD to XREAD BLOCK",
            Engine::Nats => "JetStream to a consumer that pushes",
        };
        let run = Box::new(move |bench: &Bench| engine_alone(bench, engine));
        contenders.push(Contender { name, about: format!("{version}, {about}"), run });
        let run = Box::new(move |bench: &Bench| two_hubs(bench, engine));
        contenders.push(Contender { name: own, about: "two hubs on it".to_owned(), run });
    }
    contenders
}

fn updates(bench: &Bench) -> u32 {
    bench.pick(5_000, 100)
}

fn engine_alone(bench: &Bench, engine: Engine) -> Result<Figures> {
    let server = bench.start_engine(engine)?;
    let address = server.address(Port::First);
    let mut pair: Box<dyn Pair> = match engine {
        Engine::Redis { .. } => Box::new(Redis::connect(address)?),
        Engine::Nats => Box::new(Nats::connect(address)?),
    };
    alone::run(pair.as_mut(), updates(bench), RATE, DATA_BYTES).map(|latency| shown(&latency))
}

fn two_hubs(bench: &Bench, engine: Engine) -> Result<Figures> {
    let server = bench.start_engine(engine)?;
    let url = engine.url(server.address(Port::First).port());
    let target = Target::hub(Store::Shared(url), &[])?;
    let (publishing, mut telling) = (bench.start(&target, None)?, bench.start(&target, None)?);
    let [to, from] = [&publishing, &telling].map(|hub| hub.address(Port::First));
    let mut load = Load::to(&target, from, to)?;
    load.open(&mut telling, [Plan { selector: topic_name(0), ..Plan::default() }], 1, LIMIT)?;
    let mut burst = Burst {
        topic: &mut |_| 0,
        updates: 20,
        at_most: LIMIT,
        pace: Pace::Window(1),
        data_bytes: DATA_BYTES,
        limit: LIMIT,
    };
    load.publish(&mut telling, &mut burst)?;
    load.tally.latency.clear();
    (burst.updates, burst.pace) = (u64::from(updates(bench)), Pace::Rate(RATE, PUBLISHERS));
    load.publish(&mut telling, &mut burst)?;
    Ok(shown(&load.tally.latency))
}

fn shown(latency: &Histogram) -> Figures {
    vec![
        ("p50", millis(latency.per_mille(500))),
        ("p99", millis(latency.per_mille(990))),
        ("max", millis(latency.max())),
    ]
}
