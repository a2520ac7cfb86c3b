//! One stream: its connection, the answer so far, the event that is coming.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::fd::AsFd as _,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, Socket, Type};

use super::{
    response::{Response, Sink},
    tally::Tally,
};
use crate::{marker::Marker, sys};

/// How many streams share a source address: each has some 28,000 ports.
const STREAMS_PER_ADDRESS: usize = 4_000;

/// The longest segment of a stuck stream, as on an Ethernet.
const SEGMENT_BYTES: u32 = 1_460;

/// A stream that is to be opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// What it asks for, in place of `{topic}`.
    pub(crate) selector: String,
    /// The number of the topic whose updates it gets.
    pub(crate) topic: u32,
    /// The id of the last update it has seen, and how many updates it has seen.
    pub(crate) resume: Option<(String, u32)>,
    /// Whether it stops reading once it is open.
    pub(crate) stuck: bool,
    /// Whether the id of its last event is kept.
    pub(crate) keep_id: bool,
}

/// An open or opening stream.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    stage: Stage,
    /// What is to be sent once it is connected; kept until it is open.
    request: Vec<u8>,
    response: Response,
    event: Event,
    topic: u32,
    /// How many updates it has got.
    received: u32,
    pub(crate) stuck: bool,
    keep_id: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Asked,
    Open,
}

/// The parts of an event that matter here.
#[derive(Default)]
struct Event {
    markers: Vec<Marker>,
    id: Vec<u8>,
}

impl Stream {
    /// Begins to connect.
    pub(crate) fn connect(
        to: SocketAddr,
        number: usize,
        plan: &Plan,
        request: Vec<u8>,
    ) -> io::Result<Self> {
        let socket = connect(to, number, plan.stuck)?;
        Ok(Self {
            socket,
            stage: Stage::Connecting,
            request,
            response: Response::default(),
            event: Event::default(),
            topic: plan.topic,
            received: plan.resume.as_ref().map_or(0, |(_, seen)| *seen),
            stuck: plan.stuck,
            keep_id: plan.keep_id,
        })
    }

    /// Begins again, with a stream that broke before it was open.
    pub(crate) fn connect_again(&mut self, to: SocketAddr, number: usize) -> io::Result<()> {
        self.socket = connect(to, number, self.stuck)?;
        self.stage = Stage::Connecting;
        self.response = Response::default();
        Ok(())
    }

    /// Whether its answer has come.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Sends the request once the connection stands; whether that has now happened.
    pub(crate) fn ask(&mut self) -> Result<bool> {
        if self.stage != Stage::Connecting {
            return Ok(false);
        }
        if let Some(error) = self.socket.take_error()? {
            return Err(error).context("cannot connect");
        }
        let sent = self.socket.write(&self.request).context("cannot send the request")?;
        if sent < self.request.len() {
            bail!("the socket does not take a whole request");
        }
        self.stage = Stage::Asked;
        Ok(true)
    }

    /// Reads once. Whether the stream has opened with it.
    pub(crate) fn read(&mut self, buffer: &mut [u8], now: u64, tally: &mut Tally) -> Result<bool> {
        let read = match self.socket.read(buffer) {
            Ok(0) => bail!("the server ended the stream"),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("the stream broke"),
        };
        tally.bytes += read as u64;
        let mut reader = Reader {
            event: &mut self.event,
            received: &mut self.received,
            topic: self.topic,
            keep_id: self.keep_id,
            status: None,
            now,
            tally,
        };
        self.response.feed(buffer.get(..read).unwrap_or_default(), &mut reader)?;
        let status = reader.status;
        if self.response.has_ended() {
            bail!("the server ended the stream");
        }
        match status {
            None => Ok(false),
            Some(200) => {
                self.stage = Stage::Open;
                self.request = Vec::new();
                tally.opened += 1;
                Ok(true)
            }
            Some(other) => bail!("the server answered {other}"),
        }
    }

    /// The id of the last event, where it is kept.
    pub(crate) fn last_id(&self) -> &[u8] {
        &self.event.id
    }

    pub(crate) fn topic(&self) -> u32 {
        self.topic
    }
}

/// A socket that is on its way.
fn connect(to: SocketAddr, number: usize, stuck: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // A reset at the end leaves no port waiting.
    socket.set_linger(Some(Duration::ZERO))?;
    sys::bind_address_only(socket.as_fd())?;
    let last = u8::try_from(number / STREAMS_PER_ADDRESS + 1).unwrap_or(1);
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
    if stuck {
        socket.set_recv_buffer_size(1)?;
        // The kernel's buffers are sized by the segments: those of the loopback interface are 64 KiB.
        socket.set_tcp_mss(SEGMENT_BYTES)?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Turns the lines of one stream into deliveries.
struct Reader<'a> {
    event: &'a mut Event,
    received: &'a mut u32,
    topic: u32,
    keep_id: bool,
    status: Option<u16>,
    now: u64,
    tally: &'a mut Tally,
}

impl Sink for Reader<'_> {
    fn head(&mut self, status: u16) {
        self.status = Some(status);
    }

    fn line(&mut self, line: &[u8]) {
        match line {
            [] => {
                for marker in self.event.markers.drain(..) {
                    self.tally.deliver(marker, self.topic, *self.received, self.now);
                    *self.received += 1;
                }
            }
            [b':', ..] => self.tally.comments += 1,
            [b'd', b'a', b't', b'a', b':', data @ ..] => self.data(data),
            [b'i', b'd', b':', id @ ..] if self.keep_id => {
                self.event.id.clear();
                self.event.id.extend_from_slice(id.strip_prefix(b" ").unwrap_or(id));
            }
            _ => {}
        }
    }
}

impl Reader<'_> {
    fn data(&mut self, mut data: &[u8]) {
        loop {
            match Marker::find(data) {
                Ok(Some((marker, rest))) => {
                    self.event.markers.push(marker);
                    data = rest;
                }
                Ok(None) => return,
                Err(_) => {
                    self.tally.fault(|| {
                        let line = String::from_utf8_lossy(data);
                        format!("damaged data: {}", line.chars().take(200).collect::<String>())
                    });
                    return;
                }
            }
        }
    }
}
