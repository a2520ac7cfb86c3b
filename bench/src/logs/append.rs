//! Publishing to the log on disk: 64 publishers in this process, each waiting for its acknowledgement, beside bare loops that
//! append to a file and sync it.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc};

use anyhow::Result;
use tidings_hub::{Hub, HubConfig, Update};
use tidings_store::{
    Retention,
    disk::{DiskConfig, DiskLog, Durability},
};

use super::{
    Bench, Contender, DATA_BYTES, Figures, Scenario,
    publishers::{publish, runtime},
    seconds,
};
use crate::{
    clock::{self, Deadline},
    directory::Directory,
    report::Figure,
    sys,
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "append",
    about: "64 publishers, each waiting for its acknowledgement; 200 bytes of data, the log on disk, in one process",
    figures,
    contenders,
};

/// How many publish, and how many records the loop that groups them writes between two syncs.
const PUBLISHERS: usize = 64;
/// How long a file is that is written over again and again.
const OVER_BYTES: usize = 16 << 20;

fn figures() -> Vec<Figure> {
    vec![
        Figure::new("rate", "acknowledged updates per second", "/s"),
        Figure::new("cpu", "CPU time of the process for each", "µs"),
    ]
}

fn contenders(_: &Bench) -> Vec<Contender> {
    let hub = |durability| move |bench: &Bench| hub(bench, durability);
    let bare = |group, place| move |bench: &Bench| bare(bench, group, place);
    let contender = |name, about: &str, run| Contender { name, about: about.to_owned(), run };
    vec![
        contender("one", "a loop: append a record, fdatasync", Box::new(bare(1, Place::End))),
        contender(
            "grouped",
            "a loop: append 64 records, fdatasync",
            Box::new(bare(PUBLISHERS, Place::End)),
        ),
        contender("one-over", "the same, over what is in the file", Box::new(bare(1, Place::Over))),
        contender(
            "grouped-over",
            "the same with 64 records",
            Box::new(bare(PUBLISHERS, Place::Over)),
        ),
        contender("tidings", "the hub, `synced`", Box::new(hub(Durability::Synced))),
        contender("tidings-process", "the hub, `process`", Box::new(hub(Durability::Process))),
    ]
}

/// The hub and its log on disk, on all cores.
fn hub(bench: &Bench, durability: Durability) -> Result<Figures> {
    let cores = on_all_cores(bench)?;
    let directory = place(bench)?;
    let retention = Retention { max_updates: None, max_bytes: None, max_age: None };
    let runtime = runtime(cores)?;
    let measured = runtime.block_on(async {
        let log = DiskLog::open(directory.path(), DiskConfig { retention, durability })?;
        let hub = Hub::open(Arc::new(log), HubConfig::default(), None).await?;
        let topics: Arc<[String]> = (0..PUBLISHERS).map(|number| format!("t{number}")).collect();
        let data: Arc<str> = "x".repeat(DATA_BYTES).into();
        let one = move |number: usize| {
            let topic = topics.get(number).cloned().unwrap_or_default();
            let publishing = hub.publish(Update::new(topic, &*data));
            async move { Ok(publishing.await.map(drop)?) }
        };
        publish(PUBLISHERS, bench.time() / 10, one.clone()).await?;
        let before = process_cpu()?;
        let rate = publish(PUBLISHERS, bench.time(), one).await?;
        let cpu = (process_cpu()? - before) as f64 / 1e3;
        anyhow::Ok(vec![("rate", rate), ("cpu", cpu / (rate * bench.time().as_secs_f64()))])
    });
    drop(runtime);
    measured
}

/// Where a loop writes.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the file's end: each sync is one of its size, too.
    End,
    /// Over what is in it already: a sync is one of the data alone.
    Over,
}

/// A loop on bare system calls.
fn bare(bench: &Bench, group: usize, place: Place) -> Result<Figures> {
    on_all_cores(bench)?;
    let directory = self::place(bench)?;
    let mut file = File::create_new(directory.path().join("log"))?;
    let records = vec![b'x'; DATA_BYTES * group];
    if place == Place::Over {
        file.write_all(&vec![0; OVER_BYTES])?;
        file.sync_all()?;
    }
    let (start, before, end) = (clock::now(), process_cpu()?, Deadline::after(bench.time()));
    let (mut written, mut at) = (0, 0);
    while !end.has_passed() {
        if place == Place::Over && at + records.len() > OVER_BYTES {
            at = 0;
        }
        file.write_all_at(&records, at as u64)?;
        file.sync_data()?;
        at += records.len();
        written += group;
    }
    let nanos = clock::now() - start;
    let cpu = (process_cpu()? - before) as f64 / 1e3 / written as f64;
    Ok(vec![("rate", written as f64 / seconds(nanos)), ("cpu", cpu)])
}

/// Lets this thread, and what it starts, run on the cores of servers and generators; answers how many there are.
fn on_all_cores(bench: &Bench) -> Result<usize> {
    let mut cores = [bench.run.server_cores.as_slice(), &bench.run.client_cores].concat();
    cores.sort_unstable();
    cores.dedup();
    sys::pin(&cores)?;
    Ok(cores.len())
}

fn place(bench: &Bench) -> Result<Directory> {
    let directory = Directory::new()?;
    bench.note(format!("the file system is {}", directory.file_system()));
    Ok(directory)
}

fn process_cpu() -> Result<u64> {
    Ok(sys::process_cpu_nanos(i32::try_from(std::process::id())?)?)
}
