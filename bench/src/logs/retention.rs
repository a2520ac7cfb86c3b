//! A log of at most 100 MB that is published to without an end: how much room it takes on the disk at its largest.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;

use super::{Bench, Contender, Figures, LIMIT, Scenario, seconds};
use crate::{
    clock,
    directory::Directory,
    load::Bulk,
    report::Figure,
    target::{Port, Store, Target},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "retention",
    about: "a log of at most 100 MB on disk, into which 500 MB of data go, 128 bytes each, as NDJSON",
    figures,
    contenders,
};

const TOPICS: u32 = 100;
const DATA_BYTES: usize = 128;
const SETTINGS: &[&str] = &["log.max_updates=100000000", "log.max_bytes=100000000"];
/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(5);

fn figures() -> Vec<Figure> {
    vec![
        Figure::new("peak", "the directory at its largest", "MB"),
        Figure::new("end", "the directory in the end", "MB"),
        Figure::new("rate", "acknowledged updates per second meanwhile", "/s"),
    ]
}

fn contenders(_: &Bench) -> Vec<Contender> {
    let about = "the hub, its log on disk".to_owned();
    vec![Contender { name: "tidings-disk", about, run: Box::new(run) }]
}

fn run(bench: &Bench) -> Result<Figures> {
    let directory = Directory::new()?;
    let mut hub = bench.start(&Target::hub(Store::Disk, SETTINGS)?, Some(directory.path()))?;
    let updates = bench.pick(500_000_000, 500_000) / DATA_BYTES as u64;
    let to = hub.address(Port::First);
    let bulk = Bulk { to, path: "/events", updates, topics: TOPICS, data_bytes: DATA_BYTES };
    let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let bulked = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(directory.bytes(), Ordering::Relaxed);
                clock::pause(LOOK);
            }
        });
        let bulked = bulk.run(&mut hub, LIMIT);
        over.store(true, Ordering::Relaxed);
        bulked
    })?;
    Ok(vec![
        ("peak", peak.into_inner() as f64 / 1e6),
        ("end", directory.bytes() as f64 / 1e6),
        ("rate", updates as f64 / seconds(bulked.nanos)),
    ])
}
