//! The project's automation: `cargo xtask` lists the tasks, `cargo xtask test` is the one command.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

mod contract;
mod fuzz;
mod node;
mod run;
mod setup;
mod steps;
mod tidy;
mod typescript;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::{steps::STEPS, workspace::Workspace};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    let workspace = Workspace::locate()?;
    match arguments {
        [] | ["help" | "--help" | "-h"] => {
            list();
            Ok(())
        }
        ["test"] => run::all(&workspace, false),
        ["test", "--fast"] => run::all(&workspace, true),
        ["fmt"] => steps::write_format(&workspace),
        [name] => {
            let step = STEPS
                .iter()
                .find(|step| step.name == *name)
                .with_context(|| format!("no task `{name}`: `cargo xtask` lists them"))?;
            run::one(&workspace, step)
        }
        other => bail!("cannot read `{}`: `cargo xtask` lists the tasks", other.join(" ")),
    }
}

fn list() {
    println!("Usage: cargo xtask TASK\n");
    println!("  {:<13} every step below, in this order: what CI runs", "test");
    println!("  {:<13} the same without the slow steps, which it names", "test --fast");
    println!("  {:<13} format every Rust file in place\n", "fmt");
    println!("Steps, each a task of its own:\n");
    for step in STEPS {
        let slow = if step.slow { " (slow)" } else { "" };
        println!("  {:<13} {}{slow}", step.name, step.about);
    }
}
