//! The engines that hubs share a log on: how each is started, with the settings that make what it acknowledges durable.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A server that keeps a log for hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Redis with its append-only file, synced so: `everysec` or `always`. No snapshots and no rewriting meanwhile: they
    /// would come at other moments in each run.
    Redis { sync: &'static str },
    /// NATS with JetStream, its streams in files, synced as it is by default: every two minutes.
    Nats,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis { .. } => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    /// The URL by which a hub is told of it.
    pub(crate) fn url(self, port: u16) -> String {
        let scheme = match self {
            Self::Redis { .. } => "redis",
            Self::Nats => "nats",
        };
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// Starts it.
    pub(crate) fn command(self, port: u16, data: &Path) -> Command {
        let mut command = Command::new(self.name());
        let port = port.to_string();
        match self {
            Self::Redis { sync } => {
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command.args(["--appendonly", "yes", "--appendfsync", sync]);
                command.args(["--auto-aof-rewrite-percentage", "0"]).arg("--dir").arg(data);
            }
            Self::Nats => {
                command.args(["--addr", "127.0.0.1", "--port", &port, "--jetstream"]);
                command.arg("--store_dir").arg(data);
            }
        }
        command
    }

    /// Its version; none where it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        let mut command = Command::new(self.name());
        let output = command.arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // `Redis server v=7.0.15 sha=…` and `nats-server: v2.9.10`.
        let mut words = text.split_whitespace().map(|word| word.trim_start_matches("v="));
        let version = words.find(|word| word.trim_start_matches('v').starts_with(char::is_numeric));
        version.map(|version| format!("{} {version}", self.name()))
    }
}
