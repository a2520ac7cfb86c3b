//! The `tidings` binary: what was asked for, and the exit code: 0 done, 1 the hub refused, 2
//! failed.

mod args;
mod config;
mod demo;
mod log;
mod logging;
mod publish;
mod relay;
mod remote;
mod serve;
mod show_config;
mod subscribe;
mod terminal;
mod token;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::Context as _;
use tikv_jemallocator::Jemalloc;

use self::{args::Command, remote::Refused, terminal::printable};

/// Gives memory back some seconds after it was last used. With the C library's allocator a hub whose 5,000 streams were
/// gone kept more than 100 MiB for good: what is long-lived, the log, lies between what is not.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let Err(error) = run(args::parse(env::args_os()).command) else { return ExitCode::SUCCESS };
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe) {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    let line = format!("{error:#}");
    // Nothing is left to do when standard error is gone too.
    writeln!(io::stderr(), "tidings: {}", printable(&line)).unwrap_or_default();
    ExitCode::from(if error.is::<Refused>() { 1 } else { 2 })
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(settings) => serve::serve(&settings),
        Command::Demo(settings) => serve::demo(settings),
        Command::Relay(arguments) => relay::relay(&arguments),
        Command::Publish(arguments) => client_runtime()?.block_on(publish::publish(arguments)),
        Command::Subscribe(arguments) => {
            client_runtime()?.block_on(subscribe::subscribe(arguments))
        }
        Command::Token(arguments) => {
            let token = token::mint(&arguments, SystemTime::now())?;
            Ok(writeln!(io::stdout(), "{token}")?)
        }
        Command::Config(arguments) => show_config::show(&arguments),
    }
}

/// One thread is enough to talk to one hub.
fn client_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}
