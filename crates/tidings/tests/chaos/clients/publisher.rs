//! A publisher of `tidings-client`, which repeats by itself what was not answered.

use std::{
    future, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tidings_client::{Attempt, PublishError, Publisher, Update};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep},
};

use super::{SECRET, impatient};
use crate::{hall::TOPICS, ledger::Ledger};

/// How long a publisher rests between two requests.
const REST: Duration = Duration::from_millis(3);
/// For how long it repeats a request.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it waits for a word of the hub: one that is killed breaks the connection off.
const ANSWER: Duration = Duration::from_secs(20);
/// Of how many updates one is private, one is about two topics, and one is long.
const PRIVATE: usize = 7;
const ABOUT_TWO: usize = 4;
const LONG: usize = 16;
const LONG_BYTES: usize = 8 << 10;

/// How a publisher publishes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// Each update in a request of its own.
    OneByOne,
    /// Lists of so many updates.
    Many { lines: usize },
    /// One endless list, of which so many updates come at once.
    Stream { at_once: usize },
}

/// A publisher.
pub(super) struct Publishing {
    name: Arc<str>,
    publisher: Publisher,
    ledger: Arc<Ledger>,
    /// Where its newest update is.
    newest: u64,
}

impl Publishing {
    pub(super) fn new(
        name: String,
        hub: SocketAddr,
        token: &str,
        ledger: Arc<Ledger>,
        repeated: Arc<AtomicUsize>,
    ) -> Self {
        let bearer = format!("Bearer {token}");
        let authorization = move |attempt: Attempt| {
            if attempt.failures > 0 {
                repeated.fetch_add(1, Ordering::Relaxed);
            }
            future::ready(Ok::<_, io::Error>(bearer.clone()))
        };
        let publisher = Publisher::new(format!("http://{hub}/events"))
            .with_header_from("authorization", authorization)
            .with_backoff(impatient())
            .with_retry_for(PATIENCE)
            .with_answer_timeout(ANSWER);
        Self { name: name.into(), publisher, ledger, newest: 0 }
    }

    /// Publishes until it is told to stop, and then until everything is acknowledged.
    pub(super) async fn publish_until(mut self, manner: Manner, stop: watch::Receiver<bool>) {
        match manner {
            Manner::OneByOne => self.one_by_one(&stop).await,
            Manner::Many { lines } => self.many(lines, &stop).await,
            Manner::Stream { at_once } => self.stream(at_once, stop).await,
        }
    }

    async fn one_by_one(&mut self, stop: &watch::Receiver<bool>) {
        for number in 0.. {
            if *stop.borrow() {
                return;
            }
            let result = self.publisher.publish(&update(&self.name, number)).await;
            self.take(number, result);
            sleep(REST).await;
        }
    }

    async fn many(&mut self, lines: usize, stop: &watch::Receiver<bool>) {
        for first in (0..).step_by(lines) {
            if *stop.borrow() {
                return;
            }
            let (name, numbers) = (Arc::clone(&self.name), first..first + lines);
            let updates = numbers.clone().map(move |number| update(&name, number));
            let mut results = self.publisher.publish_all(updates);
            for number in numbers {
                let Some(result) = results.next().await else {
                    return self.fault(&format!("{number} of {first} and more has no result"));
                };
                self.take(number, result);
            }
            if let Some(result) = results.next().await {
                self.fault(&format!("{first} and more have a result too many: {result:?}"));
            }
            sleep(REST).await;
        }
    }

    async fn stream(&mut self, at_once: usize, stop: watch::Receiver<bool>) {
        let (name, rest) = (Arc::clone(&self.name), Box::pin(sleep(REST)));
        let mut results =
            self.publisher.publish_stream(Source { name, number: 0, at_once, rest, stop });
        let mut number = 0;
        while let Some(result) = results.next().await {
            self.take(number, result);
            number += 1;
        }
    }

    /// Notes what it is told of one of its updates, which must come after those before it.
    fn take(&mut self, number: usize, result: Result<String, PublishError>) {
        let Update { data, topics, .. } = update(&self.name, number);
        match result {
            Ok(id) => {
                let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                let seq = self.ledger.acknowledge(&self.name, &data, &topics, &id);
                if seq <= self.newest {
                    self.fault(&format!("{data:.60} is at {seq}, before {}", self.newest));
                }
                self.newest = seq;
            }
            // Nobody knows whether it is published.
            Err(error) => {
                self.ledger.give_up(&data);
                self.fault(&format!("{data:.60}: {error:?}"));
            }
        }
    }

    fn fault(&self, fault: &str) {
        self.ledger.fault(format_args!("{}: {fault}", self.name));
    }
}

/// A publisher's update of this number.
fn update(name: &str, number: usize) -> Update {
    let topic = |number: usize| TOPICS[number % TOPICS.len()];
    let mut data = format!("{name} {number}");
    if number.is_multiple_of(LONG) {
        data = format!("{data:.<LONG_BYTES$}");
    }
    if number.is_multiple_of(PRIVATE) {
        Update::new(SECRET, data).into_private()
    } else if number.is_multiple_of(ABOUT_TWO) {
        Update::new(topic(number), data).with_topic(topic(number + 1))
    } else {
        Update::new(topic(number), data)
    }
}

/// The updates of an endless list, some at once and then none for a while.
struct Source {
    name: Arc<str>,
    /// That of the next one.
    number: usize,
    at_once: usize,
    rest: Pin<Box<Sleep>>,
    stop: watch::Receiver<bool>,
}

impl Stream for Source {
    type Item = Update;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Update>> {
        let this = self.get_mut();
        if *this.stop.borrow() {
            return Poll::Ready(None);
        }
        if this.number.is_multiple_of(this.at_once) {
            ready!(this.rest.as_mut().poll(context));
            this.rest.as_mut().reset(Instant::now() + REST);
        }
        let update = update(&this.name, this.number);
        this.number += 1;
        Poll::Ready(Some(update))
    }
}
