//! The scenarios about the log that outlives the hub: contenders have their turns in each round, so that ratios are within one.
//!
//! Some measure `tidings-hub` and `tidings-store` in this process, beside loops and tools that do as much of the same as can
//! be done; others the hub's program over HTTP.

mod alone;
mod append;
mod engines;
mod hop;
mod nats;
mod publishers;
mod redis;
mod restart;
mod retention;
mod tools;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    args::Run,
    engine::Engine,
    machine::Machine,
    program,
    report::{Figure, Report, Row},
    server::{Launch, Server},
    sys,
    table::number,
    target::Target,
    verdict,
};

/// The data of an update, where appends are measured.
const DATA_BYTES: usize = 200;
/// When a part of a run has failed.
const LIMIT: Duration = Duration::from_mins(2);

/// A scenario about the log.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What it measures, in the order of the table.
    pub(crate) figures: fn() -> Vec<Figure>,
    /// Those who are measured; what is missing for others is left out with its reason.
    contenders: fn(&Bench) -> Vec<Contender>,
}

/// One that is measured.
struct Contender {
    name: &'static str,
    about: String,
    run: Box<Turn>,
}

/// Measures a contender once.
type Turn = dyn FnMut(&Bench) -> Result<Figures>;

/// The figures of one run, by their keys.
type Figures = Vec<(&'static str, f64)>;

pub(crate) const ALL: &[Scenario] = &[
    append::SCENARIO,
    engines::REDIS,
    engines::NATS,
    hop::SCENARIO,
    restart::SCENARIO,
    retention::SCENARIO,
];

/// What all runs share.
struct Bench {
    run: Run,
    tidings: PathBuf,
    notes: RefCell<Vec<String>>,
    left_out: RefCell<Vec<String>>,
}

/// Measures a scenario. Which targets were asked for is of no account.
///
/// # Errors
/// When a run fails, unless it is to go on then.
pub(crate) fn run(scenario: &Scenario, options: &Run, say: &dyn Fn(&str)) -> Result<Report> {
    let rounds = options.rounds();
    let mut report = Report::new(scenario.name, scenario.about, rounds, options.smoke);
    report.machine = Machine::this(&options.server_cores, &options.client_cores);
    report.figures = (scenario.figures)();
    let bench = Bench {
        run: options.clone(),
        tidings: program::tidings(options.smoke)?,
        notes: RefCell::default(),
        left_out: RefCell::default(),
    };
    let mut contenders = (scenario.contenders)(&bench);
    report.rows = contenders.iter().map(|it| Row::new(it.name, &it.about)).collect();
    for round in 0..rounds {
        for Contender { name, run, .. } in &mut contenders {
            sys::pin(&options.client_cores).context("cannot pin the generator to its cores")?;
            let place = format!("{} round {}/{rounds} {name}", scenario.name, round + 1);
            match run(&bench).with_context(|| place.clone()) {
                Ok(figures) => {
                    let shown =
                        figures.iter().map(|(key, value)| format!("{key} {}", number(*value)));
                    say(&format!("{place}: {}", shown.collect::<Vec<_>>().join(", ")));
                    for (figure, value) in figures {
                        report.enter(name, round, figure, value);
                    }
                }
                Err(error) if options.keep_going => {
                    say(&format!("FAILED: {error:#}"));
                    report.failures.push(format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    drop(contenders);
    (report.notes, report.left_out) = (bench.notes.into_inner(), bench.left_out.into_inner());
    report.verdicts = verdict::judge(&report);
    Ok(report)
}

impl Bench {
    /// Starts the hub on the cores for servers.
    fn start(&self, target: &Target, data: Option<&Path>) -> Result<Server> {
        let launch = Launch {
            cores: &self.run.server_cores,
            upstream_cores: &self.run.client_cores,
            tidings: &self.tidings,
            keep_alive_each_second: false,
            data,
        };
        Server::start(target, &launch)
    }

    /// Starts an engine on the cores for servers.
    fn start_engine(&self, engine: Engine) -> Result<Server> {
        Server::engine(engine, &self.run.server_cores)
    }

    /// The version of an engine; where it is not installed, that is noted.
    fn version(&self, engine: Engine) -> Option<String> {
        let version = engine.version();
        if version.is_none() {
            self.leave_out(format!("{}: it is not installed", engine.name()));
        }
        version
    }

    fn pick<T>(&self, usual: T, smoke: T) -> T {
        if self.run.smoke { smoke } else { usual }
    }

    /// For how long something that has no end is measured.
    fn time(&self) -> Duration {
        self.pick(Duration::from_secs(3), Duration::from_millis(100))
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    fn leave_out(&self, what: String) {
        self.left_out.borrow_mut().push(what);
    }
}

fn seconds(nanos: u64) -> f64 {
    (nanos as f64 / 1e9).max(1e-9)
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
