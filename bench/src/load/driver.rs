//! The one loop: waits for all sockets, hands each what came, and publishes as the pace allows.

use std::{net::SocketAddr, os::fd::AsFd as _, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    burst::{Burst, Done, Pace},
    publisher::{Progress, Publisher},
    request,
    stream::{Plan, Stream},
    tally::Tally,
    watched::Watched,
};
use crate::{
    clock::{self, Deadline},
    marker::Marker,
    server::Server,
    sys::{self, Epoll},
    target::{Port, Target},
};

/// How much is read at once, for all streams one after the other.
const READ_BYTES: usize = 256 * 1_024;
/// Numbers of publishers among the events begin here; those of streams below.
const PUBLISHERS: u64 = 1 << 32;
/// How many connections are begun between two looks at those that are under way.
const CONNECT_BATCH: usize = 32;
/// How many streams of a peer may break before the first update, and be begun again.
const AGAIN: usize = 250;
/// How long the loop waits at most before it looks whether the server lives.
const LOOK_MILLIS: i32 = 100;

/// Streams and publishers of one server.
pub(crate) struct Load {
    target: Target,
    subscribe_to: SocketAddr,
    publish_to: SocketAddr,
    epoll: Epoll,
    streams: Vec<Stream>,
    publishers: Vec<Option<Publisher>>,
    /// Publishers that wait for no answer.
    idle: Vec<usize>,
    buffer: Vec<u8>,
    data: Vec<u8>,
    request: Vec<u8>,
    asked: usize,
    /// How many streams may still be begun again: peers may close some under their storm, as clients know it.
    spare: usize,
    /// How many were.
    pub(crate) again: usize,
    pub(crate) tally: Tally,
}

impl Load {
    pub(crate) fn new(target: &Target, server: &Server) -> Result<Self> {
        let publish_to = server.address(target.publish.port);
        Self::to(target, server.address(Port::First), publish_to)
    }

    /// For a server at these addresses.
    pub(crate) fn to(
        target: &Target,
        subscribe_to: SocketAddr,
        publish_to: SocketAddr,
    ) -> Result<Self> {
        Ok(Self {
            target: target.clone(),
            subscribe_to,
            publish_to,
            epoll: Epoll::new()?,
            streams: Vec::new(),
            publishers: Vec::new(),
            idle: Vec::new(),
            buffer: vec![0; READ_BYTES],
            data: Vec::new(),
            request: Vec::new(),
            asked: 0,
            spare: if target.is_floor() || target.is_tidings() { 0 } else { AGAIN },
            again: 0,
            tally: Tally::new(fastrand::u32(..)),
        })
    }

    /// Opens streams, with so many on their way at the same time, and waits until all are open.
    pub(crate) fn open(
        &mut self,
        server: &mut dyn Watched,
        plans: impl IntoIterator<Item = Plan>,
        at_once: usize,
        limit: Duration,
    ) -> Result<()> {
        let deadline = Deadline::after(limit);
        self.begin(server, plans, at_once, deadline)?;
        self.wait(
            server,
            deadline,
            |load| load.tally.opened >= load.asked,
            |load| format!("{} of {} streams are open", load.tally.opened, load.asked),
        )
    }

    /// Begins to open streams; does not wait for the last ones.
    pub(crate) fn begin(
        &mut self,
        server: &mut dyn Watched,
        plans: impl IntoIterator<Item = Plan>,
        at_once: usize,
        deadline: Deadline,
    ) -> Result<()> {
        for plan in plans {
            if self.asked - self.tally.opened >= at_once {
                self.wait(
                    server,
                    deadline,
                    |load| load.asked - load.tally.opened < at_once,
                    |load| format!("{} of {} streams are open", load.tally.opened, load.asked),
                )?;
            }
            self.connect(&plan)?;
            if self.asked.is_multiple_of(CONNECT_BATCH) {
                self.turn(0)?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, plan: &Plan) -> Result<()> {
        let request = request::subscribe(&self.target, self.subscribe_to, plan);
        let number = self.streams.len();
        let stream = Stream::connect(self.subscribe_to, number, plan, request)
            .with_context(|| format!("cannot begin stream {number}"))?;
        self.epoll.add(stream.socket.as_fd(), sys::WRITABLE, number as u64)?;
        // A stream that resumes gets what is expected of it by other means; one that is stuck is not waited for.
        if plan.resume.is_none() && !plan.stuck {
            self.tally.ledger.subscribe(plan.topic);
        }
        self.streams.push(stream);
        self.asked += 1;
        Ok(())
    }

    /// Publishes and waits until every update is with every subscriber.
    pub(crate) fn publish(
        &mut self,
        server: &mut dyn Watched,
        burst: &mut Burst<'_>,
    ) -> Result<Done> {
        let wanted = match burst.pace {
            Pace::Window(publishers) | Pace::Rate(_, publishers) => publishers.max(1),
        };
        while self.publishers.len() < wanted {
            self.idle.push(self.publishers.len());
            self.publishers.push(None);
        }
        self.tally.ledger.one_publisher = wanted == 1;
        let deadline = Deadline::after(burst.limit);
        let budget = Deadline::after(burst.at_most);
        let (start, delivered) = (clock::now(), self.tally.delivered);
        let mut begun = 0;
        loop {
            let over = begun == burst.updates || budget.has_passed();
            if over
                && self.tally.ledger.outstanding() == 0
                && self.idle.len() == self.publishers.len()
            {
                break;
            }
            let wait = if over { None } else { self.due(burst, start, begun) };
            if let Some(time) = wait.filter(|time| *time <= clock::now() && !self.idle.is_empty()) {
                let sent = if time == 0 { clock::now() } else { time };
                self.publish_one((burst.topic)(begun), sent, burst.data_bytes)?;
                begun += 1;
                continue;
            }
            self.look(server, deadline, wait, &|load| {
                let (left, missing) =
                    (load.tally.ledger.outstanding(), load.tally.ledger.missing());
                format!("{missing} deliveries of {left} updates, of {begun}, are missing")
            })?;
        }
        Ok(Done {
            updates: begun,
            deliveries: self.tally.delivered - delivered,
            nanos: clock::now() - start,
        })
    }

    /// When the next update is to be published: 0 for now, none when something must come first.
    fn due(&self, burst: &Burst<'_>, start: u64, begun: u64) -> Option<u64> {
        match burst.pace {
            Pace::Window(window) => (self.tally.ledger.outstanding() < window as u64
                && !self.idle.is_empty())
            .then_some(0),
            Pace::Rate(rate, _) => {
                let period = Duration::from_secs_f64(1.0 / rate.max(0.001));
                Some(start + begun * clock::nanos(period)).filter(|_| !self.idle.is_empty())
            }
        }
    }

    fn publish_one(&mut self, topic: u32, sent: u64, data_bytes: usize) -> Result<()> {
        let seq = self.tally.ledger.publish(topic);
        let run = self.tally.run;
        Marker { run, topic, seq, sent }.write(data_bytes, &mut self.data);
        request::publish(&self.target, self.publish_to, topic, &self.data, &mut self.request);
        let index = self.idle.pop().context("no publisher is free")?;
        let slot = self.publishers.get_mut(index).context("no such publisher")?;
        if slot.is_none() {
            let publisher = Publisher::connect(self.publish_to)?;
            let number = PUBLISHERS + index as u64;
            self.epoll.add(publisher.socket.as_fd(), sys::READABLE, number)?;
            *slot = Some(publisher);
        }
        slot.as_mut().context("no such publisher")?.send(&self.request)
    }

    /// Lets things come for a while.
    pub(crate) fn run_for(&mut self, server: &mut dyn Watched, time: Duration) -> Result<()> {
        let end = Deadline::after(time);
        while !end.has_passed() {
            self.turn(end.millis(LOOK_MILLIS).max(1))?;
            self.check(server)?;
        }
        Ok(())
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// At the deadline, with what is so instead.
    pub(crate) fn wait(
        &mut self,
        server: &mut dyn Watched,
        deadline: Deadline,
        done: impl Fn(&Self) -> bool,
        instead: impl Fn(&Self) -> String,
    ) -> Result<()> {
        while !done(self) {
            self.look(server, deadline, None, &instead)?;
        }
        self.check(server)
    }

    /// Waits for all updates to be with all that are to get them.
    pub(crate) fn wait_for_deliveries(
        &mut self,
        server: &mut dyn Watched,
        deadline: Deadline,
    ) -> Result<()> {
        self.wait(
            server,
            deadline,
            |load| load.tally.ledger.outstanding() == 0,
            |load| {
                let (missing, opened) = (load.tally.ledger.missing(), load.tally.opened);
                format!("{missing} deliveries are missing, {opened} streams are open")
            },
        )
    }

    fn look(
        &mut self,
        server: &mut dyn Watched,
        deadline: Deadline,
        until: Option<u64>,
        instead: &dyn Fn(&Self) -> String,
    ) -> Result<()> {
        let mut millis = deadline.millis(LOOK_MILLIS);
        if let Some(until) = until {
            // The last millisecond is spun through: no wait is so short.
            let left = until.saturating_sub(clock::now()) / 1_000_000;
            millis = millis.min(i32::try_from(left).unwrap_or(millis));
        }
        let came = self.turn(millis)?;
        self.check_faults(server)?;
        if came == 0 && millis > 0 {
            server.check()?;
        }
        if deadline.has_passed() {
            bail!("out of time: {}; the server's log: {}", instead(self), server.log());
        }
        Ok(())
    }

    fn check(&mut self, server: &mut dyn Watched) -> Result<()> {
        server.check()?;
        self.check_faults(server)
    }

    fn check_faults(&mut self, server: &mut dyn Watched) -> Result<()> {
        let Some(fault) = &self.tally.fault else { return Ok(()) };
        server.check().with_context(|| fault.clone())?;
        bail!(
            "{} faults, the first: {fault}; the server's log: {}",
            self.tally.faults,
            server.log()
        )
    }

    /// Waits once and handles what came.
    fn turn(&mut self, millis: i32) -> Result<usize> {
        let came = self.epoll.wait(millis)?;
        // One look at the clock would do for the batch, but would make the last of it seem faster than they were.
        for index in 0..came {
            let Some((number, ready)) = self.epoll.event(index) else { break };
            if number >= PUBLISHERS {
                self.publisher_ready(usize::try_from(number - PUBLISHERS)?)?;
            } else {
                self.stream_ready(usize::try_from(number)?, ready)?;
            }
        }
        Ok(came)
    }

    fn publisher_ready(&mut self, index: usize) -> Result<()> {
        let Some(slot) = self.publishers.get_mut(index) else { return Ok(()) };
        let Some(publisher) = slot else { return Ok(()) };
        let was_idle = self.idle.contains(&index);
        let progress = publisher.read(&mut self.buffer)?;
        if progress == Progress::Closed {
            *slot = None;
        }
        if progress != Progress::Waiting && !was_idle {
            self.idle.push(index);
        }
        Ok(())
    }

    fn stream_ready(&mut self, index: usize, ready: u32) -> Result<()> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let number = index as u64;
        if ready & sys::WRITABLE != 0 && stream.ask().with_context(|| format!("stream {index}"))? {
            self.epoll.change(stream.socket.as_fd(), sys::READABLE, number)?;
        }
        if ready & !sys::WRITABLE == 0 {
            return Ok(());
        }
        match stream.read(&mut self.buffer, clock::now(), &mut self.tally) {
            Ok(opened) => {
                if opened && stream.stuck {
                    self.epoll.remove(stream.socket.as_fd())?;
                }
            }
            Err(_) if self.spare > 0 && !self.tally.ledger.has_begun() => {
                self.tally.opened -= usize::from(stream.is_open());
                self.spare -= 1;
                self.again += 1;
                stream.connect_again(self.subscribe_to, index)?;
                self.epoll.add(stream.socket.as_fd(), sys::WRITABLE, number)?;
            }
            Err(error) => {
                self.epoll.remove(stream.socket.as_fd())?;
                self.tally.fault(|| format!("stream {index}: {error:#}"));
            }
        }
        Ok(())
    }

    /// The stream with this number, by the order of opening.
    pub(crate) fn stream(&self, number: usize) -> Option<&Stream> {
        self.streams.get(number)
    }

    /// Closes the newest streams until so many are left. Updates from now on are not for them.
    pub(crate) fn close_down_to(&mut self, left: usize) {
        while self.streams.len() > left
            && let Some(stream) = self.streams.pop()
        {
            self.asked -= 1;
            self.tally.opened -= 1;
            if !stream.stuck {
                self.tally.ledger.leave(stream.topic());
            }
        }
    }
}
