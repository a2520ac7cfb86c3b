//! The browser: a headless Chromium behind its driver, in a home of its own that is gone afterwards.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{self, Command},
    str::FromStr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Map, json};

use super::program::{Program, START};

/// What the tests need in `PATH`, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// Headless; without the sandbox, which containers do not allow; without traffic of its own.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// How often the driver is started at the most.
const MAX_STARTS: usize = 5;

/// How long the driver may take to end the browser.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(20);

/// A running browser. Dropping it ends it, also when the test has failed.
pub(crate) struct Chromium {
    /// Its one window.
    pub(crate) client: Client,
    // In this order: when the driver and the browser are gone, nobody writes into the home any more.
    _driver: Driver,
    _home: Home,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        for (program, package) in PROGRAMS {
            assert!(
                in_path(program),
                "the browser tests need `{program}`: run `cargo xtask setup`, or install {package}"
            );
        }
        let home = Home::new();
        let driver = Driver::start(&home);
        let client = connect(driver.port, &home).await;
        Self { client, _driver: driver, _home: home }
    }

    /// What the console says: failed loads, violated policies, uncaught exceptions. Each line is given once.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.client.issue_cmd(ConsoleLog).await.unwrap();
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry.get("message").unwrap().as_str().unwrap().to_owned()).collect()
    }
}

async fn connect(port: u16, home: &Home) -> Client {
    let profile = format!("--user-data-dir={}", home.0.join("profile").display());
    let arguments: Vec<_> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
    let capabilities = Map::from_iter([
        ("goog:chromeOptions".to_owned(), json!({ "args": arguments })),
        ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
    ]);
    let mut builder = ClientBuilder::new(HttpConnector::new());
    let builder = builder.capabilities(capabilities);
    builder.connect(&format!("http://127.0.0.1:{port}")).await.unwrap()
}

/// The driver, and with it the browser that it started.
struct Driver {
    port: u16,
    _program: Program,
}

impl Driver {
    fn start(home: &Home) -> Self {
        let mut command = Command::new("chromedriver");
        // All that the two leave behind is in the home.
        command.env("HOME", &home.0).env("TMPDIR", &home.0).arg("--port=0");
        let started = (0..MAX_STARTS).find_map(|_| {
            let program = Program::start(&mut command);
            match program.says(START, start) {
                Start::On(port) => Some(Self { port, _program: program }),
                Start::PortTaken => None,
            }
        });
        started.unwrap()
    }

    /// A killed driver would leave the browser running, so it is asked to end both.
    fn shut_down(&self) -> io::Result<()> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(GOODBYE_TIMEOUT))?;
        write!(socket, "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        // The driver closes the connection when it ends.
        socket.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A second panic would end all other tests, too.
        let ended = self.shut_down();
        assert!(ended.is_ok() || thread::panicking(), "the browser may still run: {ended:?}");
    }
}

/// What the driver says of its start.
enum Start {
    On(u16),
    /// Another program has the port that it chose: it takes a free port of IPv6, and then the same one of IPv4.
    PortTaken,
}

fn start(line: &str) -> Option<Start> {
    if line.contains("port not available") {
        return Some(Start::PortTaken);
    }
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok().map(Start::On)
}

/// Chromium's own command for the console's lines.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/se/log", session.unwrap()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A new folder, removed when it is dropped.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("tidings-browser-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || thread::panicking(), "{}: {removed:?}", self.0.display());
    }
}

fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
