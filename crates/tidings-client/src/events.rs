//! A subscription that is read: one connection after the other.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::StatusCode;
use tidings_wire::{Chunk, Decoder, EventId, Item};
use tokio::time::{Sleep, sleep};

use crate::attempt::{self, Outcome};
use crate::connection::Connection;
use crate::event::Event;
use crate::failure::{Failure, SubscribeError};
use crate::signal::{Opened, Retrying, Signal};
use crate::source::Attempt;
use crate::subscribe::Subscribe;

/// How many bytes are copied out of one piece of the stream before they are handed out. A piece has hardly as many, save
/// that each of its events, of a few bytes each, has the last event id, and that may be as large as a line.
const MAX_FOUND_BYTES: usize = 64 << 10;

/// The events of a subscription, over as many connections as it takes.
///
/// It is a [`Stream`] of events, which gives an error at most once, as the last item: everything that another attempt may
/// mend is not one. Who wants to see that, too, asks for signals instead. Everything happens while it is asked, so the
/// server is not read faster than its events are taken; dropping it closes the connection.
pub struct Events {
    subscribe: Arc<Subscribe>,
    /// Holds the last event id over all connections.
    decoder: Decoder,
    /// What has been found and is not handed out yet: what one piece of the stream holds, at the most.
    found: VecDeque<Signal>,
    /// The last event id of what has been handed out, as long as something is not.
    handed_out_id: String,
    state: State,
    /// Ends and failed attempts in a row.
    failures: u32,
    /// What the server last asked for with `retry:`.
    retry: Duration,
    /// What the last attempt was answered, if it is repeated at once for that.
    denied: Option<StatusCode>,
    /// Whether that has been done since a stream was last open.
    asked_again: bool,
}

enum State {
    /// An attempt is due.
    Due,
    Attempting(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    Open(Box<Connection>),
    Waiting(Pin<Box<Sleep>>),
    Stopped,
}

impl Events {
    pub(crate) fn new(subscribe: Subscribe) -> Self {
        let decoder = Decoder::new().with_limits(subscribe.limits);
        let mut events = Self {
            decoder,
            found: VecDeque::new(),
            handed_out_id: String::new(),
            state: State::Due,
            failures: 0,
            retry: Duration::ZERO,
            denied: None,
            asked_again: false,
            subscribe: Arc::new(subscribe),
        };
        match EventId::new(events.subscribe.last_event_id.as_str()) {
            Ok(id) => events.decoder = events.decoder.with_last_event_id(&id),
            Err(_) => events.stop(Some(SubscribeError {
                url: String::new(),
                failure: Failure::BadLastEventId,
            })),
        }
        events
    }

    /// The next event, or the error that ends the subscription; `None` once it has ended.
    ///
    /// # Errors
    /// A [`SubscribeError`] when another attempt would be in vain.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next of all things that happen; `None` after [`Signal::Stopped`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_signal(&mut self) -> Option<Signal> {
        std::future::poll_fn(|context| self.poll_signal(context)).await
    }

    /// What [`next_signal`](Self::next_signal) waits for.
    pub fn poll_signal(&mut self, context: &mut Context<'_>) -> Poll<Option<Signal>> {
        loop {
            if let Some(signal) = self.found.pop_front() {
                if let Signal::Event(event) = &signal {
                    self.handed_out_id.clone_from(&event.last_event_id);
                }
                return Poll::Ready(Some(signal));
            }
            match &mut self.state {
                State::Due => {
                    let attempt = Attempt {
                        last_event_id: self.decoder.last_event_id().to_owned(),
                        failures: self.failures,
                        refused: self.denied.take(),
                    };
                    let attempt = attempt::make(Arc::clone(&self.subscribe), attempt);
                    self.state = State::Attempting(Box::pin(attempt));
                }
                State::Attempting(attempt) => {
                    let outcome = ready!(attempt.as_mut().poll(context));
                    self.settle(outcome);
                }
                State::Open(connection) => match ready!(connection.poll_piece(context)) {
                    Ok(piece) => {
                        let decoded = self.decode(&piece);
                        if let State::Open(connection) = &mut self.state {
                            connection.pass(decoded);
                        }
                    }
                    Err(failure) => self.end(failure),
                },
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.state = State::Due;
                }
                State::Stopped => return Poll::Ready(None),
            }
        }
    }

    /// Where to resume: the last event id after everything that has been handed out. It moves, too, with blocks that have an
    /// id and no data, which are no events.
    pub fn last_event_id(&self) -> &str {
        if self.found.is_empty() { self.decoder.last_event_id() } else { &self.handed_out_id }
    }

    /// Gives up the connection, the attempt, or the wait that is under way, and makes a new attempt at once. What has been
    /// read is still handed out. It counts as no failure, and there is no signal for it. After the end it does nothing.
    pub fn reconnect(&mut self) {
        if !matches!(self.state, State::Stopped) {
            self.forgive();
            self.decoder.finish();
            self.state = State::Due;
        }
    }

    /// Takes what an attempt has come to.
    fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Open { url, response } => {
                self.asked_again = false;
                let (status, headers) = (response.status(), response.headers().clone());
                let connection = Connection::new(url, response, self.subscribe.idle_timeout);
                self.state = State::Open(Box::new(connection));
                self.found.push_back(Signal::Opened(Opened { status, headers }));
            }
            Outcome::Done => self.stop(None),
            Outcome::Retry { error, asked } => self.retry(error, asked),
            Outcome::Denied { error, status } => {
                if self.asked_again || !self.subscribe.asking.has_functions() {
                    return self.stop(Some(error));
                }
                self.asked_again = true;
                self.denied = Some(status);
                self.state = State::Due;
                let (wait, failures) = (Duration::ZERO, self.failures);
                self.found.push_back(Signal::Retrying(Retrying { error, wait, failures }));
            }
            Outcome::Stop(error) => self.stop(Some(error)),
        }
    }

    /// Finds what is in the next bytes of the open stream. Says how many are decoded: not all where that is much.
    fn decode(&mut self, piece: &[u8]) -> usize {
        if self.handed_out_id != self.decoder.last_event_id() {
            self.decoder.last_event_id().clone_into(&mut self.handed_out_id);
        }
        let mut chunk = Chunk::new(piece);
        let mut found_bytes = 0;
        while found_bytes < MAX_FOUND_BYTES {
            match self.decoder.decode(&mut chunk) {
                Ok(Some(Item::Event(event))) => {
                    found_bytes +=
                        event.data.len() + event.event_type.len() + event.last_event_id.len();
                    self.found.push_back(Signal::Event(event.into()));
                }
                Ok(Some(Item::Comment(text))) => {
                    found_bytes += text.len();
                    self.found.push_back(Signal::Comment(text.to_owned()));
                }
                Ok(Some(Item::Retry(retry))) => self.retry = retry,
                Ok(None) => break,
                Err(error) => {
                    let failure = Failure::TooLarge(error);
                    self.stop(Some(SubscribeError { url: self.url(), failure }));
                    break;
                }
            }
        }
        piece.len() - chunk.rest().len()
    }

    /// The open stream has ended.
    fn end(&mut self, failure: Failure) {
        let url = self.url();
        self.decoder.finish();
        self.retry(SubscribeError { url, failure }, Duration::ZERO);
    }

    /// Makes another attempt after a wait, if there may be one. `asked` is what the answer asked for.
    fn retry(&mut self, error: SubscribeError, asked: Duration) {
        let backoff = self.subscribe.backoff;
        self.forgive();
        self.failures = self.failures.saturating_add(1);
        if !backoff.allows_another(self.failures) {
            let SubscribeError { url, failure } = error;
            let failure = Failure::GaveUp { attempts: self.failures, last: Box::new(failure) };
            return self.stop(Some(SubscribeError { url, failure }));
        }
        let failures = self.failures;
        let wait = backoff.wait(failures, asked.max(self.retry), fastrand::f64());
        self.state = State::Waiting(Box::pin(sleep(wait)));
        self.found.push_back(Signal::Retrying(Retrying { error, wait, failures }));
    }

    /// Forgets the failures before the open stream, if there is one, once that has been open for long.
    fn forgive(&mut self) {
        if let State::Open(connection) = &self.state
            && connection.age() >= self.subscribe.backoff.healthy_after
        {
            self.failures = 0;
        }
    }

    /// Ends the subscription.
    fn stop(&mut self, why: Option<SubscribeError>) {
        self.state = State::Stopped;
        self.found.push_back(Signal::Stopped(why));
    }

    /// Where the open stream comes from.
    fn url(&self) -> String {
        match &self.state {
            State::Open(connection) => connection.url.clone(),
            _ => String::new(),
        }
    }
}

impl Stream for Events {
    type Item = Result<Event, SubscribeError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let events = self.get_mut();
        loop {
            match ready!(events.poll_signal(context)) {
                Some(Signal::Event(event)) => return Poll::Ready(Some(Ok(event))),
                Some(Signal::Stopped(Some(error))) => return Poll::Ready(Some(Err(error))),
                Some(Signal::Stopped(None)) | None => return Poll::Ready(None),
                Some(_) => {}
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("subscribe", &self.subscribe).finish_non_exhaustive()
    }
}
