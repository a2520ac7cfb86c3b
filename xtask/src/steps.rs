//! The steps of `cargo xtask test`, fastest first: what each one runs.

use anyhow::Result;

use crate::{
    contract, fuzz, setup, tidy, typescript,
    workspace::{Workspace, run},
};

/// One named step of the test run.
pub(crate) struct Step {
    /// Its name in the output, and as a task of its own.
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// Whether `--fast` leaves it out.
    pub(crate) slow: bool,
    /// Runs it; its output goes straight to the terminal.
    pub(crate) action: fn(&Workspace) -> Result<Outcome>,
}

/// How a step that did not fail ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran and found nothing wrong.
    Passed,
    /// It did not run, and this is why. The closing summary names it.
    LeftOut(String),
}

/// Every step, in the order they run. A new step is a new row; a slow one goes to the end.
/// All but `fuzz` share the dev profile and one target directory, so nothing is built twice.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "setup",
        about: "install what the tests need, where it is missing",
        slow: false,
        action: setup::install,
    },
    Step {
        name: "format",
        about: "check that every Rust file is formatted",
        slow: false,
        action: check_format,
    },
    Step {
        name: "tidy",
        about: "check what the compiler does not: sizes, edges, licences, documents",
        slow: false,
        action: tidy::check,
    },
    Step {
        name: "clippy",
        about: "lint every target, warnings are errors",
        slow: false,
        action: clippy,
    },
    Step { name: "docs", about: "build the API documentation", slow: false, action: docs },
    Step { name: "tests", about: "run every test and doctest", slow: false, action: tests },
    Step {
        name: "lanes",
        about: "run the server's tests on the body lane, too",
        slow: false,
        action: lanes,
    },
    Step {
        name: "contract",
        about: "ask every client's test service what the contract of a client asks",
        slow: false,
        action: contract::check,
    },
    Step {
        name: "typescript",
        about: "build, check and test the TypeScript client on Node, Deno and Bun",
        slow: false,
        action: typescript::check,
    },
    Step {
        name: "bench",
        about: "run every benchmark in its smallest size",
        slow: false,
        action: bench,
    },
    Step { name: "fuzz", about: "run every fuzz target for 20 s", slow: true, action: fuzz::smoke },
];

/// Formats the workspace and the fuzz targets in place.
pub(crate) fn write_format(workspace: &Workspace) -> Result<()> {
    run(&mut workspace.cargo(&["fmt", "--all"]))?;
    if fuzz::exists(workspace) {
        run(&mut workspace.cargo(&["fmt", "--manifest-path", fuzz::MANIFEST]))?;
    }
    Ok(())
}

fn check_format(workspace: &Workspace) -> Result<Outcome> {
    run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    if fuzz::exists(workspace) {
        run(&mut workspace.cargo(&["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]))?;
    }
    Ok(Outcome::Passed)
}

fn clippy(workspace: &Workspace) -> Result<Outcome> {
    let arguments =
        ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    run(&mut workspace.cargo(&arguments))?;
    Ok(Outcome::Passed)
}

fn docs(workspace: &Workspace) -> Result<Outcome> {
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    run(command.env("RUSTDOCFLAGS", "--deny warnings"))?;
    Ok(Outcome::Passed)
}

/// The tests choose their lane when they run: nothing is built again.
fn lanes(workspace: &Workspace) -> Result<Outcome> {
    let arguments =
        ["test", "--package", "tidings-server", "--test", "it", "--locked", "--no-fail-fast"];
    run(workspace.cargo(&arguments).env("TIDINGS_TEST_LANE", "body"))?;
    Ok(Outcome::Passed)
}

fn tests(workspace: &Workspace) -> Result<Outcome> {
    run(&mut workspace.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    Ok(Outcome::Passed)
}

/// The built-in targets only: which peers a machine has must not decide whether its tests pass.
fn bench(workspace: &Workspace) -> Result<Outcome> {
    let mut arguments = vec!["run", "--package", "tidings-bench", "--locked", "--"];
    arguments.extend(["all", "--smoke"]);
    for target in ["floor", "tidings", "tidings-body", "tidings-disk", "tidings-relay"] {
        arguments.extend(["--target", target]);
    }
    run(&mut workspace.cargo(&arguments))?;
    Ok(Outcome::Passed)
}
