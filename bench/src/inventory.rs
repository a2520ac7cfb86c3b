//! Which targets there are, which are installed, and installing them.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    program,
    server::in_folder,
    target::{BUILT_IN, Kind, Peer, Target},
};

/// What a scenario measures, and what it does not.
pub(crate) struct Choice {
    pub(crate) targets: Vec<Target>,
    pub(crate) left_out: Vec<String>,
}

/// Chooses the targets of a scenario: those named, or all that it makes sense for and that are installed.
///
/// # Errors
/// When a description cannot be read, or a named target is not known.
pub(crate) fn choose(scenario: &str, names: &[String]) -> Result<Choice> {
    let all = all()?;
    for name in names {
        if !all.iter().any(|target| target.name == *name) {
            let known: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
            bail!("no target `{name}`: there are {}", known.join(", "));
        }
    }
    let mut choice = Choice { targets: Vec::new(), left_out: Vec::new() };
    for mut target in all {
        if !names.is_empty() && !names.contains(&target.name) {
            continue;
        }
        if !target.plays(scenario) {
            if !names.is_empty() {
                choice.left_out.push(format!("{}: {scenario} makes no sense for it", target.name));
            }
            continue;
        }
        match &target.kind {
            Kind::Peer(peer) => match version(peer)? {
                Some(version) => {
                    target.about = format!("{version}: {}", target.about);
                    choice.targets.push(target);
                }
                None => choice.left_out.push(format!("{0} ({1} {0})", target.name, INSTALL)),
            },
            _ => choice.targets.push(target),
        }
    }
    Ok(choice)
}

/// How to install a peer, but for its name.
const INSTALL: &str = "run `cargo run --release -p tidings-bench -- install`:";

/// All targets: the built-in ones, then the peers by name.
fn all() -> Result<Vec<Target>> {
    let mut targets =
        BUILT_IN.iter().map(|name| Target::built_in(name)).collect::<Result<Vec<_>>>()?;
    let folder = program::folder().join("peers");
    let mut folders = Vec::new();
    if folder.is_dir() {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.join("target.toml").is_file() {
                folders.push(path);
            }
        }
    }
    folders.sort();
    for folder in folders {
        targets.push(Target::read(&folder)?);
    }
    Ok(targets)
}

/// Whether the hub's program has the settings that a target needs.
pub(crate) fn has_settings(target: &Target, tidings: &Path) -> bool {
    let Kind::Tidings { settings, .. } = target.kind else { return true };
    if settings.is_empty() {
        return true;
    }
    let mut command = Command::new(tidings);
    // The hub takes every variable of this prefix for a setting.
    command.env_remove("TIDINGS_BIN").args(["config", "--resolved", "--dev"]);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The version of an installed peer.
fn version(peer: &Peer) -> Result<Option<String>> {
    let output = command(peer, &peer.available)?.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(Some(text.lines().next().unwrap_or_default().trim().to_owned()))
}

fn command(peer: &Peer, words: &[String]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut command = Command::new(in_folder(&peer.folder, program));
    command.args(arguments).current_dir(&peer.folder).stdin(Stdio::null());
    Ok(command)
}

/// One line for each target: what it is and whether it can be measured.
pub(crate) fn list() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for target in all()? {
        let state = match &target.kind {
            Kind::Peer(peer) => version(peer)?.unwrap_or_else(|| "not installed".to_owned()),
            _ => "built in".to_owned(),
        };
        lines.push(format!("{:<13} {}; {state}", target.name, target.about));
    }
    Ok(lines)
}

/// Installs the peers of these names, or all.
///
/// # Errors
/// Names those that could not be installed, once all were tried.
pub(crate) fn install(names: &[String], say: &dyn Fn(&str)) -> Result<()> {
    let all = all()?;
    let mut failed = Vec::new();
    for name in names {
        if !all.iter().any(|target| target.name == *name) {
            bail!("no target `{name}`: `list` shows them");
        }
    }
    for target in &all {
        let Kind::Peer(peer) = &target.kind else { continue };
        if !names.is_empty() && !names.contains(&target.name) {
            continue;
        }
        say(&format!("installing {}", target.name));
        let status = command(peer, &peer.install)?.status();
        if !status.is_ok_and(|status| status.success()) {
            failed.push(target.name.clone());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not installed: {}", failed.join(", ")) }
}
