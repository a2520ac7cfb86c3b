//! The scenarios: each runs one target once and answers its figures.

mod broadcast;
mod idle;
mod own_topics;
mod publish;
mod selectors;
mod shards;
mod slow;
mod storm;

use std::{cell::RefCell, path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    args::Run,
    clock,
    load::{Burst, Done, Load, Pace, Plan, topic_name},
    report::Figure,
    server::{Launch, Server},
    target::Target,
};

/// How many streams are on their way at once where no storm is meant.
const CONNECTING: usize = 64;
/// Descriptors that are no streams: files, publishers, what a server needs for itself.
const OTHER_DESCRIPTORS: usize = 500;
/// The data of an update.
const DATA_BYTES: usize = 128;
/// How long a peer gets after all its streams are open: some answer before they have subscribed.
const SETTLE: Duration = Duration::from_millis(500);
/// How long nothing may come after the last update.
const QUIET: Duration = Duration::from_millis(50);

/// A scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What it measures, in the order of the table.
    pub(crate) figures: fn(&Run) -> Vec<Figure>,
    /// Measures a target once.
    pub(crate) run: fn(&Context, &Target) -> Result<Figures>,
}

/// The figures of one run, by their keys.
pub(crate) type Figures = Vec<(&'static str, f64)>;

pub(crate) const ALL: &[Scenario] = &[
    broadcast::SCENARIO,
    own_topics::SCENARIO,
    idle::SCENARIO,
    storm::SCENARIO,
    slow::SCENARIO,
    selectors::SCENARIO,
    publish::SCENARIO,
    shards::SCENARIO,
];

/// What all runs share.
pub(crate) struct Context {
    pub(crate) run: Run,
    pub(crate) tidings: PathBuf,
    /// How many descriptors a process may have: each stream is one here, and one in the server.
    pub(crate) descriptors: u64,
    /// What one must know to read the figures; each once.
    pub(crate) notes: RefCell<Vec<String>>,
}

impl Context {
    /// Starts a target on the cores for servers.
    fn start(&self, target: &Target) -> Result<Server> {
        self.start_with(target, false)
    }

    fn start_with(&self, target: &Target, keep_alive_each_second: bool) -> Result<Server> {
        let cores = &self.run.server_cores;
        let upstream_cores = &self.run.client_cores;
        let tidings = &self.tidings;
        let launch = Launch { cores, upstream_cores, tidings, keep_alive_each_second, data: None };
        Server::start(target, &launch)
    }

    /// How many subscribers: as asked for, and not more than the target or the system takes.
    fn subscribers(&self, target: &Target, usual: usize, smoke: usize) -> usize {
        let wanted = self.run.subscribers.unwrap_or(self.pick(usual, smoke));
        let room = usize::try_from(self.descriptors).unwrap_or(usize::MAX);
        let room = room.saturating_sub(OTHER_DESCRIPTORS);
        let most = target.max_subscribers.unwrap_or(room).min(room);
        if most < wanted {
            self.note(format!("{} has {most} subscribers instead of {wanted}", target.name));
        }
        most.min(wanted)
    }

    /// How many streams of a storm are on their way at once: all, unless the target takes fewer.
    fn storm(&self, target: &Target, streams: usize) -> usize {
        let most = target.max_connecting.unwrap_or(streams);
        if most < streams {
            self.note(format!("{} gets no storm: {most} streams open at once", target.name));
        }
        most
    }

    fn pick<T>(&self, usual: T, smoke: T) -> T {
        if self.run.smoke { smoke } else { usual }
    }

    fn updates(&self, usual: u64, smoke: u64) -> u64 {
        self.run.updates.unwrap_or(self.pick(usual, smoke))
    }

    /// For how long updates are begun in one part of a run: slow targets need not publish as many.
    fn budget(&self) -> Duration {
        Duration::from_secs(self.pick(10, 5))
    }

    /// When a part of a run has failed.
    fn limit(&self) -> Duration {
        Duration::from_secs(self.pick(120, 60))
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Opens streams and lets a peer settle.
    fn open(
        &self,
        load: &mut Load,
        server: &mut Server,
        target: &Target,
        plans: impl IntoIterator<Item = Plan>,
    ) -> Result<()> {
        let at_once = target.max_connecting.unwrap_or(CONNECTING);
        load.open(server, plans, at_once, self.limit())?;
        if !target.is_tidings() && !target.is_floor() {
            load.run_for(server, SETTLE)?;
            load.open(server, [], at_once, self.limit())?;
        }
        if load.again > 0 {
            self.note(format!(
                "{} broke streams before the first update: begun again",
                target.name
            ));
        }
        server.refresh();
        Ok(())
    }
}

/// A stream for one topic.
fn plan(topic: u32) -> Plan {
    Plan { selector: topic_name(topic), topic, ..Plan::default() }
}

/// What a part of a run took.
#[derive(Clone, Copy, Debug)]
struct Part {
    done: Done,
    /// CPU time of the server.
    cpu: u64,
}

impl Part {
    fn cpu_micros_per_delivery(&self) -> f64 {
        micros(self.cpu) / (self.done.deliveries.max(1) as f64)
    }

    fn cpu_micros_per_update(&self) -> f64 {
        micros(self.cpu) / (self.done.updates.max(1) as f64)
    }

    fn deliveries_per_second(&self) -> f64 {
        self.done.deliveries as f64 / seconds(self.done.nanos)
    }

    fn updates_per_second(&self) -> f64 {
        self.done.updates as f64 / seconds(self.done.nanos)
    }

    /// Updates for each second of CPU: what one core of the server would take.
    fn updates_per_core(&self) -> f64 {
        self.done.updates as f64 / seconds(self.cpu)
    }
}

/// Publishes, with the latencies and the CPU time of this part alone.
fn measure(load: &mut Load, server: &mut Server, burst: &mut Burst<'_>) -> Result<Part> {
    load.tally.latency.clear();
    let before = server.cpu_nanos();
    let done = load.publish(server, burst)?;
    Ok(Part { done, cpu: server.cpu_nanos().saturating_sub(before) })
}

/// Updates of one topic, one at a time, whose figures nobody wants.
fn warm_up(context: &Context, load: &mut Load, server: &mut Server, updates: u64) -> Result<()> {
    let mut burst = Burst {
        topic: &mut |_| 0,
        updates,
        at_most: context.budget(),
        pace: Pace::Window(1),
        data_bytes: DATA_BYTES,
        limit: context.limit(),
    };
    load.publish(server, &mut burst).map(drop)
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn seconds(nanos: u64) -> f64 {
    (nanos as f64 / 1e9).max(1e-9)
}

/// Memory for each of so many, in KiB.
fn kib_each(after: u64, before: u64, count: usize) -> f64 {
    (after as f64 - before as f64) / 1_024.0 / (count.max(1) as f64)
}

/// Runs something and answers how long it took, in nanoseconds.
fn timed<T>(action: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let start = clock::now();
    let value = action()?;
    Ok((value, clock::now() - start))
}
