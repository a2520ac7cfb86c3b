//! The floor: what a stream costs the kernel. One thread waits with epoll and calls `send` for each subscriber, with a
//! frame that was prepared once; it parses no more than it needs to know whom to send what.

mod connection;
mod request;
mod topic;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, Socket, Type};

use self::{connection::Connection, request::Request, topic::Topic};
use crate::{clock, sys};

/// The number of the listener among the events: no descriptor has it.
const LISTENER: u64 = u64::MAX;
/// As many connections may wait to be accepted as the system lets.
const BACKLOG: i32 = 65_535;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1_024;
/// How often each stream is sent a comment, where that is asked for.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache\r\nConnection: close\r\n\r\n";
const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const COMMENT: &[u8] = b":\n\n";

/// Serves on a port of the loopback interface until the process is ended.
///
/// # Errors
/// When the system refuses what it needs.
pub(crate) fn serve(port: u16, keep_alive: bool) -> Result<()> {
    sys::raise_descriptors()?;
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.set_nonblocking(true)?;
    // Inherited by what it accepts. No server that sends events waits for an acknowledgement of the one before.
    listener.set_tcp_nodelay(true)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    listener.listen(BACKLOG)?;
    let epoll = sys::Epoll::new()?;
    epoll.add(listener.as_fd(), sys::READABLE, LISTENER)?;
    let mut floor = Floor {
        epoll,
        listener: listener.into(),
        connections: Vec::new(),
        topics: HashMap::new(),
        buffer: vec![0; READ_BYTES],
    };
    let period = keep_alive.then(|| clock::nanos(KEEP_ALIVE));
    let mut next = clock::now() + period.unwrap_or(0);
    loop {
        let millis = match period {
            Some(_) => i32::try_from(next.saturating_sub(clock::now()).div_ceil(1_000_000))?,
            None => -1,
        };
        let came = floor.epoll.wait(millis)?;
        for index in 0..came {
            if let Some((number, ready)) = floor.epoll.event(index) {
                floor.handle(number, ready)?;
            }
        }
        if let Some(period) = period
            && clock::now() >= next
        {
            floor.keep_alive();
            next += period;
        }
    }
}

struct Floor {
    epoll: sys::Epoll,
    listener: OwnedFd,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    topics: HashMap<Vec<u8>, Topic>,
    buffer: Vec<u8>,
}

impl Floor {
    fn handle(&mut self, number: u64, ready: u32) -> Result<()> {
        if number == LISTENER {
            return self.accept();
        }
        let fd = usize::try_from(number)?;
        if ready & sys::WRITABLE != 0 {
            self.flush(fd)?;
        }
        if ready & !sys::WRITABLE != 0 && self.read(fd).is_err() {
            self.close(fd);
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        while let Some(socket) = sys::accept(self.listener.as_fd())? {
            let fd = usize::try_from(socket.as_raw_fd())?;
            self.epoll.add(socket.as_fd(), sys::READABLE, fd as u64)?;
            if self.connections.len() <= fd {
                self.connections.resize_with(fd + 1, || None);
            }
            if let Some(slot) = self.connections.get_mut(fd) {
                *slot = Some(Connection::new(socket));
            }
        }
        Ok(())
    }

    /// Reads once and answers the requests that are whole.
    fn read(&mut self, fd: usize) -> Result<()> {
        let connection = entry(&mut self.connections, fd)?;
        let read = sys::receive(connection.socket.as_fd(), &mut self.buffer)?;
        if read == 0 {
            bail!("the client is gone");
        }
        let came = self.buffer.get(..read).unwrap_or_default();
        if connection.input.is_empty()
            && let Some((request, used)) = Request::parse(came)?
            && used == read
        {
            return answer(&mut self.connections, &mut self.topics, &self.epoll, fd, &request);
        }
        connection.input.extend_from_slice(came);
        loop {
            let connection = entry(&mut self.connections, fd)?;
            let input = std::mem::take(&mut connection.input);
            let Some((request, used)) = Request::parse(&input)? else {
                connection.input = input;
                return Ok(());
            };
            answer(&mut self.connections, &mut self.topics, &self.epoll, fd, &request)?;
            if let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
                entry(&mut self.connections, fd)?.input = rest.to_vec();
            } else {
                return Ok(());
            }
        }
    }

    /// Writes the rest of a replay that the socket did not take at once.
    fn flush(&mut self, fd: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(fd).and_then(Option::as_mut) else {
            return Ok(());
        };
        let log = connection.topic.as_ref().and_then(|name| self.topics.get(name));
        if connection.send_rest(log.map_or(&[], Topic::log)) {
            self.epoll.change(connection.socket.as_fd(), sys::READABLE, fd as u64)?;
        }
        Ok(())
    }

    fn keep_alive(&mut self) {
        let connections = &mut self.connections;
        for topic in self.topics.values() {
            send_all(connections, topic.subscribers(), COMMENT);
        }
    }

    fn close(&mut self, fd: usize) {
        let connection = self.connections.get_mut(fd).and_then(Option::take);
        let name = connection.and_then(|connection| connection.topic);
        if let Some(topic) = name.and_then(|name| self.topics.get_mut(&name)) {
            topic.leave(fd);
        }
    }
}

fn entry(connections: &mut [Option<Connection>], fd: usize) -> Result<&mut Connection> {
    connections.get_mut(fd).and_then(Option::as_mut).context("the connection is gone")
}

fn answer(
    connections: &mut [Option<Connection>],
    topics: &mut HashMap<Vec<u8>, Topic>,
    epoll: &sys::Epoll,
    fd: usize,
    request: &Request<'_>,
) -> Result<()> {
    match request {
        Request::Subscribe { topic: name, last_id } => {
            let topic = topics.entry(name.to_vec()).or_default();
            topic.join(fd);
            let connection = entry(connections, fd)?;
            connection.topic = Some(name.to_vec());
            let Some(last_id) = last_id else {
                connection.send(STREAM_HEAD);
                return Ok(());
            };
            let after = topic.after(last_id).context("an unknown id")?;
            let sent = connection.send_replay(STREAM_HEAD, topic.log(), after);
            if !sent {
                let interest = sys::READABLE | sys::WRITABLE;
                epoll.change(connection.socket.as_fd(), interest, fd as u64)?;
            }
        }
        Request::Publish { topic: name, data } => {
            if !topics.contains_key(*name) {
                topics.insert(name.to_vec(), Topic::default());
            }
            let topic = topics.get_mut(*name).context("the topic was just made")?;
            let frame = topic.append(data);
            send_all(connections, topic.subscribers(), topic.log().get(frame).unwrap_or_default());
            entry(connections, fd)?.send(TAKEN);
        }
    }
    Ok(())
}

/// The floor itself: one `send` of ready bytes to each.
fn send_all(connections: &mut [Option<Connection>], to: &[usize], frame: &[u8]) {
    for fd in to {
        if let Some(Some(connection)) = connections.get_mut(*fd) {
            connection.send(frame);
        }
    }
}
