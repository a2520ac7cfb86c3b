//! Publishing with no subscribers: one update at a time as a form and as JSON, and many in one request.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Context, DATA_BYTES, Figures, Scenario, measure, seconds, warm_up};
use crate::{
    args::Run,
    load::{Bulk, Burst, Load, Pace},
    report::Figure,
    target::{Port, Target},
    template::Template,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "publish",
    about: "updates of 128 bytes on one connection, no subscribers",
    figures,
    run,
};

fn figures(_: &Run) -> Vec<Figure> {
    vec![
        Figure::new(
            "form",
            "updates per second, one at a time, each target's own way (tidings: form)",
            "/s",
        ),
        Figure::new("form_core", "the same for each second of server CPU", "/s"),
        Figure::new("json", "updates per second, one at a time, JSON", "/s"),
        Figure::new("json_core", "the same for each second of server CPU", "/s"),
        Figure::new("ndjson", "updates per second, NDJSON in one request", "/s"),
        Figure::new("ndjson_core", "the same for each second of server CPU", "/s"),
    ]
}

fn run(context: &Context, target: &Target) -> Result<Figures> {
    let (rate, per_core) = one_at_a_time(context, target)?;
    let mut figures = vec![("form", rate), ("form_core", per_core)];
    if !target.is_tidings() {
        return Ok(figures);
    }
    let mut json = target.clone();
    json.publish.headers =
        BTreeMap::from([("Content-Type".to_owned(), "application/json".to_owned())]);
    json.publish.body =
        Template::parse(r#"{"topic":"{topic}","data":"{data}"}"#, &["topic", "data"])?;
    let (rate, per_core) = one_at_a_time(context, &json)?;
    figures.extend([("json", rate), ("json_core", per_core)]);

    let updates = context.updates(1_000_000, 2_000);
    let mut server = context.start(target)?;
    let address = server.address(Port::First);
    let bulk = |server: &mut _, updates| {
        let bulk =
            Bulk { to: address, path: "/events", updates, topics: 1, data_bytes: DATA_BYTES };
        bulk.run(server, context.limit()).map(|bulked| bulked.nanos)
    };
    bulk(&mut server, updates / 10)?;
    let before = server.cpu_nanos();
    let nanos = bulk(&mut server, updates)?;
    let cpu = server.cpu_nanos().saturating_sub(before);
    figures.extend([
        ("ndjson", updates as f64 / seconds(nanos)),
        ("ndjson_core", updates as f64 / seconds(cpu)),
    ]);
    Ok(figures)
}

fn one_at_a_time(context: &Context, target: &Target) -> Result<(f64, f64)> {
    let mut server = context.start(target)?;
    let mut load = Load::new(target, &server)?;
    load.tally.ledger.reserve(1);
    warm_up(context, &mut load, &mut server, context.pick(1_000, 10))?;
    let mut burst = Burst {
        topic: &mut |_| 0,
        updates: context.updates(20_000, 100),
        at_most: context.budget(),
        pace: Pace::Window(1),
        data_bytes: DATA_BYTES,
        limit: context.limit(),
    };
    let part = measure(&mut load, &mut server, &mut burst)?;
    Ok((part.updates_per_second(), part.updates_per_core()))
}
