//! A real `nats-server` with JetStream, on a port and in a directory of its own; both are gone when it is dropped.
//!
//! It needs nothing but the standard library, so any crate's tests can take it in with `#[path]`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

/// A server.
#[derive(Debug)]
pub(crate) struct Nats {
    dir: TempDir,
    port: u16,
    jetstream: String,
    rest: String,
    child: Option<Child>,
}

/// How many ports are tried.
const TRIES: usize = 100;

impl Nats {
    /// Starts a server that takes anybody.
    pub(crate) fn new() -> Self {
        Self::configured("", "")
    }

    /// Starts a server with more in its `jetstream` block, and more in the rest of its configuration.
    pub(crate) fn configured(jetstream: &str, rest: &str) -> Self {
        let mut nats = Self {
            dir: TempDir::new("nats"),
            port: 0,
            jetstream: jetstream.into(),
            rest: rest.into(),
            child: None,
        };
        let mut said = String::new();
        for _ in 0..TRIES {
            nats.port = free_port();
            match nats.try_start() {
                Ok(()) => return nats,
                Err(why) => said = why,
            }
            // Somebody else may have taken the port since.
            if !said.contains("address already in use") {
                break;
            }
        }
        panic!(
            "nats-server does not start; `cargo xtask setup` installs it (Debian: nats-server): {said}"
        );
    }

    /// The address to connect to.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it keeps its streams.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Starts it again, on the same port and with the same data.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it is running");
        if let Err(said) = self.try_start() {
            panic!("nats-server does not start again on port {}: {said}", self.port);
        }
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(&child, "TERM");
            child.wait().expect("it ends");
        }
    }

    /// Stops it in its tracks: it keeps its connections and answers nothing.
    pub(crate) fn stall(&self) {
        let process = self.child.as_ref().expect("it is running");
        signal(process, "STOP");
        while !stands_still(process) {
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Lets it go on after [`stall`](Self::stall).
    pub(crate) fn go_on(&self) {
        signal(self.child.as_ref().expect("it is running"), "CONT");
    }

    /// Starts it and waits until it is ready; what it says when it ends instead.
    fn try_start(&mut self) -> Result<(), String> {
        let config = self.dir.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\"\n{}\n}}\n{}\n",
            self.port,
            self.store().display(),
            self.jetstream,
            self.rest
        );
        fs::write(&config, text).expect("the configuration can be written");
        let child = Command::new(program())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        let mut lines =
            BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines.by_ref() {
            if line.contains("Server is ready") {
                // It must not wait for somebody to read what it says.
                thread::spawn(move || lines.for_each(drop));
                self.child = Some(child);
                return Ok(());
            }
            said.push(line);
        }
        child.wait().expect("it has ended");
        Err(said.join("\n"))
    }
}

impl Default for Nats {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Debian has servers in a folder that is not in everybody's path.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/nats-server");
    if debian.is_file() { debian.into() } else { "nats-server".into() }
}

/// Whether every thread of a process stands still: the signal reaches them one after the other.
fn stands_still(process: &Child) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).into_iter().flatten();
    let stat = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("stat"));
    // The state comes after the name, which is in brackets.
    let stands =
        |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    threads.flatten().all(|thread| stat(thread).map_or(true, stands))
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(status.expect("kill is there").success());
}

/// A port that nobody listens on, outside of those that the system gives to connections: it stays free while the server is
/// down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 1000).expect("it is small");
    loop {
        let port = 20_000 + (process * 12 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A directory that is gone when it is dropped.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// Makes one.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tidings-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
