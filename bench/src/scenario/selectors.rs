//! Templates and `*` among exact selectors: what a publish costs beyond its deliveries.

use anyhow::Result;

use super::{Context, DATA_BYTES, Figures, Part, QUIET, Scenario, measure, plan, warm_up};
use crate::{
    args::Run,
    load::{Burst, Load, Pace, Plan},
    report::Figure,
    server::Server,
    target::Target,
};

/// Templates that match the topic; the same number of subscribers takes it by `*` and by its name.
const MATCHING: usize = 2;
/// The number of a topic that nobody publishes to.
const SILENT: u32 = 1;
/// The two hubs take turns, so that both see the same machine.
const TURNS: u64 = 5;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "selectors",
    about: "1,000 templates, one subscriber each, `*` and exact ones; one publish at a time",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new(
            "beyond",
            "server CPU per publish among templates, beyond the same deliveries to exact selectors",
            "µs",
        ),
        Figure::new(
            "cpu_templates",
            "server CPU per publish and its 6 deliveries, among templates",
            "µs",
        ),
        Figure::new(
            "cpu_exact",
            "server CPU per publish and its 6 deliveries, exact selectors only",
            "µs",
        ),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let templates = context.subscribers(target, 1_000, 30);
    let mut among = Side::open(context, target, with_templates(templates))?;
    let mut exact = Side::open(context, target, with_names(templates))?;
    let updates = context.updates(10_000, 50).div_ceil(TURNS);
    for _ in 0..TURNS {
        among.turn(context, updates)?;
        exact.turn(context, updates)?;
    }
    let (among, exact) = (among.end()?, exact.end()?);
    Ok(vec![("beyond", among - exact), ("cpu_templates", among), ("cpu_exact", exact)])
}

/// Those that match by a template, by `*` and by name; then templates that do not, one half of which begins as the topic.
fn with_templates(templates: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    for number in 0..MATCHING {
        plans.push(asking(&format!("t%7Bv{number}%7D"), 0));
        plans.push(asking("*", 0));
        plans.push(plan(0));
    }
    for number in MATCHING..templates {
        let template = match number % 2 {
            0 => format!("t%7Bx%7D/n{number}"),
            _ => format!("a{number}/%7Bx%7D"),
        };
        plans.push(asking(&template, SILENT));
    }
    plans
}

/// As many, by name.
fn with_names(templates: usize) -> Vec<Plan> {
    let matching = (0..3 * MATCHING).map(|_| plan(0));
    let others = (MATCHING..templates).map(|number| asking(&format!("a{number}/x"), SILENT));
    matching.chain(others).collect()
}

fn asking(selector: &str, topic: u32) -> Plan {
    Plan { selector: selector.to_owned(), topic, ..Plan::default() }
}

/// A hub with its subscribers.
struct Side {
    server: Server,
    load: Load,
    parts: Vec<Part>,
}

impl Side {
    fn open(context: &Context, target: &Target, plans: Vec<Plan>) -> Result<Self> {
        let mut server = context.start(target)?;
        let mut load = Load::new(target, &server)?;
        context.open(&mut load, &mut server, target, plans)?;
        warm_up(context, &mut load, &mut server, context.pick(200, 5))?;
        Ok(Self { server, load, parts: Vec::new() })
    }

    fn turn(&mut self, context: &Context, updates: u64) -> Result<()> {
        let mut burst = Burst {
            topic: &mut |_| 0,
            updates,
            at_most: context.budget(),
            pace: Pace::Window(1),
            data_bytes: DATA_BYTES,
            limit: context.limit(),
        };
        self.parts.push(measure(&mut self.load, &mut self.server, &mut burst)?);
        Ok(())
    }

    /// The CPU time of each publish.
    fn end(mut self) -> Result<f64> {
        self.load.run_for(&mut self.server, QUIET)?;
        let cpu: u64 = self.parts.iter().map(|part| part.cpu).sum();
        let updates: u64 = self.parts.iter().map(|part| part.done.updates).sum();
        Ok(super::micros(cpu) / updates.max(1) as f64)
    }
}
