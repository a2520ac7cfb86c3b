//! The hub's program: built before it is measured, in the profile that the figures are for.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// Names a program that is built already.
const VARIABLE: &str = "TIDINGS_BIN";

/// The folder of this package, as cargo says it now: two checkouts may share a target directory.
pub(crate) fn folder() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR");
    folder.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(), PathBuf::from)
}

/// The folder that everything is built in.
///
/// # Errors
/// When the bench is not inside a workspace.
pub(crate) fn build_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return std::path::absolute(folder).context("CARGO_TARGET_DIR");
    }
    let folder = folder();
    Ok(folder.parent().context("the bench is not inside a workspace")?.join("target"))
}

/// Builds `tidings` and answers where it is. The smoke sizes take the profile that the bench has itself.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn tidings(smoke: bool) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("{VARIABLE}: {}", path.display()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "tidings", "--message-format=json-render-diagnostics"]);
    if !(smoke && cfg!(debug_assertions)) {
        command.arg("--release");
    }
    let folder = folder();
    let root = folder.parent().context("the bench is not inside a workspace")?;
    let output = command.current_dir(root).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start cargo to build tidings")?;
    if !output.status.success() {
        bail!("tidings cannot be built: {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(executable).context("cargo names no program tidings")
}

fn executable(line: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Named,
        executable: PathBuf,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    (message.target.name == "tidings").then_some(message.executable)
}
