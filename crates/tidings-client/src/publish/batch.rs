//! Some of many updates, published as NDJSON: each of them once, however often the request has to be made.
//!
//! The hub gives each line the idempotency key of the request with the line's number, and does not count blank lines as
//! updates. So a request that is made again has a blank line instead of each that is answered: all others keep their
//! number, thus their key, and nothing that is known to be published is even sent again.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::error::{PublishError, PublishFailure};
use super::exchange::{Exchange, Failed};
use super::publisher::Publisher;
use super::update::Update;
use crate::refusal::said;

/// The longest line that a hub is believed to answer with.
const MAX_LINE_BYTES: usize = 64 << 10;

/// What a hub refuses lines for that it may take when they are sent again: the log is away, the hub goes down, or the right
/// to publish ended while it read.
const PASSING: [&str; 5] = ["log_unavailable", "draining", "expired", "kicked", "body_timeout"];

/// Updates that go in one request.
#[derive(Default)]
pub(super) struct Batch {
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

/// What has come of a batch.
pub(super) struct Published {
    /// The results of the first updates, all of them if there is no error.
    pub(super) results: Vec<Result<String, PublishError>>,
    /// Why the others have none.
    pub(super) error: Option<PublishError>,
}

/// The answers to a batch, as far as they are known.
struct Answers(Vec<Option<Result<String, PublishFailure>>>);

impl Batch {
    pub(super) fn push(&mut self, update: &Update) {
        let line = line(update);
        self.bytes += line.len();
        self.lines.push(line);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Publishes the updates under this key, the first as the line after `offset` others.
    pub(super) async fn publish(
        self,
        publisher: Publisher,
        key: String,
        offset: usize,
    ) -> Published {
        let mut exchange = Exchange::new(publisher, "application/x-ndjson", key);
        let mut answers = Answers(self.lines.iter().map(|_| None).collect());
        let error = loop {
            let known = answers.known();
            let body = self.body(offset, &answers);
            let failed = match exchange.ask(body).await {
                Ok(response) => {
                    answers.read(response, offset, exchange.answer_timeout()).await.err()
                }
                Err(failed) => Some(failed),
            };
            let is_final = failed.as_ref().is_some_and(Failed::is_final);
            if answers.known() == self.lines.len() && !is_final {
                break None;
            }
            if answers.known() > known {
                exchange.succeed();
            }
            let failed = failed
                .unwrap_or_else(|| Failed::again(PublishFailure::Broken("it is too short".into())));
            if let Err(error) = exchange.wait_after(failed).await {
                break Some(error);
            }
        };
        let answers = answers.0.into_iter().map_while(|answer| answer);
        let results =
            answers.map(|answer| answer.map_err(|failure| exchange.error(failure))).collect();
        Published { results, error }
    }

    /// The lines that are not answered, each at its place.
    fn body(&self, offset: usize, answers: &Answers) -> Bytes {
        let mut body = Vec::with_capacity(offset + self.bytes);
        body.resize(offset, b'\n');
        for (line, answer) in self.lines.iter().zip(&answers.0) {
            match answer {
                None => body.extend_from_slice(line),
                Some(_) => body.push(b'\n'),
            }
        }
        body.into()
    }
}

impl Answers {
    /// How many there are.
    fn known(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Reads the hub's lines, one for each update that was sent, in order.
    async fn read(
        &mut self,
        mut response: Response,
        offset: usize,
        within: Duration,
    ) -> Result<(), Failed> {
        let open: Vec<usize> =
            (0..).zip(&self.0).filter(|(_, it)| it.is_none()).map(|(n, _)| n).collect();
        let mut open = open.into_iter();
        let mut passing = None;
        let mut partial = Vec::new();
        let mut last_line = Instant::now();
        loop {
            // A hub that is stuck in the middle of a line is stuck, however often it moves.
            let left = within.saturating_sub(last_line.elapsed());
            let chunk = match timeout(left, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    let cause = Box::new(error.without_url());
                    return Err(Failed::again(PublishFailure::Broken(cause)));
                }
                Err(_) => return Err(Failed::again(PublishFailure::NoAnswer { within })),
            };
            let mut rest = &chunk[..];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (head, tail) = rest.split_at(end);
                rest = tail.get(1..).unwrap_or_default();
                partial.extend_from_slice(head);
                self.take(&partial, &mut open, offset, &mut passing)?;
                partial.clear();
                last_line = Instant::now();
            }
            partial.extend_from_slice(rest);
            if partial.len() > MAX_LINE_BYTES {
                return Err(Failed::for_good(PublishFailure::BadAnswer));
            }
        }
        passing.map_or(Ok(()), |failure| Err(Failed::again(failure)))
    }

    /// Takes one line of the hub's: the answer to the next of the updates that were sent.
    fn take(
        &mut self,
        line: &[u8],
        open: &mut impl Iterator<Item = usize>,
        offset: usize,
        passing: &mut Option<PublishFailure>,
    ) -> Result<(), Failed> {
        let bad = || Failed::for_good(PublishFailure::BadAnswer);
        let answer = match serde_json::from_slice(line).map_err(|_| bad())? {
            Answer::Published { id } => Ok(id),
            Answer::Refused { error, detail, line } => {
                let passes = PASSING.contains(&error.as_str());
                let (reason, detail) = (said(&error), said(&detail));
                let failure = PublishFailure::LineRefused { reason, detail };
                if passes {
                    // It may be about no update at all, where it ends the whole request.
                    open.next();
                    passing.get_or_insert(failure);
                    return Ok(());
                }
                Err((line, failure))
            }
        };
        let n = open.next().ok_or_else(bad)?;
        let answer = match answer {
            Err((line, _)) if line != offset + n + 1 => return Err(bad()),
            Err((_, failure)) => Err(failure),
            Ok(id) => Ok(id),
        };
        *self.0.get_mut(n).ok_or_else(bad)? = Some(answer);
        Ok(())
    }
}

/// A line of the hub's answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Published { id: String },
    Refused { error: String, detail: String, line: usize },
}

/// An update as a line of JSON, its end included.
fn line(update: &Update) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        topic: &'a [String],
        #[serde(skip_serializing_if = "str::is_empty")]
        data: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#type: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<u64>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        private: bool,
    }
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let line = Line {
        topic: &update.topics,
        data: &update.data,
        r#type: update.event_type.as_deref(),
        id: update.id.as_deref(),
        retry: update.retry.map(milliseconds),
        private: update.private,
    };
    // Texts, numbers and flags can all be written as JSON.
    let mut line = serde_json::to_vec(&line).unwrap_or_default();
    line.push(b'\n');
    line
}
