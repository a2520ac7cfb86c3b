//! The engines' own tools for measuring them: run on the generator's cores, with records of the same size.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Bench, DATA_BYTES};
use crate::{directory::Directory, program, sys};

/// Where `nats bench` comes from.
const NATS: &str = "github.com/nats-io/natscli/nats";
const NATS_VERSION: &str = "v0.5.1";

/// How many appends `redis-benchmark` makes with so many under way on one connection; answers those of a second.
///
/// # Errors
/// When it fails, or says something else than it used to.
pub(super) fn redis_benchmark(bench: &Bench, port: u16, depth: usize) -> Result<f64> {
    let mut command = Command::new("redis-benchmark");
    let appends = bench.pick(500_000, 2_000).to_string();
    command.args(["-p", &port.to_string(), "--csv", "-c", "1", "-P", &depth.to_string()]);
    command.args(["-n", &appends, "XADD", "key", "*", "r", &"x".repeat(DATA_BYTES)]);
    let output = run(bench, command)?;
    // The command stands in quotes, and then what was measured.
    let rate = output.lines().last().and_then(|line| line.rsplit("\",\"").nth(6));
    let rate = rate.and_then(|rate| rate.parse().ok());
    rate.with_context(|| format!("redis-benchmark says no rate: {output}"))
}

/// The same for `nats bench`, which waits for the acknowledgements of so many, and then publishes as many again.
///
/// # Errors
/// When it fails, or says something else than it used to.
pub(super) fn nats_bench(bench: &Bench, url: &str, depth: usize) -> Result<f64> {
    let mut command = Command::new(nats_program()?);
    let messages = bench.pick(300_000, 2_000).to_string();
    command.args(["bench", "js", "pub", "async", "bench", "--server", url, "--no-context"]);
    command.args(["--create", "--storage", "file", "--no-progress", "--msgs", &messages]);
    command.args(["--batch", &depth.to_string(), "--size", &DATA_BYTES.to_string()]);
    let output = run(bench, command)?;
    let rate = output.split_once("stats: ").and_then(|(_, rest)| rest.split_once(" msgs/sec"));
    let rate = rate.and_then(|(rate, _)| rate.replace(',', "").parse().ok());
    rate.with_context(|| format!("nats bench says no rate: {output}"))
}

/// Which `nats` there is: built where it is not there yet, unless the sizes are the small ones. Where it cannot be, that is
/// noted.
pub(super) fn nats(bench: &Bench) -> Option<String> {
    let module = format!("{NATS}@{NATS_VERSION}");
    match build_nats(bench, &module) {
        Ok(()) => Some(module),
        Err(error) => {
            bench.leave_out(format!("nats-bench: {error:#}"));
            None
        }
    }
}

fn build_nats(bench: &Bench, module: &str) -> Result<()> {
    let program = nats_program()?;
    if program.is_file() {
        return Ok(());
    }
    ensure!(
        !bench.run.smoke,
        "{} is not there, and the small sizes do not build it",
        program.display()
    );
    let mut command = Command::new("go");
    command.args(["install", "-p", "2", "-trimpath", "-ldflags", "-s -w", module]);
    command.env("GOBIN", program.parent().unwrap_or(Path::new("."))).env("CGO_ENABLED", "0");
    let status = command.stdin(Stdio::null()).status();
    let status = status.context("it is built with Go, which cannot be started (https://go.dev)")?;
    ensure!(status.success(), "{module} cannot be built: {status}");
    Ok(())
}

fn nats_program() -> Result<PathBuf> {
    Ok(program::build_folder()?.join("bench-tools").join("nats"))
}

/// What a tool prints.
fn run(bench: &Bench, mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let home = Directory::new()?;
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).stdin(Stdio::null());
    sys::confine(&mut command, &bench.run.client_cores);
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{name} failed: {}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}
