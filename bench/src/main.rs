//! The benchmark: a load generator, the floor it is measured against, and the scenarios. Knows servers by HTTP alone,
//! and the crates for the format, the hub and its logs only to measure them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are far from 2^52, and are shown with three digits"
)]

mod args;
mod clock;
mod codec;
mod directory;
mod engine;
mod floor;
mod histogram;
mod inventory;
mod load;
mod logs;
mod machine;
mod marker;
mod plot;
mod process;
mod program;
mod report;
mod runner;
mod scenario;
mod server;
mod sockets;
mod sys;
mod table;
mod target;
mod template;
mod verdict;

use std::{path::Path, process::ExitCode};

use tikv_jemallocator::Jemalloc;

/// The hub's own: what is measured in this process is measured as it runs there.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;

use crate::{
    args::{Arguments, Command, Run},
    report::Report,
};

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    let (names, options): (&[&str], Run) = match command {
        Command::All(run) => (&[], run),
        Command::Broadcast(run) => (&["broadcast"], run),
        Command::OwnTopics(run) => (&["own-topics"], run),
        Command::Idle(run) => (&["idle"], run),
        Command::Storm(run) => (&["storm"], run),
        Command::Slow(run) => (&["slow"], run),
        Command::Selectors(run) => (&["selectors"], run),
        Command::Publish(run) => (&["publish"], run),
        Command::Shards(run) => (&["shards"], run),
        Command::Codec(run) => (&["codec"], run),
        Command::Append(run) => (&["append"], run),
        Command::AppendRedis(run) => (&["append-redis"], run),
        Command::AppendNats(run) => (&["append-nats"], run),
        Command::Hop(run) => (&["hop"], run),
        Command::Restart(run) => (&["restart"], run),
        Command::Retention(run) => (&["retention"], run),
        Command::List => {
            inventory::list()?.iter().for_each(|line| println!("{line}"));
            return Ok(());
        }
        Command::Install { names } => return inventory::install(&names, &say),
        Command::Plot { file, out } => return plot::write(&read(&file)?, &out),
        Command::ServeFloor { port, keep_alive } => return floor::serve(port, keep_alive),
    };
    let mut reports = Vec::new();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    for scenario in scenario::ALL.iter().filter(|scenario| wanted(scenario.name)) {
        reports.push(runner::run(scenario, &options, &say)?);
        finish(&reports, &options)?;
    }
    if wanted("codec") {
        reports.push(codec::run(&options, &say)?);
        finish(&reports, &options)?;
    }
    for scenario in logs::ALL.iter().filter(|scenario| wanted(scenario.name)) {
        reports.push(logs::run(scenario, &options, &say)?);
        finish(&reports, &options)?;
    }
    let failures: usize = reports.iter().map(|report| report.failures.len()).sum();
    if failures > 0 {
        bail!("{failures} runs failed");
    }
    Ok(())
}

/// Shows the newest report, and writes all so far: a long run that breaks off leaves what it had.
fn finish(reports: &[Report], options: &Run) -> Result<()> {
    if let Some(report) = reports.last() {
        println!("{}", table::render(report));
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(reports)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(folder) = &options.plots {
        plot::write(reports, folder)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Report>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no result", path.display()))
}

fn say(line: &str) {
    eprintln!("{line}");
}
