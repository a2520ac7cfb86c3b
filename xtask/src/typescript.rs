//! The TypeScript client: built, checked, and tested against the hub of this tree, on all runtimes that npm has.

use std::process::Command;

use anyhow::Result;

use crate::{
    steps::Outcome,
    workspace::{Workspace, run},
};

/// The client's package, and the one that has the other runtimes.
const PACKAGE: &str = "clients/typescript";
const RUNTIMES: &str = "clients/typescript/runtimes";

/// The package's scripts, fastest first.
const SCRIPTS: &[&str] = &["check", "build", "size", "test", "runtimes"];

/// How the tests are told where the hub's program is.
const HUB_VARIABLE: &str = "TIDINGS_BIN";

/// Runs every script of the package that says whether it is as it should be.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    run(&mut workspace.cargo(&["build", "--package", "tidings", "--locked"]))?;
    let hub = workspace.target()?.join("debug/tidings");
    for folder in [PACKAGE, RUNTIMES] {
        run(npm(workspace, folder).args(["ci", "--no-audit", "--no-fund"]))?;
    }
    for script in SCRIPTS {
        run(npm(workspace, PACKAGE).args(["run", script]).env(HUB_VARIABLE, &hub))?;
    }
    Ok(Outcome::Passed)
}

fn npm(workspace: &Workspace, folder: &str) -> Command {
    let mut npm = workspace.command("npm");
    npm.current_dir(workspace.root().join(folder));
    npm
}
