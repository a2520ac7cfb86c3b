//! Follows the log: a consumer that gives messages from a seq on, pulled in batches, so what is on its way is bounded.
//!
//! A consumer lives as long as its connection. When either is lost, another begins after the last message that was told.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_core::future::BoxFuture;
use serde_json::json;
use tidings_hub::{Bounds, Epoch, Follow, Logged, News};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::api::nanos;
use super::conn::{lost, next, next_ready};
use super::link::{Link, State, Up};
use super::trouble::Trouble;
use crate::record;

/// Messages that are asked for at once.
const BATCH: usize = 1024;
/// Bytes that are asked for at once; no less than twice the largest message.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Updates that are told at once.
const TOLD_AT_ONCE: usize = 256;
/// News that wait for whoever follows.
const WAITING: usize = 2;
/// For how long a question for messages stands.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it is there while there are no messages. After two and a half such times without a word the
/// consumer is gone.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// For how long the server keeps a consumer that nobody asks.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// Who follows the log.
pub(super) struct Follower {
    news: mpsc::Receiver<News>,
    /// Keeps the log open.
    _log: Arc<super::Open>,
}

impl Follower {
    /// Follows from a seq on.
    pub(super) fn new(log: Arc<super::Open>, from: u64) -> Self {
        let (tell, news) = mpsc::channel(WAITING);
        let link = Arc::clone(&log.link);
        // Not that of now: the log may have become another since the seq was taken from the bounds.
        let epoch = link.told();
        let following = Following {
            link,
            tell,
            epoch,
            next: from.max(1),
            oldest: 0,
            is_away: false,
            unreadable: 0,
        };
        tokio::spawn(following.run());
        Self { news, _log: log }
    }
}

impl Follow for Follower {
    fn next(&mut self) -> BoxFuture<'_, News> {
        Box::pin(async {
            match self.news.recv().await {
                Some(news) => news,
                // Only with the runtime.
                None => std::future::pending().await,
            }
        })
    }
}

/// The task behind a follower.
struct Following {
    link: Arc<Link>,
    tell: mpsc::Sender<News>,
    /// Of which log `next` is.
    epoch: Epoch,
    /// The seq of the next message.
    next: u64,
    /// What was told to be the oldest.
    oldest: u64,
    is_away: bool,
    /// How many messages could not be read.
    unreadable: u64,
}

/// Why a consumer is left.
enum Left {
    /// Nobody follows any more.
    Done,
    /// The link is another now.
    Changed,
    /// It does not do what it should.
    Broken(Trouble),
}

impl From<Trouble> for Left {
    fn from(trouble: Trouble) -> Self {
        Self::Broken(trouble)
    }
}

impl Following {
    async fn run(mut self) {
        let mut states = self.link.states();
        loop {
            let state = states.borrow_and_update().clone();
            let left = match state {
                State::Up(up) => match self.follow(&up).await {
                    Left::Broken(trouble) => {
                        tracing::debug!(%trouble, "following the log anew");
                        self.link.doubt(up.round);
                        Left::Changed
                    }
                    left => left,
                },
                State::Away(why) => {
                    if self.is_away {
                        Left::Changed
                    } else {
                        self.is_away = true;
                        self.tell(News::Away(why)).await.err().unwrap_or(Left::Changed)
                    }
                }
            };
            if matches!(left, Left::Done) {
                return;
            }
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                () = self.tell.closed() => return,
            }
        }
    }

    /// Follows one log over one connection.
    async fn follow(&mut self, up: &Arc<Up>) -> Left {
        let inbox = up.api.conn.inbox();
        let mut consumer = None;
        let left = match self.pull(up, &inbox, &mut consumer).await {
            Ok(()) => Left::Done,
            Err(left) => left,
        };
        if let Some(consumer) = consumer {
            // It would also go by itself.
            let subject = format!("$JS.API.CONSUMER.DELETE.{}.{consumer}", up.api.name);
            drop(up.api.conn.tell(subject, Bytes::new()).await);
        }
        left
    }

    async fn pull(
        &mut self,
        up: &Arc<Up>,
        inbox: &str,
        consumer: &mut Option<String>,
    ) -> Result<(), Left> {
        let bounds = self.link.look(up).await?;
        self.begin(up, bounds).await?;
        let mut messages = up.api.conn.subscribe(inbox.to_owned()).await?;
        let name = consumer.insert(up.api.consumer(self.next, KEPT_FOR).await?);
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{name}", up.api.name);
        let question = Bytes::from(
            json!({
                "batch": BATCH,
                "max_bytes": BATCH_BYTES.max(up.api.conn.max_payload().saturating_mul(2)),
                "expires": nanos(EXPIRES),
                "idle_heartbeat": nanos(HEARTBEAT),
            })
            .to_string(),
        );
        // How many the consumer has given.
        let mut given = 0;
        loop {
            let asked = up.api.conn.ask_into(subject.clone(), inbox.to_owned(), question.clone());
            asked.await?;
            self.batch(up, &mut messages, &mut given).await?;
        }
    }

    /// Tells what is to be told before the first message.
    async fn begin(&mut self, up: &Up, bounds: Bounds) -> Result<(), Left> {
        if std::mem::take(&mut self.is_away) {
            self.tell(News::Back).await?;
        }
        if self.epoch != up.epoch() {
            self.epoch = up.epoch();
            self.next = bounds.oldest;
            self.oldest = bounds.oldest;
            self.tell(News::Anew(bounds)).await?;
        }
        self.tell_oldest(bounds.oldest).await
    }

    /// Takes what was asked for, and tells all that has come of it, however it ended: `next` is past it.
    async fn batch(
        &mut self,
        up: &Arc<Up>,
        messages: &mut Subscriber,
        given: &mut u64,
    ) -> Result<(), Left> {
        let mut updates = Vec::new();
        let taken = self.take(up, messages, given, &mut updates).await;
        self.tell_updates(up, &mut updates).await?;
        taken
    }

    /// Takes what was asked for, until the server says that this was all. What is not told yet is in `updates`.
    async fn take(
        &mut self,
        up: &Arc<Up>,
        messages: &mut Subscriber,
        given: &mut u64,
        updates: &mut Vec<Logged>,
    ) -> Result<(), Left> {
        let mut left = BATCH;
        let mut states = self.link.states();
        let mut bounds = self.link.bounds_changes();
        while left > 0 {
            let ready = next_ready(messages).await;
            let message = if let Some(message) = ready {
                message
            } else {
                self.tell_updates(up, updates).await?;
                tokio::select! {
                    message = timeout(HEARTBEAT * 5 / 2, next(messages)) => match message {
                        Ok(message) => message.ok_or_else(lost)?,
                        Err(_) => return Err(Trouble::Away("the consumer says nothing".into()).into()),
                    },
                    changed = states.changed() => {
                        let is_same = matches!(&*states.borrow_and_update(), State::Up(now) if now.round == up.round);
                        if changed.is_err() || !is_same {
                            return Err(Left::Changed);
                        }
                        continue;
                    }
                    changed = bounds.changed() => {
                        let Bounds { epoch, oldest, .. } = *bounds.borrow_and_update();
                        if changed.is_err() {
                            return Err(Left::Done);
                        }
                        // Those of another log are told with it.
                        if epoch == self.epoch {
                            self.tell_oldest(oldest).await?;
                        }
                        continue;
                    }
                    () = self.tell.closed() => return Err(Left::Done),
                }
            };
            match message.status {
                None | Some(StatusCode::OK) => {}
                Some(StatusCode::IDLE_HEARTBEAT) => continue,
                // What was asked for has come, or its time is over.
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => break,
                Some(_) if is_full(&message) => break,
                Some(status) => {
                    let why = message.description.unwrap_or_else(|| status.to_string());
                    return Err(Trouble::Away(format!("the consumer ended: {why}")).into());
                }
            }
            let Some(place) = message.reply.as_deref().and_then(Place::parse) else { continue };
            *given += 1;
            if place.given != *given {
                return Err(Trouble::Away("messages are missing".into()).into());
            }
            left -= 1;
            if place.seq < self.next {
                continue;
            }
            if place.seq > self.next {
                // Removed by somebody, or by the retention faster than it was read.
                self.tell_updates(up, updates).await?;
                let bounds = self.link.look(up).await?;
                self.tell_oldest(bounds.oldest).await?;
            }
            self.next = place.seq + 1;
            self.read(place.seq, &message.payload, updates);
            self.link.saw(up.epoch(), place.seq, &message.payload);
            if updates.len() >= TOLD_AT_ONCE {
                self.tell_updates(up, updates).await?;
            }
        }
        Ok(())
    }

    fn read(&mut self, seq: u64, payload: &[u8], updates: &mut Vec<Logged>) {
        match record::decode(payload) {
            Ok(entry) => updates.push(Logged { seq, at: entry.at, update: entry.update }),
            Err(why) => {
                self.unreadable += 1;
                // Whoever may publish to the stream could fill the operator's log.
                if self.unreadable.is_power_of_two() {
                    tracing::error!(seq, %why, so_far = self.unreadable, "a message of the log is passed over");
                }
            }
        }
    }

    async fn tell_updates(&mut self, up: &Up, updates: &mut Vec<Logged>) -> Result<(), Left> {
        if updates.is_empty() {
            return Ok(());
        }
        // What was pulled from a log that is no more must not be told as the new one's.
        let is_same =
            matches!(&*self.link.states().borrow(), State::Up(now) if now.epoch() == up.epoch());
        if !is_same && !matches!(self.link.state(), State::Away(_)) {
            return Err(Left::Changed);
        }
        self.tell(News::Updates(std::mem::take(updates))).await
    }

    async fn tell_oldest(&mut self, oldest: u64) -> Result<(), Left> {
        if oldest <= self.oldest {
            return Ok(());
        }
        self.oldest = oldest;
        self.next = self.next.max(oldest);
        self.tell(News::Oldest(oldest)).await
    }

    async fn tell(&self, news: News) -> Result<(), Left> {
        self.tell.send(news).await.map_err(|_| Left::Done)
    }
}

/// Whether the server says that what comes next does not fit into what was asked for.
fn is_full(message: &Message) -> bool {
    message
        .description
        .as_deref()
        .is_some_and(|text| text.starts_with("Message Size Exceeds MaxBytes"))
}

/// Where a message is: its subject for acknowledgements tells.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    seq: u64,
    /// How many messages the consumer has given with it.
    given: u64,
}

impl Place {
    /// Reads `$JS.ACK.[domain.account.]stream.consumer.delivered.seq.given.time.pending[.…]`.
    fn parse(subject: &str) -> Option<Self> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let seq = match tokens.len() {
            9 => 5,
            11.. => 7,
            _ => return None,
        };
        if !subject.starts_with("$JS.ACK.") {
            return None;
        }
        Some(Self {
            seq: tokens.get(seq)?.parse().ok()?,
            given: tokens.get(seq + 1)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_both_forms() {
        let place = Some(Place { seq: 12, given: 3 });
        assert_eq!(Place::parse("$JS.ACK.tidings.abc.1.12.3.1600000000000000000.0"), place);
        assert_eq!(Place::parse("$JS.ACK._.hash.tidings.abc.1.12.3.1600000000000000000.0"), place);
        assert_eq!(
            Place::parse("$JS.ACK._.hash.tidings.abc.1.12.3.1600000000000000000.0.rand"),
            place
        );
        assert_eq!(Place::parse("$JS.ACK.a.b"), None);
        assert_eq!(Place::parse("a.a.a.a.1.12.3.1.0"), None);
    }
}
