//! A shard's task: everything that happens on its sockets, and in which order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{CloseReason, Delivery, Next, Position, SeatKey, Shard};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep};
use tracing::warn;

use super::Newcomer;
use super::calendar::{Calendar, Tick};
use super::carrier::Carrier;
use super::joined::Joined;
use super::tally::Tally;
use crate::metrics::Metrics;
use crate::script::GRACE;
use crate::serve::Stage;
use crate::server::Shared;
use crate::sockets::Sockets;

/// How many streams are written to before other tasks have their turn: about two milliseconds' worth.
const SLICE: usize = 256;
/// How many newcomers are seated before other things have their turn.
const NEWCOMERS: usize = 64;
/// How many that are behind are read for before other things have their turn, and how often in a row: once for what there
/// mostly is, once to see that there is no more.
const READERS: usize = 16;
const READS: usize = 2;
/// Keep-alives are due at multiples of this share of the keep-alive time, so that many go out together.
const SLICES_PER_KEEP_ALIVE: u32 = 64;
/// How much is read at once of what clients send on a stream, to be thrown away.
const SCRATCH_BYTES: usize = 4 * 1024;

/// A shard and its sockets.
pub(super) struct ShardTask {
    shard: Shard<Carrier>,
    sockets: Sockets,
    newcomers: mpsc::Receiver<Box<Newcomer>>,
    stage: watch::Receiver<Stage>,
    calendar: Calendar,
    /// Fires at the calendar's next appointment.
    timer: Pin<Box<Sleep>>,
    /// New updates are still being handed over.
    is_delivering: bool,
    /// More has happened on sockets than was taken from the kernel.
    has_happenings: bool,
    /// The streams that are behind and whose sockets take bytes, each once.
    ready: VecDeque<SeatKey>,
    /// The streams on which something has happened that may have to be seen to.
    touched: Vec<SeatKey>,
    joined: Joined,
    /// The drain time is over.
    is_over: bool,
    tally: Tally,
    metrics: Arc<Metrics>,
    keep_alive_slice: Duration,
    peer_timeout: Duration,
    scratch: Box<[u8]>,
}

/// What there is to do.
enum Turn {
    News,
    Sockets,
    Newcomer(Box<Newcomer>),
    Appointment,
    /// What earlier turns have left.
    Rest,
    Cut,
    /// The server is gone.
    Over,
}

impl ShardTask {
    pub(super) fn new(
        shared: &Shared,
        newcomers: mpsc::Receiver<Box<Newcomer>>,
        stage: watch::Receiver<Stage>,
    ) -> io::Result<Self> {
        let config = &shared.config.stream;
        Ok(Self {
            shard: Shard::new(shared.hub.clone()),
            sockets: Sockets::new()?,
            newcomers,
            stage,
            calendar: Calendar::new(),
            timer: Box::pin(tokio::time::sleep_until(Instant::now())),
            is_delivering: false,
            has_happenings: false,
            ready: VecDeque::new(),
            touched: Vec::new(),
            joined: Joined::default(),
            is_over: false,
            tally: Tally::default(),
            metrics: Arc::clone(&shared.metrics),
            keep_alive_slice: config.keep_alive / SLICES_PER_KEEP_ALIVE,
            peer_timeout: config.peer_timeout,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        })
    }

    /// Serves the shard for as long as the server is there. No turn does more than some milliseconds' work, so that the
    /// others come in time.
    pub(super) async fn run(mut self) {
        loop {
            match self.turn().await {
                Turn::News => self.deliver(),
                Turn::Sockets => self.attend_sockets(),
                Turn::Newcomer(newcomer) => self.seat_some(newcomer),
                Turn::Appointment => self.keep_appointments(),
                Turn::Rest => self.go_on(),
                Turn::Cut => self.cut_all(),
                Turn::Over => return,
            }
            for key in self.shard.take_roused() {
                if self.shard.ends_at_once(key) {
                    self.cut_short(key);
                } else {
                    self.make_ready(key);
                }
            }
            self.tally.flush(&self.metrics);
            self.look_after_touched();
        }
    }

    /// Waits for something to do. Nothing goes before the rest for ever: what is looked at first is drawn each time.
    async fn turn(&mut self) -> Turn {
        let has_rest = self.is_delivering || self.has_happenings || !self.ready.is_empty();
        let Self { shard, sockets, newcomers, stage, calendar, timer, .. } = self;
        let next = calendar.next();
        // It is mostly the same as before: to set the timer costs more than to look.
        if let Some(next) = next.filter(|next| *next != timer.deadline() || timer.is_elapsed()) {
            timer.as_mut().reset(next);
        }
        tokio::select! {
            () = poll_fn(|cx| shard.poll_news(cx)), if !self.is_delivering => Turn::News,
            () = sockets.happened() => Turn::Sockets,
            newcomer = newcomers.recv() => newcomer.map_or(Turn::Over, Turn::Newcomer),
            () = timer.as_mut(), if next.is_some() => Turn::Appointment,
            // Other tasks first.
            () = tokio::task::yield_now(), if has_rest => Turn::Rest,
            _ = stage.wait_for(|stage| *stage == Stage::Over), if !self.is_over => Turn::Cut,
        }
    }

    /// Does some of what earlier turns have left.
    fn go_on(&mut self) {
        if self.is_delivering {
            self.deliver();
        }
        if self.has_happenings {
            self.attend_sockets();
        }
        self.catch_up();
    }

    /// Hands new updates to some of those who are up to date.
    fn deliver(&mut self) {
        let now = Instant::now();
        let Self { shard, sockets, tally, touched, .. } = self;
        let registry = sockets.registry();
        self.is_delivering = shard.deliver(SLICE, |key, carrier, updates| {
            let taken = carrier.send(updates, None, (registry, key), tally, now);
            if carrier.needs_a_look() {
                touched.push(key);
            }
            taken
        });
    }

    /// Takes some of what the kernel has to tell of the sockets.
    fn attend_sockets(&mut self) {
        let now = Instant::now();
        let Self { shard, sockets, ready, touched, scratch, .. } = self;
        let (events, registry, is_more) = match sockets.take() {
            Ok(happened) => happened,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.has_happenings = true;
                return;
            }
            Err(error) => {
                warn!(%error, "the kernel does not tell what happens on the streams' sockets");
                return;
            }
        };
        self.has_happenings = is_more;
        for event in events {
            let key = event.token().0;
            let is_behind = shard.is_behind(key);
            let Some(carrier) = shard.carrier(key) else { continue };
            if event.is_error() {
                carrier.break_off();
            } else if event.is_read_closed() {
                carrier.is_dead = true;
            } else if event.is_readable() {
                carrier.read(scratch, registry, key);
            }
            if event.is_writable() {
                carrier.resume(registry, key, now);
            }
            if is_behind && !carrier.is_blocked() && !carrier.is_ready {
                carrier.is_ready = true;
                ready.push_back(key);
            }
            touched.push(key);
        }
    }

    /// Has a stream that is behind read for, as soon as its turn comes.
    fn make_ready(&mut self, key: SeatKey) {
        if let Some(carrier) = self.shard.carrier(key)
            && !carrier.is_ready
        {
            carrier.is_ready = true;
            self.ready.push_back(key);
        }
    }

    /// Ends a stream that must not get anything more: with its last words, unless something waits for its socket to take
    /// it, which they would have to come after.
    fn cut_short(&mut self, key: SeatKey) {
        if !self.shard.carrier(key).is_some_and(|carrier| carrier.is_blocked()) {
            return self.make_ready(key);
        }
        if let Next::Delivery(Delivery::Closed(reason)) = self.shard.read(key)
            && let Some(carrier) = self.shard.carrier(key)
        {
            carrier.cut(reason);
            self.touched.push(key);
        }
    }

    /// Seats a newcomer, and those that wait behind it.
    fn seat_some(&mut self, first: Box<Newcomer>) {
        self.seat(first);
        for _ in 1..NEWCOMERS {
            let Ok(newcomer) = self.newcomers.try_recv() else { return };
            self.seat(newcomer);
        }
    }

    /// Opens a stream.
    fn seat(&mut self, newcomer: Box<Newcomer>) {
        let now = Instant::now();
        let (carrier, subscription, head) = Carrier::new(*newcomer);
        if self.is_over {
            carrier.script.fate().note(CloseReason::Drain);
            return;
        }
        let caught_up = subscription.caught_up();
        let key = self.shard.adopt(subscription, carrier);
        let is_behind = self.shard.is_behind(key);
        let ends_at_once = self.shard.ends_at_once(key);
        let Self { shard, sockets, .. } = self;
        let registry = sockets.registry();
        let Some(carrier) = shard.carrier(key) else { return };
        carrier.register(registry, key);
        if ends_at_once {
            carrier.script.forget_greeting();
        }
        let opening = [head, carrier.script.opening(caught_up, now)].concat().into();
        if is_behind {
            // It goes out with the first of what it is owed.
            carrier.hold(opening);
        } else {
            carrier.give(opening, registry, key, now);
        }
        self.appoint(key, now);
        self.touched.push(key);
    }

    /// Reads on for some of those that are behind.
    fn catch_up(&mut self) {
        for _ in 0..READERS {
            let Some(key) = self.ready.pop_front() else { return };
            if let Some(carrier) = self.shard.carrier(key) {
                carrier.is_ready = false;
            }
            if self.read_on(key) {
                self.make_ready(key);
            }
            self.touched.push(key);
        }
    }

    /// Reads on for one that is behind, and tells whether there may be more that its socket takes now.
    fn read_on(&mut self, key: SeatKey) -> bool {
        let now = Instant::now();
        let Self { shard, sockets, tally, joined, .. } = self;
        let registry = sockets.registry();
        for _ in 0..READS {
            // One that has expired is ended at its appointment.
            let takes_more = |carrier: &mut Carrier| {
                !carrier.is_blocked() && carrier.ending.is_none() && !carrier.script.is_expired()
            };
            if !shard.carrier(key).is_some_and(takes_more) {
                return false;
            }
            let next = shard.read(key);
            let Some(carrier) = shard.carrier(key) else { return false };
            match next {
                Next::Delivery(Delivery::Updates(updates)) => {
                    let joined = joined.of(&updates);
                    let taken = carrier.send(&updates, joined, (registry, key), tally, now);
                    if let Some(refused) = updates.get(taken) {
                        shard.put_back(key, refused.position);
                    }
                }
                Next::Delivery(Delivery::Gap(gap)) => {
                    let gap = carrier.script.gap(&gap, now);
                    carrier.give(gap, registry, key, now);
                }
                Next::Delivery(Delivery::Closed(reason)) => {
                    carrier.end(reason, registry, key, now);
                }
                Next::Searching => return true,
                Next::UpToDate => {
                    carrier.flush(registry, key, now);
                    return false;
                }
            }
        }
        true
    }

    /// Does some of what is due by now.
    fn keep_appointments(&mut self) {
        let now = Instant::now();
        // A replay that nobody asks for any more is kept no longer than to the next keep-alive.
        self.joined.forget();
        let caught_up = self.shard.caught_up();
        let mut budget = SLICE;
        while budget > 0
            && let Some((tick, mut keys)) = self.calendar.take_due(now)
        {
            for key in keys.split_off(keys.len().min(budget)) {
                self.calendar.put(tick, key);
            }
            budget -= keys.len();
            for key in keys {
                let is_kept = |carrier: &mut Carrier| carrier.appointment == tick;
                if self.shard.carrier(key).is_some_and(is_kept) {
                    self.keep_appointment(key, caught_up, now);
                }
            }
        }
    }

    /// Does what is due for one stream, and makes its next appointment.
    fn keep_appointment(&mut self, key: SeatKey, caught_up: Option<Position>, now: Instant) {
        let caught_up = caught_up.filter(|_| !self.shard.is_behind(key));
        let Self { shard, sockets, peer_timeout, keep_alive_slice, .. } = self;
        let registry = sockets.registry();
        let Some(carrier) = shard.carrier(key) else { return };
        let is_past = |moment: Instant| moment <= now;
        let end = carrier.script.end_at().map(|(end, _)| end);
        if carrier.stalled_since.is_some_and(|since| is_past(since + *peer_timeout)) {
            carrier.give_up();
        } else if carrier.ending.is_some() {
            carrier.is_dead |= end.is_some_and(|end| is_past(end + GRACE));
        } else if let Some(reason) = carrier.script.due(now) {
            carrier.end(reason, registry, key, now);
        } else if !carrier.is_blocked()
            && is_past(carrier.script.silent_until() - *keep_alive_slice)
        {
            let keep_alive = carrier.script.keep_alive(caught_up, now);
            carrier.give(keep_alive, registry, key, now);
        }
        carrier.appointment = Tick::MAX;
        self.appoint(key, now);
        self.touched.push(key);
    }

    /// Makes the appointment at which a stream has to be looked at next, unless it has an earlier one.
    fn appoint(&mut self, key: SeatKey, now: Instant) {
        let Self { shard, calendar, peer_timeout, keep_alive_slice, .. } = self;
        let Some(carrier) = shard.carrier(key).filter(|carrier| !carrier.is_dead) else { return };
        let slice = u64::try_from(keep_alive_slice.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut silent_until = carrier.script.silent_until();
        if silent_until <= now + *keep_alive_slice {
            // Its keep-alive was due, and its socket takes nothing.
            silent_until = now + carrier.script.keep_alive_time();
        }
        let mut tick = calendar.tick(silent_until) / slice * slice;
        let grace = carrier.ending.map_or(Duration::ZERO, |_| GRACE);
        let end = carrier.script.end_at().map(|(end, _)| end + grace);
        let stuck = carrier.stalled_since.map(|since| since + *peer_timeout);
        // One that has passed is due at once: whatever comes before it must not put it off.
        for moment in end.into_iter().chain(stuck) {
            tick = tick.min(calendar.tick(moment));
        }
        if tick < carrier.appointment {
            carrier.appointment = tick;
            calendar.put(tick, key);
        }
    }

    /// Sees to the streams on which something has happened: those that are done end, and those whose sockets take no
    /// bytes get an appointment at which they are given up.
    fn look_after_touched(&mut self) {
        let now = Instant::now();
        for key in std::mem::take(&mut self.touched) {
            let Some(carrier) = self.shard.carrier(key) else { continue };
            if carrier.is_done() {
                carrier.close(&mut self.scratch);
                drop(self.shard.remove(key));
            } else if carrier.is_blocked() {
                self.appoint(key, now);
            }
        }
    }

    /// Cuts every stream, for the server does not wait any longer.
    fn cut_all(&mut self) {
        self.is_over = true;
        for key in self.shard.keys().collect::<Vec<_>>() {
            if let Some(carrier) = self.shard.remove(key) {
                carrier.script.fate().note(CloseReason::Drain);
            }
        }
    }
}
