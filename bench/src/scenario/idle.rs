//! Connections that wait: their memory, settled and at the peak of their coming, and what keep-alives cost.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Context, Figures, Scenario, kib_each, micros, plan, timed};
use crate::{args::Run, load::Load, report::Figure, target::Target};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "idle",
    about: "10,000 connections that get nothing but keep-alives",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new("memory", "user memory per connection, settled (PSS)", "KiB"),
        Figure::new(
            "peak",
            "user memory per connection, at the peak of the connection storm (VmHWM)",
            "KiB",
        ),
        Figure::new("connect", "connections opened per second, in the storm", "/s")
            .against("connect"),
        Figure::new("keep_alive", "server CPU per keep-alive, one a second each", "µs")
            .against("keep_alive"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let connections = context.subscribers(target, 10_000, 100);
    let plans = || (0..connections).map(|_| plan(0));
    let mut figures = Vec::new();
    {
        let mut server = context.start(target)?;
        let mut load = Load::new(target, &server)?;
        server.forget_peak()?;
        let before = server.memory()?;
        let at_once = context.storm(target, connections);
        let opened = || load.open(&mut server, plans(), at_once, context.limit());
        let ((), nanos) = timed(opened)?;
        server.refresh();
        let after = server.memory()?;
        figures.extend([
            ("memory", kib_each(after.pss, before.pss, connections)),
            ("peak", kib_each(after.peak, before.rss, connections)),
            ("connect", connections as f64 / super::seconds(nanos)),
        ]);
    }
    let own_pace = !target.is_floor() && !target.is_tidings();
    if own_pace {
        context.note(
            "keep-alives of peers come at their own pace: theirs are not compared".to_owned(),
        );
        return Ok(figures);
    }
    let mut server = context.start_with(target, true)?;
    let mut load = Load::new(target, &server)?;
    context.open(&mut load, &mut server, target, plans())?;
    // The first ones come while the last streams open.
    load.run_for(&mut server, Duration::from_millis(context.pick(1_500, 200)))?;
    let (comments, cpu) = (load.tally.comments, server.cpu_nanos());
    load.run_for(&mut server, Duration::from_millis(context.pick(10_000, 1_500)))?;
    let cpu = server.cpu_nanos().saturating_sub(cpu);
    let comments = load.tally.comments - comments;
    if comments < connections as u64 {
        bail!("{comments} keep-alives came, for {connections} connections and one a second");
    }
    figures.push(("keep_alive", micros(cpu) / comments as f64));
    Ok(figures)
}
