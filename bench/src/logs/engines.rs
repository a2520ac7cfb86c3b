//! Appending to the log that hubs share, beside the engine's own tool: so many publishers in this process, each waiting for
//! its acknowledgement, against so many records under way on one connection of the tool.

use std::{sync::Arc, time::SystemTime};

use anyhow::{Context as _, Result};
use tidings_hub::{Entry, Log, Mode, Update};
use tidings_store::{
    Retention,
    nats::{NatsConfig, NatsLog},
    redis::{RedisConfig, RedisLog},
};

use super::{
    Bench, Contender, DATA_BYTES, Figures, Scenario,
    publishers::{publish, runtime},
    tools,
};
use crate::{engine::Engine, report::Figure, server::Server, target::Port};

pub(super) const REDIS: Scenario = Scenario {
    name: "append-redis",
    about: "appends of 200 bytes of data to a stream of Redis, so many under way at a time",
    figures: redis_figures,
    contenders: redis,
};

pub(super) const NATS: Scenario = Scenario {
    name: "append-nats",
    about: "appends of 200 bytes of data to a JetStream stream in files, so many under way at a time",
    figures: nats_figures,
    contenders: nats,
};

/// Engines, how many appends are under way at a time, and the figure of it.
const REDIS_PARTS: &[(Engine, usize, &str)] = &[
    (Engine::Redis { sync: "everysec" }, 64, "everysec_64"),
    (Engine::Redis { sync: "everysec" }, 512, "everysec_512"),
    (Engine::Redis { sync: "always" }, 64, "always_64"),
    (Engine::Redis { sync: "always" }, 512, "always_512"),
];
const NATS_PARTS: &[(Engine, usize, &str)] =
    &[(Engine::Nats, 64, "rate_64"), (Engine::Nats, 512, "rate_512")];

/// What appends to an engine, so many at a time; answers how many were acknowledged in a second.
type Append = fn(&Bench, Engine, &Server, usize) -> Result<f64>;

fn redis_figures() -> Vec<Figure> {
    labelled(REDIS_PARTS)
}

fn nats_figures() -> Vec<Figure> {
    labelled(NATS_PARTS)
}

fn labelled(parts: &[(Engine, usize, &str)]) -> Vec<Figure> {
    let label = |(engine, depth, key): &(Engine, usize, &str)| {
        let sync = match engine {
            Engine::Redis { sync } => format!(", appendfsync {sync}"),
            Engine::Nats => String::new(),
        };
        Figure::new(key, format!("acknowledged per second, {depth} under way{sync}"), "/s")
    };
    parts.iter().map(label).collect()
}

fn redis(bench: &Bench) -> Vec<Contender> {
    let Some(version) = bench.version(Engine::Redis { sync: "everysec" }) else {
        return Vec::new();
    };
    let tool = |bench: &Bench, _, server: &Server, depth| {
        tools::redis_benchmark(bench, server.address(Port::First).port(), depth)
    };
    vec![
        contender("redis-benchmark", version.clone(), REDIS_PARTS, tool),
        contender("tidings", format!("the hub's log on {version}"), REDIS_PARTS, own),
    ]
}

fn nats(bench: &Bench) -> Vec<Contender> {
    let Some(version) = bench.version(Engine::Nats) else { return Vec::new() };
    let own = contender("tidings", format!("the hub's log on {version}"), NATS_PARTS, own);
    let Some(tool) = tools::nats(bench) else { return vec![own] };
    bench.note(format!("`nats bench` is {tool}"));
    let tool = |bench: &Bench, engine: Engine, server: &Server, depth| {
        tools::nats_bench(bench, &engine.url(server.address(Port::First).port()), depth)
    };
    vec![contender("nats-bench", version, NATS_PARTS, tool), own]
}

fn contender(
    name: &'static str,
    about: String,
    parts: &'static [(Engine, usize, &'static str)],
    append: Append,
) -> Contender {
    let run = move |bench: &Bench| {
        let mut figures = Figures::new();
        for (engine, depth, key) in parts {
            let server = bench.start_engine(*engine)?;
            figures.push((*key, append(bench, *engine, &server, *depth).context(*key)?));
        }
        Ok(figures)
    };
    Contender { name, about, run: Box::new(run) }
}

/// The hub's log on the engine.
fn own(bench: &Bench, engine: Engine, server: &Server, depth: usize) -> Result<f64> {
    let url = engine.url(server.address(Port::First).port());
    let retention = Retention { max_updates: None, max_bytes: None, max_age: None };
    let runtime = runtime(bench.run.client_cores.len())?;
    runtime.block_on(async {
        let log: Arc<dyn Log> = match engine {
            Engine::Redis { .. } => Arc::new(RedisLog::connect(RedisConfig::new(url)).await?),
            Engine::Nats => Arc::new(NatsLog::connect(NatsConfig::new(url, retention)).await?),
        };
        let update = Update::new("t0", "x".repeat(DATA_BYTES));
        let one = move |_| {
            // The digest matters to updates with an idempotency key alone.
            let entry = Entry { update: update.clone(), digest: 0, at: SystemTime::now() };
            let appending = log.append(vec![entry], Mode::Each);
            async move {
                let result = appending.await.pop().context("an append without a result")?;
                result.map(drop).map_err(|error| anyhow::anyhow!("an append failed: {error:?}"))
            }
        };
        publish(depth, bench.time() / 10, one.clone()).await?;
        publish(depth, bench.time(), one).await
    })
}
