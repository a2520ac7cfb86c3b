//! Two server cores against one: whether an event costs the same on both.

use anyhow::Result;

use super::{Context, DATA_BYTES, Figures, Part, QUIET, Scenario, measure, plan, warm_up};
use crate::{
    args::Run,
    load::{Burst, Load, Pace},
    report::Figure,
    server::{Launch, Server},
    target::Target,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "shards",
    about: "5,000 subscribers of one topic; the server on one core, then on that and the generator's",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new(
            "cpu_ratio",
            "server CPU per event on two cores, as a multiple of that on one",
            "x",
        ),
        Figure::new("cpu_one", "server CPU per event, one core", "µs"),
        Figure::new("cpu_two", "server CPU per event, two cores", "µs"),
        Figure::new("rate_one", "deliveries per second, one core", "/s"),
        Figure::new(
            "rate_two",
            "deliveries per second, two cores, one of them shared with the generator",
            "/s",
        ),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let options = &context.run;
    let one = options.server_cores.get(..1).unwrap_or_default();
    let mut both = [options.server_cores.as_slice(), &options.client_cores].concat();
    both.sort_unstable();
    both.dedup();
    let one = measure_on(context, target, one)?;
    let two = measure_on(context, target, &both)?;
    let (cpu_one, cpu_two) = (one.cpu_micros_per_delivery(), two.cpu_micros_per_delivery());
    Ok(vec![
        ("cpu_one", cpu_one),
        ("cpu_two", cpu_two),
        ("cpu_ratio", cpu_two / cpu_one),
        ("rate_one", one.deliveries_per_second()),
        ("rate_two", two.deliveries_per_second()),
    ])
}

fn measure_on(context: &Context, target: &Target, cores: &[usize]) -> Result<Part> {
    let subscribers = context.subscribers(target, 5_000, 50);
    let upstream_cores = &context.run.client_cores;
    let tidings = &context.tidings;
    let launch =
        Launch { cores, upstream_cores, tidings, keep_alive_each_second: false, data: None };
    let mut server = Server::start(target, &launch)?;
    let mut load = Load::new(target, &server)?;
    context.open(&mut load, &mut server, target, (0..subscribers).map(|_| plan(0)))?;
    warm_up(context, &mut load, &mut server, context.pick(20, 2))?;
    let mut burst = Burst {
        topic: &mut |_| 0,
        updates: context.updates(200, 10),
        at_most: context.budget(),
        pace: Pace::Window(1),
        data_bytes: DATA_BYTES,
        limit: context.limit(),
    };
    let part = measure(&mut load, &mut server, &mut burst)?;
    load.run_for(&mut server, QUIET)?;
    Ok(part)
}
