//! A hub with a long log on disk is killed and started again: when it serves, what memory it takes, when a subscriber that
//! resumes from the middle has its first update.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;

use super::{Bench, Contender, Figures, LIMIT, Scenario, millis};
use crate::{
    clock::{self, Deadline},
    directory::Directory,
    load::Bulk,
    report::Figure,
    server::Server,
    target::{Port, Store, Target},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "restart",
    about: "a hub with 1,000,000 updates of 128 bytes on disk, of 100 topics, is killed and started again",
    figures,
    contenders,
};

const TOPICS: u32 = 100;
const DATA_BYTES: usize = 128;
const SETTINGS: &[&str] = &["log.max_updates=2000000", "log.max_bytes=4GiB", "log.max_age=0s"];
/// The end of a head, after which a stream's own bytes come.
const HEAD_END: &[u8] = b"\r\n\r\n";

fn figures() -> Vec<Figure> {
    vec![
        Figure::new("ready", "until /health/ready answers 200", "ms"),
        Figure::new("stream", "until the first byte of a stream", "ms"),
        Figure::new("memory", "memory then (PSS)", "MB"),
        Figure::new("topic", "resuming from the middle on one topic: until the first update", "ms"),
        Figure::new("all", "resuming from the middle on `*`: until the first update", "ms"),
        Figure::new("peak", "memory at the peak of all this (resident)", "MB"),
        Figure::new(
            "ready_cold",
            "with nothing of the log in the system's memory: /health/ready",
            "ms",
        ),
        Figure::new("topic_cold", "with that, resuming on one topic", "ms"),
        Figure::new("all_cold", "with that, resuming on `*`", "ms"),
    ]
}

fn contenders(_: &Bench) -> Vec<Contender> {
    let mut place = None;
    let run = move |bench: &Bench| {
        if place.is_none() {
            place = Some(Place::fill(bench)?);
        }
        place.as_mut().context("there is no log")?.round(bench)
    };
    let about = "the hub, its log on disk".to_owned();
    vec![Contender { name: "tidings-disk", about, run: Box::new(run) }]
}

/// The log, which all rounds share.
struct Place {
    directory: Directory,
    target: Target,
    /// An id from the middle, and the one after it.
    middle: String,
    next: String,
}

impl Place {
    fn fill(bench: &Bench) -> Result<Self> {
        let target = Target::hub(Store::Disk, SETTINGS)?;
        let directory = Directory::new()?;
        let updates = bench.pick(1_000_000, 2_000);
        let mut hub = bench.start(&target, Some(directory.path()))?;
        let last_id = append(&mut hub, updates)?;
        hub.kill()?;
        let (epoch, seq) = last_id.rsplit_once('-').context("an id without a place")?;
        let seq = seq.parse::<u64>()?.saturating_sub(updates / 2);
        let (middle, next) = (format!("{epoch}-{seq}"), format!("\nid: {epoch}-{}\n", seq + 1));
        bench.note(format!("the file system is {}", directory.file_system()));
        bench.note(format!("the log takes {} MB", directory.bytes() / 1_000_000));
        Ok(Self { directory, target, middle, next })
    }

    fn round(&mut self, bench: &Bench) -> Result<Figures> {
        let started = clock::now();
        let mut hub = bench.start(&self.target, Some(self.directory.path()))?;
        let ready = ready(&hub, started)?;
        let address = hub.address(Port::First);
        until(address, "/events?topic=t0", None, HEAD_END)?;
        let stream = clock::now() - started;
        let memory = hub.memory()?.pss;
        let topic = self.resume(&hub, "t50")?;
        let all = self.resume(&hub, "*")?;
        let peak = hub.memory()?.peak;
        // What comes next is found as after a crash: not yet where it stays.
        append(&mut hub, bench.pick(10_000, 100))?;
        hub.kill()?;

        self.directory.forget_cached()?;
        let started = clock::now();
        let hub = bench.start(&self.target, Some(self.directory.path()))?;
        let ready_cold = self::ready(&hub, started)?;
        let topic_cold = self.resume(&hub, "t51")?;
        let all_cold = self.resume(&hub, "*")?;
        hub.kill()?;
        Ok(vec![
            ("ready", millis(ready)),
            ("stream", millis(stream)),
            ("memory", memory as f64 / 1e6),
            ("topic", millis(topic)),
            ("all", millis(all)),
            ("peak", peak as f64 / 1e6),
            ("ready_cold", millis(ready_cold)),
            ("topic_cold", millis(topic_cold)),
            ("all_cold", millis(all_cold)),
        ])
    }

    /// How long it takes until the first update has come, in nanoseconds.
    fn resume(&self, hub: &Server, selector: &str) -> Result<u64> {
        let path = format!("/events?topic={selector}");
        let start = clock::now();
        let answer = until(hub.address(Port::First), &path, Some(&self.middle), b"\ndata:")?;
        let nanos = clock::now() - start;
        ensure!(memmem::find(&answer, b"gap").is_none(), "a gap was told: the log is not whole");
        let has_next = memmem::find(&answer, self.next.as_bytes()).is_some();
        ensure!(selector != "*" || has_next, "{} is missing", self.next.trim());
        Ok(nanos)
    }
}

/// Publishes updates and answers the id of the last.
fn append(hub: &mut Server, updates: u64) -> Result<String> {
    let to = hub.address(Port::First);
    let bulk = Bulk { to, path: "/events", updates, topics: TOPICS, data_bytes: DATA_BYTES };
    Ok(bulk.run(hub, LIMIT)?.last_id)
}

/// How long after a moment it is ready, in nanoseconds.
fn ready(hub: &Server, since: u64) -> Result<u64> {
    let deadline = Deadline::after(LIMIT);
    loop {
        let answer = until(hub.address(Port::Second), "/health/ready", None, HEAD_END);
        if answer.is_ok() {
            return Ok(clock::now() - since);
        }
        ensure!(!deadline.has_passed(), "the hub does not become ready: {}", hub.log());
    }
}

/// Asks for something and reads until that stands in the answer.
fn until(to: SocketAddr, path: &str, last_id: Option<&str>, what: &[u8]) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(LIMIT))?;
    let resume = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let accept = "Accept: text/event-stream, text/plain\r\n";
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n{accept}{resume}\r\n");
    socket.write_all(request.as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 * 1_024]);
    while memmem::find(&answer, what).is_none() {
        let read = socket.read(&mut buffer).with_context(|| format!("no answer to {path}"))?;
        ensure!(read > 0, "the answer to {path} ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("{path}: {}", String::from_utf8_lossy(answer.get(..200).unwrap_or(&answer)));
    }
    Ok(answer)
}
