//! A hub that is killed and started again at the same addresses.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{self, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::hub::{Hub, PROGRAM};

/// Settings of a hub that holds next to nothing of its log in memory.
pub(crate) const LITTLE_MEMORY: [&str; 2] = ["limits.update_bytes=16KiB", "log.memory=64KiB"];

/// A hub, running or not.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    arguments: Vec<String>,
    settings: Vec<&'static str>,
    hub: Option<Hub>,
}

impl Node {
    /// One that does not run yet, with where its log is (`--data DIR`, `--store URL`) and settings.
    pub(crate) fn new(log: &[&str], settings: &[&'static str]) -> Self {
        Self {
            address: free_address(),
            admin: free_address(),
            arguments: log.iter().map(|&argument| argument.to_owned()).collect(),
            settings: settings.to_vec(),
            hub: None,
        }
    }

    /// Starts it, and waits until it serves.
    pub(crate) async fn start(&mut self) {
        assert!(self.hub.is_none(), "it is running");
        self.hub = Some(Hub::start(self.command(), &self.settings).await);
    }

    /// Starts it and kills it after a time, whether it serves by then or not.
    pub(crate) async fn start_in_vain(&mut self, life: Duration) {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let ended = timeout(life, process.wait()).await;
        assert!(ended.is_err(), "the hub on {} has ended by itself: {ended:?}", self.address);
        process.kill().await.unwrap();
    }

    /// Kills it (-9).
    pub(crate) async fn kill(&mut self) {
        self.end("KILL").await;
    }

    /// Ends it with a signal.
    pub(crate) async fn end(&mut self, signal: &str) {
        let mut hub = self.hub.take().expect("it is running");
        hub.signal(signal).await;
        hub.exit().await;
    }

    /// The hub, which runs.
    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it is running")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--dev", "--listen", &self.address.to_string()]);
        command.args(["--admin-listen", &self.admin.to_string()]).args(&self.arguments);
        command
    }
}

/// An address where nobody listens, outside of those that the system gives to connections: it stays free while the hub is
/// down.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(process::id() % 800).unwrap();
    loop {
        let port = 10_000 + (process * 12 + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_600;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
