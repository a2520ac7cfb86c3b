//! The task that appends: it publishes what waits, in order, many at a time, and takes the answers.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use serde::Deserialize;
use slab::Slab;
use tidings_hub::{AppendError, Appended, Appending, Mode, Unavailable};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::api;
use super::conn::{Question, lost, next, next_ready, token};
use super::keys::{Checked, Settled, check, settle};
use super::link::{Link, State, Up};
use super::queue::{Call, Done, Item, Queue, unavailable};
use super::trouble::Trouble;

/// How many messages may be without an answer.
const DEPTH: usize = 2048;
/// How many bytes may be without an answer; one message may be larger.
const DEPTH_BYTES: usize = 8 * 1024 * 1024;
/// How many answers are taken before more is published.
const ANSWERS_AT_ONCE: usize = 512;

/// The task that appends.
pub(super) struct Lane {
    link: Arc<Link>,
    queue: Arc<Queue>,
    /// Calls whose results are not complete.
    open: Slab<Open>,
    /// The call that is being published.
    sending: Option<Sending>,
    /// What was published and not answered. Its number is its place in here, from `first` on.
    flights: VecDeque<Option<Flight>>,
    first: u64,
    in_flight: usize,
    in_flight_bytes: usize,
    /// What is to be published again under the next message id.
    again: VecDeque<Flight>,
    /// Questions about keys.
    asked: JoinSet<Answered>,
    /// Whether an atomic call waits for what is known of its keys; nothing is published until then.
    is_held: bool,
}

struct Open {
    results: Vec<Option<Appending>>,
    left: usize,
    done: Done,
}

struct Sending {
    call: usize,
    items: std::iter::Enumerate<std::vec::IntoIter<Item>>,
}

/// A message on its way.
struct Flight {
    call: usize,
    place: usize,
    item: Item,
    /// Which message id of its key.
    attempt: u32,
    sent: Instant,
}

enum Answered {
    Repeated(Flight, Result<Settled, Trouble>),
    Keys(Call, Result<Checked, Trouble>),
}

/// The answer to a message.
#[derive(Deserialize)]
struct Ack<'a> {
    stream: &'a str,
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

impl Lane {
    pub(super) fn new(link: Arc<Link>, queue: Arc<Queue>) -> Self {
        Self {
            link,
            queue,
            open: Slab::new(),
            sending: None,
            flights: VecDeque::new(),
            first: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            again: VecDeque::new(),
            asked: JoinSet::new(),
            is_held: false,
        }
    }

    /// Appends until the queue is closed and everything is settled.
    pub(super) async fn run(mut self) {
        let mut states = self.link.states();
        let mut over = None;
        loop {
            let state = states.borrow_and_update().clone();
            let why = match state {
                State::Up(up) if over != Some((up.connection, up.epoch())) => {
                    let Some(trouble) = self.serve(&up).await else { break };
                    over = Some((up.connection, up.epoch()));
                    self.link.unavailable(&trouble)
                }
                State::Up(_) => self.link.unavailable(&lost()),
                State::Away(why) => why,
            };
            self.fail(&why);
            if self.queue.is_over() {
                break;
            }
            tokio::select! {
                changed = states.changed() => if changed.is_err() { break },
                () = self.queue.more.notified() => {}
            }
        }
        self.link.end();
    }

    /// Appends to one log over one connection; says why it cannot go on, or nothing when it is done.
    async fn serve(&mut self, up: &Arc<Up>) -> Option<Trouble> {
        let inbox = up.api.conn.inbox();
        let mut acks = match up.api.conn.subscribe(format!("{inbox}.*")).await {
            Ok(acks) => acks,
            Err(trouble) => return Some(trouble),
        };
        let mut states = self.link.states();
        let patience = self.link.config.ack_timeout;
        let mut overdue = pin!(tokio::time::sleep(patience));
        let mut complaint = pin!(up.api.conn.complaint(up.subjects.prefix()));
        loop {
            if let Err(trouble) = self.publish(up, &inbox).await {
                self.link.give_up(up.connection);
                return Some(trouble);
            }
            if self.open.is_empty() && !self.is_held && self.queue.is_over() {
                return None;
            }
            tokio::select! {
                biased;
                ack = next(&mut acks) => {
                    let Some(ack) = ack else { return Some(lost()) };
                    self.take(up, &ack);
                    for _ in 0..ANSWERS_AT_ONCE {
                        let Some(ack) = next_ready(&mut acks).await else { break };
                        self.take(up, &ack);
                    }
                }
                Some(answered) = self.asked.join_next() => {
                    if let Ok(answered) = answered {
                        self.answered(up, answered);
                    }
                }
                changed = states.changed() => {
                    if changed.is_err() {
                        return Some(lost());
                    }
                    match &*states.borrow_and_update() {
                        State::Up(now) if now.connection == up.connection && now.epoch() == up.epoch() => {}
                        State::Up(_) => return Some(Trouble::Away("the log was begun anew".into())),
                        State::Away(_) => return Some(lost()),
                    }
                }
                () = self.queue.more.notified(), if self.has_room() => {}
                trouble = &mut complaint => {
                    self.fail(&self.link.unavailable(&trouble));
                    complaint.set(up.api.conn.complaint(up.subjects.prefix()));
                }
                () = &mut overdue => {
                    let now = Instant::now();
                    let oldest = self.flights.front().and_then(Option::as_ref).map_or(now, |flight| flight.sent);
                    if oldest + patience <= now {
                        self.link.give_up(up.connection);
                        return Some(unanswered(patience));
                    }
                    overdue.as_mut().reset(oldest + patience);
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        !self.is_held && self.in_flight < DEPTH && self.in_flight_bytes < DEPTH_BYTES
    }

    /// Publishes what waits, as far as there is room.
    async fn publish(&mut self, up: &Arc<Up>, inbox: &str) -> Result<(), Trouble> {
        while self.has_room() {
            let Some(mut flight) = self.again.pop_front().or_else(|| self.next_item(up)) else {
                break;
            };
            let headers = flight.item.key.as_ref().map(|key| {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", up.subjects.message_id(key, flight.attempt));
                headers
            });
            let question = Question { headers, payload: flight.item.record.clone() };
            let reply = format!("{inbox}.{}", self.first + self.flights.len() as u64);
            let subject = flight.item.subject.clone();
            flight.sent = Instant::now();
            self.in_flight += 1;
            self.in_flight_bytes += flight.item.record.len();
            self.flights.push_back(Some(flight));
            let patience = self.link.config.ack_timeout;
            let publishing = up.api.conn.publish(subject, reply, question);
            timeout(patience, publishing).await.map_err(|_| unanswered(patience))??;
        }
        Ok(())
    }

    /// The next message that is to be published.
    fn next_item(&mut self, up: &Arc<Up>) -> Option<Flight> {
        loop {
            if let Some(Sending { call, items }) = &mut self.sending {
                let call = *call;
                match items.next() {
                    Some((place, Item { too_large: Some(error), .. })) => {
                        self.result(call, place, Err(error));
                    }
                    Some((place, item)) => {
                        return Some(Flight {
                            call,
                            place,
                            item,
                            attempt: 0,
                            sent: Instant::now(),
                        });
                    }
                    None => self.sending = None,
                }
                continue;
            }
            let call = self.queue.pop()?;
            if call.epoch != up.epoch() {
                let why = self.link.unavailable(&Trouble::Away("the log was begun anew".into()));
                let results = unavailable(&why, call.items.len());
                self.queue.settle(call.done, results);
            } else if call.mode == Mode::All && call.items.len() > 1 {
                self.is_held = true;
                let up = Arc::clone(up);
                self.asked.spawn(async move {
                    let checked = check(&up, &call.items).await;
                    Answered::Keys(call, checked)
                });
                return None;
            } else {
                self.begin(call);
            }
        }
    }

    fn begin(&mut self, call: Call) {
        let count = call.items.len();
        let results = (0..count).map(|_| None).collect();
        let key = self.open.insert(Open { results, left: count, done: call.done });
        self.sending = Some(Sending { call: key, items: call.items.into_iter().enumerate() });
    }

    /// Takes an answer.
    fn take(&mut self, up: &Arc<Up>, answer: &Message) {
        let Some(flight) = self.landed(answer) else { return };
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            // The stream is gone, or holds another log.
            self.link.doubt(up.round);
            return self.failed(&flight, &Trouble::Unheard);
        }
        let ack = match api::read::<Ack<'_>>(&answer.payload) {
            Ok(ack) => ack,
            Err(trouble) => return self.failed(&flight, &trouble),
        };
        if ack.stream != self.link.config.name {
            let why = format!(
                "the stream {} takes the log's subjects; choose another name for one of them",
                ack.stream
            );
            return self.failed(&flight, &Trouble::Refused(why));
        }
        let seq = ack.seq;
        if ack.duplicate {
            let up = Arc::clone(up);
            self.asked.spawn(async move {
                let settled = settle(&up, &flight.item, seq).await;
                Answered::Repeated(flight, settled)
            });
            return;
        }
        self.link.saw(up.epoch(), seq, &flight.item.record);
        let appended = Appended { epoch: up.epoch(), seq, repeated: false };
        self.result(flight.call, flight.place, Ok(appended));
    }

    /// What an answer is to.
    fn landed(&mut self, answer: &Message) -> Option<Flight> {
        let place = token(&answer.subject)?.checked_sub(self.first)?;
        let flight = self.flights.get_mut(usize::try_from(place).ok()?)?.take()?;
        while let Some(None) = self.flights.front() {
            self.flights.pop_front();
            self.first += 1;
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(flight.item.record.len());
        Some(flight)
    }

    fn answered(&mut self, up: &Arc<Up>, answered: Answered) {
        match answered {
            Answered::Repeated(mut flight, settled) => match settled {
                Ok(Settled::Repeated(seq)) => {
                    let appended = Appended { epoch: up.epoch(), seq, repeated: true };
                    self.result(flight.call, flight.place, Ok(appended));
                }
                Ok(Settled::Reused) => {
                    self.result(flight.call, flight.place, Err(AppendError::KeyReused));
                }
                Ok(Settled::Taken) if flight.attempt < MAX_ATTEMPTS => {
                    flight.attempt += 1;
                    self.again.push_back(flight);
                }
                Ok(Settled::Taken) => {
                    self.failed(
                        &flight,
                        &Trouble::Away("the idempotency key is taken by other messages".into()),
                    );
                }
                Err(trouble) => self.failed(&flight, &trouble),
            },
            Answered::Keys(call, checked) => {
                self.is_held = false;
                let refused = match checked {
                    Ok(Checked::Free) => return self.begin(call),
                    Ok(Checked::Refused(results)) => results,
                    Err(trouble) => unavailable(&self.link.unavailable(&trouble), call.items.len()),
                };
                self.queue.settle(call.done, refused);
            }
        }
    }

    fn failed(&mut self, flight: &Flight, trouble: &Trouble) {
        let error = AppendError::Unavailable(self.link.unavailable(trouble));
        self.result(flight.call, flight.place, Err(error));
    }

    /// One of a call's results.
    fn result(&mut self, call: usize, place: usize, result: Appending) {
        let Some(open) = self.open.get_mut(call) else { return };
        if let Some(empty @ None) = open.results.get_mut(place) {
            *empty = Some(result);
            open.left -= 1;
        }
        if open.left == 0
            && let Some(Open { results, done, .. }) = self.open.try_remove(call)
        {
            self.queue.settle(done, results.into_iter().flatten().collect());
        }
    }

    /// Everything that waits or was sent fails.
    fn fail(&mut self, why: &Unavailable) {
        // An atomic call among the questions is told by its end that it failed.
        self.asked = JoinSet::new();
        self.is_held = false;
        self.sending = None;
        self.again.clear();
        self.first += self.flights.len() as u64;
        self.flights.clear();
        self.in_flight = 0;
        self.in_flight_bytes = 0;
        for Open { results, done, .. } in self.open.drain() {
            let failed = |result: Option<Appending>| {
                result.unwrap_or_else(|| Err(AppendError::Unavailable(why.clone())))
            };
            self.queue.settle(done, results.into_iter().map(failed).collect());
        }
        while let Some(call) = self.queue.pop() {
            let results = unavailable(why, call.items.len());
            self.queue.settle(call.done, results);
        }
    }
}

/// How many message ids are tried for one key.
const MAX_ATTEMPTS: u32 = 8;

fn unanswered(patience: Duration) -> Trouble {
    Trouble::Away(format!(
        "no answer within {patience:?}; what was sent may be in the log all the same"
    ))
}
