//! This project's own program while it serves, as a hub or as a relay.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use crate::program::Program;

/// A running hub or relay. It is killed when this is dropped.
pub(crate) struct Serving {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _program: Program,
}

impl Serving {
    /// Runs the program with these arguments on free ports, and waits until it serves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--set", "telemetry.log_format=json"]).env_clear();
        let program = Program::start(&mut command);
        let address = program.says(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line.pointer("/fields/address")?.as_str()?.parse().ok()
        });
        Self { address, _program: program }
    }

    /// Its URL, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
