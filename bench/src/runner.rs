//! Runs a scenario: round by round, in each all targets one after the other, so that ratios are within one round.

use std::{cell::RefCell, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    args::Run,
    inventory,
    machine::Machine,
    program,
    report::{Report, Row},
    scenario::{Context, Scenario},
    sys,
    table::number,
    target::Target,
    verdict,
};

/// Measures a scenario.
///
/// # Errors
/// When a run fails, unless it is to go on then; when nothing can be measured.
pub(crate) fn run(scenario: &Scenario, options: &Run, say: &dyn Fn(&str)) -> Result<Report> {
    let rounds = options.rounds();
    let mut report = Report::new(scenario.name, scenario.about, rounds, options.smoke);
    report.machine = Machine::this(&options.server_cores, &options.client_cores);
    report.figures = (scenario.figures)(options);
    let choice = inventory::choose(scenario.name, &options.targets)?;
    report.left_out = choice.left_out;
    let mut targets = choice.targets;
    let tidings = if targets.iter().any(Target::is_tidings) {
        program::tidings(options.smoke)?
    } else {
        PathBuf::new()
    };
    for target in targets.extract_if(.., |target| !inventory::has_settings(target, &tidings)) {
        report.left_out.push(format!("{}: this hub has no such setting", target.name));
    }
    for target in &targets {
        report.rows.push(Row::new(&target.name, &target.about));
    }
    sys::pin(&options.client_cores).context("cannot pin the generator to its cores")?;
    let descriptors = sys::raise_descriptors().context("cannot raise the limit of descriptors")?;
    let (run, notes) = (options.clone(), RefCell::new(Vec::new()));
    let context = Context { run, tidings, descriptors, notes };
    for round in 0..rounds {
        for target in &targets {
            let place = format!("{} round {}/{rounds} {}", scenario.name, round + 1, target.name);
            match (scenario.run)(&context, target).with_context(|| place.clone()) {
                Ok(figures) => {
                    for (figure, value) in &figures {
                        report.enter(&target.name, round, figure, *value);
                    }
                    let first = report.figures.first();
                    let value = first.and_then(|first| {
                        let value = figures.iter().find(|(key, _)| *key == first.key)?.1;
                        Some(format!("{} {}", number(value), first.unit))
                    });
                    say(&format!("{place}: {}", value.unwrap_or_default()));
                }
                Err(error) if options.keep_going => {
                    say(&format!("FAILED: {error:#}"));
                    report.failures.push(format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    report.notes = context.notes.into_inner();
    report.compare();
    report.verdicts = verdict::judge(&report);
    Ok(report)
}
