//! Every subscriber has its own topic: what a publish for one among many costs, the first time and later.

use anyhow::Result;

use super::{Context, DATA_BYTES, Figures, Part, QUIET, Scenario, kib_each, measure, millis, plan};
use crate::{
    args::Run,
    load::{Burst, Load, Pace},
    report::Figure,
    target::Target,
};

/// A hub with few subscribers, to compare with one that has many.
const FEW: usize = 100;
/// Updates that warm the code up, on a topic of their own.
const WARM_UP: u64 = 100;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "own-topics",
    about: "9,000 subscribers, each of its own topic, one publish at a time",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    let cpu = "server CPU per publish and delivery";
    let latency = "publish to delivery";
    vec![
        Figure::new("cpu_later", format!("{cpu}, topics that were published to before"), "µs")
            .against("cpu_later"),
        Figure::new("cpu_first", format!("{cpu}, first publish on each topic"), "µs")
            .against("cpu_first"),
        Figure::new("cpu_later_few", format!("{cpu}, with {FEW} subscribers in all"), "µs")
            .against("cpu_later_few"),
        Figure::new("cpu_first_few", format!("{cpu}, first publish, with {FEW} in all"), "µs")
            .against("cpu_first_few"),
        Figure::new("p50_later", format!("{latency}, p50"), "ms"),
        Figure::new("p99_later", format!("{latency}, p99"), "ms"),
        Figure::new("p50_first", format!("{latency}, p50, first publish on each topic"), "ms"),
        Figure::new("p99_first", format!("{latency}, p99, first publish on each topic"), "ms"),
        Figure::new("rate_later", "publishes per second, one at a time", "/s"),
        Figure::new("memory", "user memory per connection (PSS)", "KiB"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let many = measure_topics(context, target, context.subscribers(target, 9_000, 60))?;
    let few = measure_topics(context, target, FEW.min(context.pick(FEW, 20)))?;
    Ok(vec![
        ("cpu_first", many.first.part.cpu_micros_per_update()),
        ("cpu_later", many.later.part.cpu_micros_per_update()),
        ("p50_first", many.first.p50),
        ("p99_first", many.first.p99),
        ("p50_later", many.later.p50),
        ("p99_later", many.later.p99),
        ("rate_later", many.later.part.updates_per_second()),
        ("memory", many.memory),
        ("cpu_first_few", few.first.part.cpu_micros_per_update()),
        ("cpu_later_few", few.later.part.cpu_micros_per_update()),
    ])
}

struct Measured {
    first: Timed,
    later: Timed,
    memory: f64,
}

struct Timed {
    part: Part,
    p50: f64,
    p99: f64,
}

fn measure_topics(context: &Context, target: &Target, topics: usize) -> Result<Measured> {
    let count = u32::try_from(topics)?;
    let mut server = context.start(target)?;
    let mut load = Load::new(target, &server)?;
    let before = server.memory()?;
    // One topic more than is measured, for warming up.
    context.open(&mut load, &mut server, target, (0..=count).map(plan))?;
    let memory = kib_each(server.memory()?.pss, before.pss, topics);
    let mut part = |topic: &mut dyn FnMut(u64) -> u32, updates| -> Result<Timed> {
        let mut burst = Burst {
            topic,
            updates,
            at_most: context.limit(),
            pace: Pace::Window(1),
            data_bytes: DATA_BYTES,
            limit: context.limit(),
        };
        let part = measure(&mut load, &mut server, &mut burst)?;
        let latency = |share| millis(load.tally.latency.per_mille(share));
        Ok(Timed { part, p50: latency(500), p99: latency(990) })
    };
    part(&mut |_| count, context.pick(WARM_UP, 10))?;
    let mut order: Vec<u32> = (0..count).collect();
    fastrand::shuffle(&mut order);
    let mut in_order = order.iter().copied().cycle();
    let first = part(&mut |_| in_order.next().unwrap_or(0), u64::from(count))?;
    let updates = context.updates(9_000, 60);
    let later = part(&mut |_| fastrand::u32(..count), updates)?;
    load.run_for(&mut server, QUIET)?;
    Ok(Measured { first, later, memory })
}
