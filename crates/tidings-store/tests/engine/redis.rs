//! A real `redis-server` for tests: on a free port, with its own directory, gone when it is dropped.
//!
//! It needs nothing but the standard library, so that any crate's tests can include it with `#[path]`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server.
#[derive(Debug)]
pub(crate) struct Redis {
    port: u16,
    port2: u16,
    dir: PathBuf,
    settings: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// A server that has on its disk what it acknowledges.
    pub(crate) fn new() -> Self {
        Self::with(&["appendonly yes", "appendfsync always", "repl-diskless-sync-delay 0"])
    }

    /// A server with lines of configuration. In them `DIR` is its directory, and `PORT2` another free port.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::with_files(settings, &[])
    }

    /// A server with files in its directory.
    pub(crate) fn with_files(settings: &[&str], files: &[(&str, &str)]) -> Self {
        let dir = new_dir();
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
        let settings = settings.iter().map(|line| (*line).to_owned()).collect();
        let mut redis = Self { port: 0, port2: 0, dir, settings, process: None };
        // Somebody else may take the port between its choice and its use.
        for _ in 0..20 {
            (redis.port, redis.port2) = (free_port(), free_port());
            if redis.try_start() {
                return redis;
            }
        }
        panic!("redis-server does not start: {}", redis.log());
    }

    /// Its URL, without user and password.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The other port.
    pub(crate) fn port2(&self) -> u16 {
        self.port2
    }

    /// Where it keeps its data; other files may be put there, too.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        if let Some(process) = &self.process {
            signal(process, "TERM");
            self.wait_for_its_end();
        }
    }

    /// Starts it again, on the same port and with its data.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "it is running");
        let begun = SystemTime::now();
        while !self.try_start() {
            // Connections of the server before may still hold the port.
            assert!(
                begun.elapsed().unwrap() < PATIENCE,
                "redis-server does not start: {}",
                self.log()
            );
        }
    }

    /// Changes a line of its configuration, for when it is started again.
    pub(crate) fn configure(&mut self, old: &str, new: &str) {
        for line in &mut self.settings {
            if line == old {
                new.clone_into(line);
            }
        }
    }

    /// Lets it stand still: its connections stay, and nothing is answered.
    pub(crate) fn stall(&self) {
        let process = self.process.as_ref().unwrap();
        signal(process, "STOP");
        while !stands_still(process) {
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        signal(self.process.as_ref().unwrap(), "CONT");
    }

    /// Says something to it and gives what it answers, as its protocol has it.
    pub(crate) fn say(&self, words: &[&str]) -> String {
        say(self.port, words).unwrap()
    }

    fn try_start(&mut self) -> bool {
        let mut conf =
            format!("port {}\nbind 127.0.0.1\ndir {}\nsave \"\"\n", self.port, self.dir.display());
        for line in &self.settings {
            let line = line.replace("DIR", &self.dir.display().to_string());
            conf.push_str(&line.replace("PORT2", &self.port2.to_string()));
            conf.push('\n');
        }
        let file = self.dir.join("redis.conf");
        fs::write(&file, conf).unwrap();
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(log)
            .spawn();
        self.process = Some(
            child.unwrap_or_else(|error| panic!("redis-server (Debian: redis-server): {error}")),
        );
        let begun = SystemTime::now();
        while begun.elapsed().unwrap() < PATIENCE {
            match say(self.port, &["PING"]) {
                // With a password it answers that one is needed.
                Ok(answer) if answer.starts_with("+PONG") || answer.starts_with("-NOAUTH") => {
                    return true;
                }
                _ => {}
            }
            if self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some()) {
                break;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn wait_for_its_end(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let begun = SystemTime::now();
        while process.try_wait().unwrap().is_none() {
            assert!(begun.elapsed().unwrap() < PATIENCE, "redis-server does not stop");
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        drop(fs::remove_dir_all(&self.dir));
    }
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

fn signal(process: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.id().to_string())
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name}");
}

fn say(port: u16, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let text = format!("*{}\r\n{}", words.len(), words.collect::<String>());
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&answer) {
        match stream.read(&mut buffer)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether an answer has come as a whole, as far as tests ask for it: texts, and anything short.
fn is_whole(answer: &[u8]) -> bool {
    let header = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    match header
        .strip_prefix(b"$")
        .and_then(|size| std::str::from_utf8(size).ok()?.parse::<usize>().ok())
    {
        Some(size) => answer.len() >= header.len() + size + 4,
        None => answer.ends_with(b"\r\n"),
    }
}

/// A port where nobody listens, outside of those that the system gives to connections: it stays free while the server is
/// down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 1000).unwrap();
    loop {
        let port = 20_000 + (process * 12 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn new_dir() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("tidings-redis-{}-{number}", std::process::id()));
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).unwrap();
    dir
}
