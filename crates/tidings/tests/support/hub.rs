//! The built program as a running hub: its addresses, its metrics, its end.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::Instant,
};

use crate::request;

/// The program's path.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tidings");

/// How often a figure is looked at again.
const LOOK: Duration = Duration::from_millis(50);

/// A running hub. It is killed when this is dropped.
pub(crate) struct Hub {
    process: Child,
    /// Where publishers and subscribers connect.
    pub(crate) address: SocketAddr,
    /// Where probes and metrics are.
    pub(crate) admin: SocketAddr,
}

impl Hub {
    /// Starts a hub in development mode on free ports, with these settings (`name=value`).
    pub(crate) async fn dev(settings: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--dev"]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        Self::start(command, settings).await
    }

    /// Runs a command that serves, with more settings, and waits until it says where.
    pub(crate) async fn start(mut command: Command, settings: &[&str]) -> Self {
        command.args(["--set", "telemetry.log_format=json"]);
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        // Memory that is not used any more is given back after one second instead of ten: the tests need not wait.
        command.env("_RJEM_MALLOC_CONF", "dirty_decay_ms:1000");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let fields = loop {
            let Some(line) = lines.next_line().await.unwrap() else {
                panic!("the hub did not start: {said}");
            };
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            match entry.get("fields") {
                Some(fields) if fields["message"] == "serving" => break fields.clone(),
                _ => said.push_str(&line),
            }
        };
        // Nobody may be held up by a pipe that is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = |name: &str| fields[name].as_str().unwrap().parse().unwrap();
        Self { process, address: address("address"), admin: address("admin") }
    }

    /// The value of one line of the metrics, named with its labels.
    pub(crate) async fn metric(&self, line: &str) -> usize {
        let (status, text) = request::read(self.admin, "/metrics").await;
        assert_eq!(status, 200);
        let mut values =
            text.lines().filter_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        values.next_back().unwrap_or_else(|| panic!("no {line} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has a value, and says how long that took.
    pub(crate) async fn wait_for(&self, line: &str, wanted: usize, limit: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            let value = self.metric(line).await;
            if value == wanted {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < limit, "{line} is {value}, not {wanted}, after {limit:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.await.unwrap().success());
    }

    /// Waits for the end of the process.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        self.process.wait().await.unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }
}
