//! One topic and many subscribers: every update goes to all.

use anyhow::Result;

use super::{
    Context, DATA_BYTES, Figures, Part, QUIET, Scenario, kib_each, measure, millis, plan, warm_up,
};
use crate::{
    args::Run,
    load::{Burst, Load, Pace},
    report::Figure,
    server::Server,
    target::Target,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broadcast",
    about: "one topic, 5,000 subscribers, 128 bytes of data",
    figures,
    run,
};

fn figures(run: &Run) -> Vec<Figure> {
    let wide = run.window;
    vec![
        Figure::new("cpu_1", "server CPU per delivered event, window 1", "µs").against("cpu_1"),
        Figure::new(
            "cpu_wide",
            format!("server CPU per delivered event, window {wide} (against the floor's window 1)"),
            "µs",
        )
        .against("cpu_1"),
        Figure::new("rate_1", "deliveries per second, window 1", "/s").against("rate_1"),
        Figure::new("rate_wide", format!("deliveries per second, window {wide}"), "/s")
            .against("rate_wide"),
        Figure::new("p50_1", "publish to delivery, p50, window 1", "ms").against("p50_1"),
        Figure::new("p99_1", "publish to delivery, p99, window 1", "ms").against("p99_1"),
        Figure::new("max_1", "publish to delivery, longest, window 1", "ms"),
        Figure::new("p50_wide", format!("publish to delivery, p50, window {wide}"), "ms"),
        Figure::new("p99_wide", format!("publish to delivery, p99, window {wide}"), "ms"),
        Figure::new("max_wide", format!("publish to delivery, longest, window {wide}"), "ms"),
        Figure::new("memory", "user memory per connection (PSS)", "KiB"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let subscribers = context.subscribers(target, 5_000, 50);
    let mut server = context.start(target)?;
    let mut load = Load::new(target, &server)?;
    let before = server.memory()?;
    context.open(&mut load, &mut server, target, (0..subscribers).map(|_| plan(0)))?;
    warm_up(context, &mut load, &mut server, context.pick(20, 2))?;
    let memory = kib_each(server.memory()?.pss, before.pss, subscribers);

    let updates = context.updates(200, 10);
    let mut figures = vec![("memory", memory)];
    let part = burst(context, &mut load, &mut server, Pace::Window(1), updates)?;
    let latency = |load: &Load, share| millis(load.tally.latency.per_mille(share));
    figures.extend([
        ("cpu_1", part.cpu_micros_per_delivery()),
        ("rate_1", part.deliveries_per_second()),
        ("p50_1", latency(&load, 500)),
        ("p99_1", latency(&load, 990)),
        ("max_1", millis(load.tally.latency.max())),
    ]);
    let wide = Pace::Window(context.run.window);
    let part = burst(context, &mut load, &mut server, wide, 4 * updates)?;
    figures.extend([
        ("cpu_wide", part.cpu_micros_per_delivery()),
        ("rate_wide", part.deliveries_per_second()),
        ("p50_wide", latency(&load, 500)),
        ("p99_wide", latency(&load, 990)),
        ("max_wide", millis(load.tally.latency.max())),
    ]);
    load.run_for(&mut server, QUIET)?;
    Ok(figures)
}

fn burst(
    context: &Context,
    load: &mut Load,
    server: &mut Server,
    pace: Pace,
    updates: u64,
) -> Result<Part> {
    let mut burst = Burst {
        topic: &mut |_| 0,
        updates,
        at_most: context.budget(),
        pace,
        data_bytes: DATA_BYTES,
        limit: context.limit(),
    };
    measure(load, server, &mut burst)
}
