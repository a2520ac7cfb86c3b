//! A Node that the example apps run on, where the system's is too old: Debian 12 has 18.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{Workspace, output, run};

/// The oldest that all of the apps run on, as major and minor version.
const OLDEST: (u32, u32) = (20, 19);
/// What is fetched from the npm registry in its place.
const PACKAGE: &str = "node@22";

/// Fetches a newer one into the target directory if the system's is too old.
///
/// # Errors
/// Says what to install when that fails.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let version = output(workspace.command("node").arg("--version"));
    if version.as_deref().and_then(parse).is_some_and(|version| version >= OLDEST) {
        return Ok(());
    }
    let folder = folder(workspace.root());
    let mut npm = workspace.command("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", PACKAGE, "--prefix"]).arg(folder);
    run(&mut npm).with_context(|| {
        let (major, minor) = OLDEST;
        format!("the example apps need Node {major}.{minor} or later: install it by hand")
    })
}

/// Where its program is, if it was fetched.
pub(crate) fn programs(root: &Path) -> Option<PathBuf> {
    let programs = folder(root).join("node_modules/.bin");
    programs.join("node").is_file().then_some(programs)
}

fn folder(root: &Path) -> PathBuf {
    root.join("target/node")
}

/// Major and minor version of `v20.19.1`.
fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert_eq!(parse("v20.19.1\n"), Some((20, 19)));
        assert!(parse("v18.20.4").unwrap() < OLDEST && parse("v20.9.0").unwrap() < OLDEST);
        assert!(parse("v22.1.0").unwrap() > OLDEST);
        assert_eq!(parse("20"), None);
    }
}
