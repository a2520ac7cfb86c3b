//! The contract of an event-stream client, asked of each client's test service: by our own cases, and by LaunchDarkly's
//! `sse-contract-tests`, which is installed where Go and the module are to be had.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    setup::in_path,
    steps::Outcome,
    workspace::{Workspace, run},
};

/// The suite's 2.31.1. Its module is not named `…/v2`, so Go knows that version by its commit only.
const SUITE: &str =
    "github.com/launchdarkly/sse-contract-tests@756c45e922241f6c4b7cf57f355b7c40082ef42c";

/// What the suite is called once it is installed.
const SUITE_PROGRAM: &str = "sse-contract-tests";

/// The TypeScript client's package.
const TYPESCRIPT: &str = "clients/typescript";

/// Its service, and what that is compiled to.
const TYPESCRIPT_SERVICE: (&str, &str) =
    ("test/contract-service.ts", "build/test/contract-service.js");

/// How our own cases are told where the service is.
const SERVICE_VARIABLE: &str = "TIDINGS_CONTRACT_SERVICE";

/// Asks every client's service all questions. Left out, with the reason, where the suite from outside cannot be had; our
/// own cases have passed then.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let suite = Suite::install(workspace)?;
    for (client, command) in services(workspace)? {
        println!("the {client} client");
        ask(workspace, command, &suite).with_context(|| format!("the {client} client"))?;
    }
    Ok(match suite {
        Suite::At(_) => Outcome::Passed,
        Suite::Missing(reason) => {
            Outcome::LeftOut(format!("{SUITE_PROGRAM}: {reason}; our own cases passed"))
        }
    })
}

/// Each client's name, and the command that starts its service.
fn services(workspace: &Workspace) -> Result<Vec<(&'static str, Command)>> {
    let example = ["--package", "tidings-client", "--example", "contract-service"];
    run(workspace.cargo(&["build", "--locked"]).args(example))?;
    let program = workspace.target()?.join("debug/examples/contract-service");
    let mut services = vec![("Rust", workspace.command(&program.to_string_lossy()))];
    services.extend(typescript(workspace)?.map(|node| ("TypeScript", node)));
    Ok(services)
}

/// Compiles the TypeScript client's service, if there is one.
fn typescript(workspace: &Workspace) -> Result<Option<Command>> {
    let folder = workspace.root().join(TYPESCRIPT);
    let (source, compiled) = TYPESCRIPT_SERVICE;
    if !folder.join(source).is_file() {
        return Ok(None);
    }
    if !folder.join("node_modules").is_dir() {
        let arguments = ["ci", "--no-audit", "--no-fund"];
        run(workspace.command("npm").args(arguments).current_dir(&folder))?;
    }
    let compile = ["run", "--silent", "compile"];
    run(workspace.command("npm").args(compile).current_dir(&folder))?;
    let mut node = workspace.command("node");
    node.arg(folder.join(compiled));
    Ok(Some(node))
}

/// Asks one service, which is started for that and stopped afterwards.
fn ask(workspace: &Workspace, command: Command, suite: &Suite) -> Result<()> {
    let service = Service::start(command)?;
    let cases = ["test", "--package", "tidings-client", "--test", "contract", "--locked"];
    run(workspace.cargo(&cases).env(SERVICE_VARIABLE, &service.url))?;
    match suite {
        Suite::At(program) => run_suite(workspace, program, &service.url),
        Suite::Missing(_) => Ok(()),
    }
}

/// The suite, or why it is not there.
enum Suite {
    At(PathBuf),
    Missing(String),
}

impl Suite {
    /// Installs it into the target directory if this version of it is not there.
    fn install(workspace: &Workspace) -> Result<Self> {
        let version = SUITE.rsplit('@').next().unwrap_or_default();
        let folder = workspace.target()?.join("contract").join(version);
        let program = folder.join(SUITE_PROGRAM);
        if program.is_file() {
            return Ok(Self::At(program));
        }
        if !in_path("go") {
            return Ok(Self::Missing("it needs Go (Debian's package golang-go)".to_owned()));
        }
        let mut install = workspace.command("go");
        install.args(["install", SUITE]).env("GOBIN", &folder);
        Ok(match run(&mut install) {
            Ok(()) => Self::At(program),
            Err(error) => Self::Missing(format!("it cannot be had: {error:#}")),
        })
    }
}

/// Runs the suite. It must leave nothing out.
fn run_suite(workspace: &Workspace, program: &Path, url: &str) -> Result<()> {
    let port = free_port()?.to_string();
    let mut suite = workspace.command(&program.to_string_lossy());
    suite.args(["--url", url, "--host", "127.0.0.1", "--port", &port]);
    // What it prints tells what it left out, so it is read; and it is shown, since it tells what failed.
    let ended = suite.stderr(Stdio::inherit()).output().context("cannot start the suite")?;
    let text = String::from_utf8_lossy(&ended.stdout);
    println!("{text}");
    ensure!(ended.status.success(), "{SUITE_PROGRAM} ended with {}", ended.status);
    let skipped = skipped(&text);
    ensure!(skipped.is_empty(), "{SUITE_PROGRAM} left out: {}", skipped.join(", "));
    Ok(())
}

/// The tests that the suite says it has skipped.
fn skipped(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| Some(line.split_once("SKIPPED: ")?.1.trim())).collect()
}

/// A port that nobody listens on. Somebody may begin to before the suite does, and then it says so.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// A test service that runs. Its first line says where: `http://127.0.0.1:8000`.
struct Service {
    url: String,
    process: Child,
    /// Kept open, so that the service may print more.
    output: BufReader<ChildStdout>,
}

impl Service {
    fn start(mut command: Command) -> Result<Self> {
        let mut process =
            command.stdout(Stdio::piped()).spawn().context("cannot start the test service")?;
        let stdout = process.stdout.take().context("the test service has no output")?;
        // From here on the process is stopped, whatever happens.
        let mut service = Self { url: String::new(), process, output: BufReader::new(stdout) };
        let mut line = String::new();
        service.output.read_line(&mut line).context("the test service's output is no text")?;
        line.trim().clone_into(&mut service.url);
        if !service.url.starts_with("http://") {
            bail!("the test service's first line is no URL: {line:?}");
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_suite_has_skipped_is_found() {
        let text = "[a/b]\n  SKIPPED: a/b (test service does not support \"post\")\n[c]\nAll tests passed\n";
        assert_eq!(skipped(text), ["a/b (test service does not support \"post\")"]);
        assert!(skipped("[a/b]\nAll tests passed\n").is_empty());
    }

    #[test]
    fn a_service_that_does_not_say_where_it_is_cannot_be_asked() {
        let error = Service::start(Command::new("true")).err().unwrap();
        assert!(error.to_string().contains("no URL"), "{error}");
    }
}
