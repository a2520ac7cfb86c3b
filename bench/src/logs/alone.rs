//! A hop over an engine alone: one client publishes at a fixed pace, another is told, both in one thread as the generator is.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::LIMIT;
use crate::{
    clock::{self, Deadline},
    histogram::Histogram,
    marker::Marker,
    sys::{self, Epoll},
};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1_024;
/// How long the loop waits at most.
const LOOK_MILLIS: i32 = 100;

/// The two clients of an engine, in its own protocol.
pub(super) trait Pair {
    /// Sends an update.
    fn publish(&mut self, data: &[u8]) -> Result<()>;

    /// Reads what has come for the one that publishes: how many acknowledgements.
    fn acknowledgements(&mut self) -> Result<u64>;

    /// Reads what has come for the one that is told, and hands over each update.
    fn updates(&mut self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// The connection of each.
    fn lines(&self) -> [&Line; 2];
}

/// Publishes so many updates, so many a second, and answers how long each took to the other client, in nanoseconds.
///
/// # Errors
/// When one is lost, or comes out of order.
pub(super) fn run(
    pair: &mut dyn Pair,
    updates: u32,
    rate: f64,
    data_bytes: usize,
) -> Result<Histogram> {
    let mut epoll = Epoll::new()?;
    for (line, number) in pair.lines().into_iter().zip(0..) {
        epoll.add(line.socket.as_fd(), sys::READABLE, number)?;
    }
    let period = clock::nanos(Duration::from_secs_f64(1.0 / rate));
    let (start, deadline) = (clock::now(), Deadline::after(LIMIT));
    let (mut latency, mut data) = (Histogram::new(), Vec::new());
    let (mut published, mut acknowledged, mut told) = (0, 0, 0);
    while told < updates || acknowledged < u64::from(updates) {
        let due = start + u64::from(published) * period;
        if published < updates && due <= clock::now() {
            let marker = Marker { run: 0, topic: 0, seq: published, sent: due };
            marker.write(data_bytes, &mut data);
            pair.publish(&data)?;
            published += 1;
            continue;
        }
        let mut millis = deadline.millis(LOOK_MILLIS);
        if published < updates {
            // The last millisecond is spun through, as the generator does.
            let left = due.saturating_sub(clock::now()) / 1_000_000;
            millis = millis.min(i32::try_from(left).unwrap_or(millis));
        }
        epoll.wait(millis)?;
        pair.updates(&mut |data| {
            let now = clock::now();
            let Ok(Some((marker, _))) = Marker::find(data) else {
                bail!("an update without a marker")
            };
            ensure!(marker.seq == told, "update {} in place of {told}", marker.seq);
            told += 1;
            latency.record(now.saturating_sub(marker.sent));
            Ok(())
        })?;
        acknowledged += pair.acknowledgements()?;
        ensure!(!deadline.has_passed(), "out of time: {told} of {updates} updates have come");
    }
    Ok(latency)
}

/// A connection to an engine, and what has come on it.
pub(super) struct Line {
    socket: TcpStream,
    input: Vec<u8>,
}

impl Line {
    pub(super) fn connect(to: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(to).context("cannot connect to the engine")?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, input: Vec::new() })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = self.socket.write(bytes).context("cannot send to the engine")?;
        ensure!(sent == bytes.len(), "the engine takes nothing more");
        Ok(())
    }

    /// Reads what has come.
    pub(super) fn read(&mut self) -> Result<&[u8]> {
        let mut buffer = [0; READ_BYTES];
        match self.socket.read(&mut buffer) {
            Ok(0) => bail!("the engine ended the connection"),
            Ok(read) => self.input.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("the connection to the engine broke"),
        }
        Ok(&self.input)
    }

    /// Waits until what has come is enough.
    pub(super) fn wait(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Result<()> {
        let deadline = Deadline::after(LIMIT);
        while !is_enough(self.read()?) {
            ensure!(!deadline.has_passed(), "the engine does not answer");
            clock::pause(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Done with so much of what has come.
    pub(super) fn take(&mut self, bytes: usize) {
        self.input.drain(..bytes.min(self.input.len()));
    }
}
