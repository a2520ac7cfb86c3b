//! The fuzz targets: a short run of each, in their own workspace, on a nightly toolchain.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{
    setup::in_path,
    steps::Outcome,
    workspace::{Workspace, output, run},
};

/// The manifest of the fuzz workspace.
pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// How long each target runs: enough to catch a plain mistake, short enough for every change.
const TARGET_SECONDS: u32 = 20;

/// Whether there is a fuzz workspace.
pub(crate) fn exists(workspace: &Workspace) -> bool {
    workspace.root().join(MANIFEST).is_file()
}

/// Runs every target for a short time. Left out, with the reason, where the tools cannot be had.
pub(crate) fn smoke(workspace: &Workspace) -> Result<Outcome> {
    if !exists(workspace) {
        return Ok(Outcome::LeftOut(format!("there is no {MANIFEST}")));
    }
    let toolchains = output(workspace.command("rustup").args(["toolchain", "list"]));
    let Some(nightly) = toolchains.as_deref().and_then(nightly) else {
        let reason = "rustup has no nightly (`rustup toolchain install nightly`)";
        return Ok(Outcome::LeftOut(reason.to_owned()));
    };
    if !in_path("cargo-fuzz") {
        // A debug build: it only starts other programs.
        let mut install = workspace.cargo(&["install", "cargo-fuzz", "--locked", "--debug"]);
        if let Err(error) = run(&mut install) {
            return Ok(Outcome::LeftOut(format!("cargo-fuzz is missing: {error:#}")));
        }
    }
    for target in targets(workspace)? {
        let limit = format!("-max_total_time={TARGET_SECONDS}");
        let toolchain = format!("+{nightly}");
        run(&mut workspace.cargo(&[&toolchain, "fuzz", "run", &target, "--", &limit]))?;
    }
    Ok(Outcome::Passed)
}

/// The first nightly in the output of `rustup toolchain list`.
fn nightly(toolchains: &str) -> Option<&str> {
    toolchains
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| name.starts_with("nightly"))
}

/// The names of the targets: the file names in `fuzz/fuzz_targets`, in order.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root().join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).context("cannot read fuzz/fuzz_targets")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        targets.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    if targets.is_empty() {
        bail!("fuzz/fuzz_targets holds no target");
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_nightly_is_found_among_the_toolchains() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-2026-05-15-x86_64\n";
        assert_eq!(nightly(list), Some("nightly-2026-05-15-x86_64"));
        assert_eq!(nightly("stable-x86_64-unknown-linux-gnu (default)\n"), None);
    }
}
