//! Running steps: each under its name, with its time, and a closing summary.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{
    steps::{Outcome, STEPS, Step},
    workspace::Workspace,
};

/// What became of one step.
struct Ended {
    name: &'static str,
    result: Result<Outcome>,
    took: Duration,
}

/// Runs one step by itself.
pub(crate) fn one(workspace: &Workspace, step: &Step) -> Result<()> {
    match (step.action)(workspace)? {
        Outcome::Passed => Ok(()),
        Outcome::LeftOut(reason) => bail!("{} was left out: {reason}", step.name),
    }
}

/// Runs every step, or with `fast` every step that is not slow. A failed step does not stop the
/// others: one run shows all that is wrong.
///
/// # Errors
/// Names the steps that failed.
pub(crate) fn all(workspace: &Workspace, fast: bool) -> Result<()> {
    let ended: Vec<Ended> = STEPS.iter().map(|step| attend(workspace, step, fast)).collect();
    println!("\n{}", summary(&ended));
    let failed: Vec<&str> =
        ended.iter().filter(|step| step.result.is_err()).map(|step| step.name).collect();
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

#[expect(clippy::disallowed_types, reason = "the wall time of a step, which no test pauses")]
fn attend(workspace: &Workspace, step: &Step, fast: bool) -> Ended {
    if fast && step.slow {
        let result = Ok(Outcome::LeftOut("slow, and --fast was given".to_owned()));
        return Ended { name: step.name, result, took: Duration::ZERO };
    }
    println!("\n==> {}: {}", step.name, step.about);
    let start = std::time::Instant::now();
    let result = (step.action)(workspace);
    let ended = Ended { name: step.name, result, took: start.elapsed() };
    println!("<== {}", line(&ended));
    ended
}

fn summary(ended: &[Ended]) -> String {
    let mut text = String::from("Summary\n");
    for step in ended {
        text.push_str("  ");
        text.push_str(&line(step));
        text.push('\n');
    }
    let total: Duration = ended.iter().map(|step| step.took).sum();
    text + &format!("  {:<8} {:>7}", "total", seconds(total))
}

fn line(step: &Ended) -> String {
    let what = match &step.result {
        Ok(Outcome::Passed) => "ok".to_owned(),
        Ok(Outcome::LeftOut(reason)) => format!("LEFT OUT: {reason}"),
        Err(error) => format!("FAILED: {error:#}"),
    };
    format!("{:<8} {:>7}  {what}", step.name, seconds(step.took))
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_summary_names_what_failed_and_what_was_left_out() {
        let took = Duration::from_millis(1_500);
        let ended = [
            Ended { name: "format", result: Ok(Outcome::Passed), took },
            Ended { name: "tests", result: Err(anyhow!("exit status: 101")), took },
            Ended { name: "fuzz", result: Ok(Outcome::LeftOut("no nightly".to_owned())), took },
        ];
        let expected = "Summary\n  \
            format     1.5 s  ok\n  \
            tests      1.5 s  FAILED: exit status: 101\n  \
            fuzz       1.5 s  LEFT OUT: no nightly\n  \
            total      4.5 s";
        assert_eq!(summary(&ended), expected);
    }
}
