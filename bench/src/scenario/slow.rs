//! Some subscribers never read: what the others notice of it, and what those cost the server.

use anyhow::Result;

use super::{Context, Figures, QUIET, Scenario, kib_each, measure, millis, plan};
use crate::{
    args::Run,
    load::{Burst, Load, Pace, Plan},
    report::Figure,
    sockets,
    target::{Port, Target},
};

/// One of so many subscribers is stuck, in the run that has stuck ones.
const STUCK_ONE_OF: usize = 100;
/// What fills the buffers that the kernel has for those, some 30 KiB with Ethernet's segments, before it is measured.
const FILL_UPDATES: u64 = 60;
const DATA_BYTES: usize = 1_024;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slow",
    about: "5,000 subscribers of one topic, none or 50 of them stuck; 1 KiB of data at a fixed rate",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new("p99_none", "publish to delivery, p99, nobody stuck", "ms"),
        Figure::new("p99_stuck", "publish to delivery to the others, p99, with stuck ones", "ms"),
        Figure::new("p50_none", "publish to delivery, p50, nobody stuck", "ms"),
        Figure::new("p50_stuck", "publish to delivery to the others, p50, with stuck ones", "ms"),
        Figure::new(
            "memory_stuck",
            "user memory of each stuck one, beyond that of the others",
            "KiB",
        ),
        Figure::new("waiting", "bytes that wait in the kernel for each stuck one", "KiB"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let subscribers = context.subscribers(target, 5_000, 50);
    let stuck = (subscribers / STUCK_ONE_OF).max(2);
    let none = measure_others(context, target, subscribers, 0)?;
    let some = measure_others(context, target, subscribers, stuck)?;
    Ok(vec![
        ("p50_none", none.p50),
        ("p99_none", none.p99),
        ("p50_stuck", some.p50),
        ("p99_stuck", some.p99),
        ("memory_stuck", kib_each(some.grown, none.grown, stuck)),
        ("waiting", kib_each(some.waiting, 0, stuck)),
    ])
}

struct Measured {
    p50: f64,
    p99: f64,
    /// Memory that the server took after all streams were open.
    grown: u64,
    waiting: u64,
}

fn measure_others(
    context: &Context,
    target: &Target,
    subscribers: usize,
    stuck: usize,
) -> Result<Measured> {
    let mut server = context.start(target)?;
    let mut load = Load::new(target, &server)?;
    let is_stuck = |number: usize| stuck > 0 && number.is_multiple_of(subscribers / stuck);
    let plans = (0..subscribers).map(|number| Plan { stuck: is_stuck(number), ..plan(0) });
    context.open(&mut load, &mut server, target, plans)?;
    let before = server.memory()?.pss;
    let mut burst = |updates, pace| {
        let topic = &mut |_| 0;
        let (data_bytes, at_most, limit) = (DATA_BYTES, context.limit(), context.limit());
        let mut burst = Burst { topic, updates, at_most, pace, data_bytes, limit };
        measure(&mut load, &mut server, &mut burst)
    };
    burst(FILL_UPDATES, Pace::Window(1))?;
    let rate = context.run.rate.unwrap_or(context.pick(5.0, 50.0));
    burst(context.updates(50, 20), Pace::Rate(rate, 1))?;
    let latency = |share| millis(load.tally.latency.per_mille(share));
    let (p50, p99) = (latency(500), latency(990));
    load.run_for(&mut server, QUIET)?;
    let grown = server.memory()?.pss.saturating_sub(before);
    let waiting = sockets::bytes_to_send(server.address(Port::First))?;
    Ok(Measured { p50, p99, grown, waiting })
}
