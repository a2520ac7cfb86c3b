//! Many clients come back at the same time, each with the id of the last event it saw.

use anyhow::{Context as _, Result};

use super::{Context, DATA_BYTES, Figures, QUIET, Scenario, micros, millis, plan, timed};
use crate::{
    args::Run,
    clock::Deadline,
    load::{Burst, Load, Pace, Plan},
    report::Figure,
    server::Server,
    target::Target,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "storm",
    about: "5,000 clients reconnect at once, each missing 100 updates of 128 bytes",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new("cpu", "server CPU, from the first connect to the last byte", "ms")
            .against("cpu"),
        Figure::new("cpu_each", "the same for each client", "µs").against("cpu_each"),
        Figure::new("last", "time until the last client is served", "ms").against("last"),
        Figure::new("bytes", "bytes for each client", "B").against("bytes"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let clients = context.subscribers(target, 5_000, 50);
    let missed = context.updates(100, 10);
    let mut server = context.start(target)?;
    let mut load = Load::new(target, &server)?;
    let probe = Plan { keep_id: true, ..plan(0) };
    context.open(&mut load, &mut server, target, [probe])?;
    let publish = |load: &mut Load, server: &mut Server, updates| {
        let mut burst = Burst {
            topic: &mut |_| 0,
            updates,
            at_most: context.limit(),
            pace: Pace::Window(1),
            data_bytes: DATA_BYTES,
            limit: context.limit(),
        };
        load.publish(server, &mut burst)
    };
    publish(&mut load, &mut server, 1)?;
    let first = load.stream(0).context("no probe")?.last_id().to_vec();
    let first = String::from_utf8(first).context("the first event's id")?;
    publish(&mut load, &mut server, missed)?;
    load.close_down_to(0);
    load.run_for(&mut server, QUIET)?;
    server.refresh();

    load.tally.ledger.expect_again(0, 1, u32::try_from(clients)?);
    let deadline = Deadline::after(context.limit());
    let client = Plan { resume: Some((first, 1)), ..plan(0) };
    let plans = std::iter::repeat_n(client, clients);
    let at_once = context.storm(target, clients);
    let (bytes, cpu) = (load.tally.bytes, server.cpu_nanos());
    let ((), nanos) = timed(|| {
        load.begin(&mut server, plans, at_once, deadline)?;
        load.wait_for_deliveries(&mut server, deadline)
    })?;
    let cpu = server.cpu_nanos().saturating_sub(cpu);
    let bytes = load.tally.bytes - bytes;
    load.run_for(&mut server, QUIET)?;
    Ok(vec![
        ("cpu", millis(cpu)),
        ("cpu_each", micros(cpu) / clients as f64),
        ("last", millis(nanos)),
        ("bytes", bytes as f64 / clients as f64),
    ])
}
