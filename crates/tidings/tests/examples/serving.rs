//! This project's own program while it serves, as a hub or as a relay.

use std::{net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;

use crate::program::{Program, START};

/// How long a relay may wait before it looks again whether a lost upstream is back, and some more.
const COME_BACK: Duration = Duration::from_secs(45);

/// A running hub or relay. It is killed when this is dropped.
pub(crate) struct Serving {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    program: Program,
}

impl Serving {
    /// Runs the program with these arguments on free ports, and waits until it serves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        // The apps need no log that survives, and leave none behind.
        command.args(["--set", "telemetry.log_format=json", "--store", "memory"]).env_clear();
        let program = Program::start(&mut command);
        let address = program.says(START, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line.pointer("/fields/address")?.as_str()?.parse().ok()
        });
        Self { address, program }
    }

    /// Waits until a relay has its lost upstream again.
    pub(crate) fn wait_for_upstream(&self) {
        self.program.says(COME_BACK, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line.pointer("/fields/message")? == "the upstream is back").then_some(())
        });
    }

    /// Its URL, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
