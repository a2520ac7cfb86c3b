//! What one stream says, and when: the opening, events, keep-alives, and how it ends.
//!
//! Lanes differ in who takes the bytes; what the bytes are is decided here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_hub::{CloseReason, LoggedUpdate, Position, Resume, SubscriberId};
use tokio::time::Instant;
use tracing::debug;

use crate::announce;
use crate::config::StreamConfig;
use crate::connection::Fate;
use crate::metrics::Metrics;
use crate::relay::Lease;

/// How long after its token's end, or its age limit, a stream may still be open, so that one whose client reads ends with
/// its last bytes.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Which part of the keep-alive time a stream's own may be shorter. The direct lane's are up to a 64th early, so that
/// many go out together: all are within the tenth that is promised.
const JITTER: f64 = 0.08;

/// What one stream says. Dropped, it counts the stream as ended, once, under one reason.
#[derive(Debug)]
pub(crate) struct Script {
    subscriber: SubscriberId,
    keep_alive: Duration,
    retry: Duration,
    /// When the stream has reached its age, if there is a limit.
    ends_at: Option<Instant>,
    /// When the token that opened it expires, if it does.
    expires_at: Option<Instant>,
    /// The place to resume from that the client was last told.
    told: Option<Position>,
    opened_at: Instant,
    /// When bytes were last given out.
    last_bytes: Instant,
    /// Why it ended, once it has.
    ended: Option<CloseReason>,
    fate: Fate,
    metrics: Arc<Metrics>,
    relayed: Option<Box<Relayed>>,
}

/// What a stream of a relay has beside what all have.
#[derive(Debug)]
struct Relayed {
    /// Events that come before all others.
    greeting: Option<Bytes>,
    _lease: Lease,
}

impl Script {
    /// Draws the stream's jitter, and counts it as open.
    pub(crate) fn new(
        (subscriber, resume): (SubscriberId, Resume),
        config: &StreamConfig,
        expires_at: Option<Instant>,
        fate: Fate,
        metrics: Arc<Metrics>,
    ) -> Self {
        let now = Instant::now();
        metrics.stream_opened(resume);
        Self {
            subscriber,
            keep_alive: config.keep_alive.mul_f64(1.0 - JITTER * fastrand::f64()),
            retry: jittered_retry(config.retry),
            ends_at: config.max_age.map(|age| now + age.mul_f64(1.0 - 0.2 * fastrand::f64())),
            expires_at,
            told: None,
            opened_at: now,
            last_bytes: now,
            ended: None,
            fate,
            metrics,
            relayed: None,
        }
    }

    /// The same for a stream of a relay: with events that come before all others, and what keeps the upstream open.
    pub(crate) fn relayed(mut self, greeting: Option<Bytes>, lease: Lease) -> Self {
        self.relayed = Some(Box::new(Relayed { greeting, _lease: lease }));
        self
    }

    /// Keeps back what was to come before all others: the stream ends before it begins.
    pub(crate) fn forget_greeting(&mut self) {
        if let Some(relayed) = &mut self.relayed {
            relayed.greeting = None;
        }
    }

    /// The first bytes of the stream, which tell `caught_up` as the place to resume from.
    pub(crate) fn opening(&mut self, caught_up: Option<Position>, now: Instant) -> Bytes {
        self.told = caught_up;
        let greeting = self.relayed.as_mut().and_then(|relayed| relayed.greeting.take());
        let opening = match greeting {
            None => announce::opening(self.retry, caught_up),
            Some(greeting) => announce::opening_with(self.retry, &greeting, caught_up),
        };
        self.count(opening, now)
    }

    /// Notes that bytes that were made elsewhere are given out.
    pub(crate) fn gave(&mut self, bytes: usize, now: Instant) {
        self.last_bytes = now;
        self.metrics.bytes(bytes as u64);
    }

    /// Notes that the client was told of the place behind an update.
    pub(crate) fn told(&mut self, update: &LoggedUpdate, now: Instant) {
        self.told = Some(update.position);
        self.last_bytes = now;
    }

    /// The bytes that tell of a gap.
    pub(crate) fn gap(&mut self, gap: &tidings_hub::Gap, now: Instant) -> Bytes {
        self.count(announce::gap(gap), now)
    }

    /// A keep-alive, which moves the place to resume from where the log has gone on.
    pub(crate) fn keep_alive(&mut self, caught_up: Option<Position>, now: Instant) -> Bytes {
        let moved_to = caught_up.filter(|position| self.told != Some(*position));
        self.told = caught_up.or(self.told);
        self.count(announce::keep_alive(moved_to), now)
    }

    /// Ends the stream. Gives the last bytes; where a reconnect is all there is to do none are needed: a browser does that
    /// by itself.
    pub(crate) fn end(&mut self, reason: CloseReason, now: Instant) -> Option<Bytes> {
        self.ended = Some(reason);
        let farewell = match reason {
            CloseReason::Drain => announce::drain(self.retry),
            CloseReason::Expired => announce::expired(),
            CloseReason::Kicked => announce::kicked(),
            _ => return None,
        };
        Some(self.count(farewell, now))
    }

    fn count(&mut self, bytes: Bytes, now: Instant) -> Bytes {
        self.gave(bytes.len(), now);
        bytes
    }

    /// Whether the token has expired (guarantee 7: from then on no update is handed to the stream).
    pub(crate) fn is_expired(&self) -> bool {
        self.expires_at.is_some_and(|end| Instant::now() >= end)
    }

    /// Why it is time to end, if it is.
    pub(crate) fn due(&self, now: Instant) -> Option<CloseReason> {
        let reached = |end: Option<Instant>| end.is_some_and(|end| now >= end);
        if reached(self.expires_at) {
            Some(CloseReason::Expired)
        } else {
            reached(self.ends_at).then_some(CloseReason::MaxAge)
        }
    }

    /// When the stream has to end, and for what.
    pub(crate) fn end_at(&self) -> Option<(Instant, CloseReason)> {
        let expiry = self.expires_at.map(|end| (end, CloseReason::Expired));
        let age = self.ends_at.map(|end| (end, CloseReason::MaxAge));
        expiry.into_iter().chain(age).min_by_key(|(end, _)| *end)
    }

    /// When the next keep-alive is due, if nothing is said before.
    pub(crate) fn silent_until(&self) -> Instant {
        self.last_bytes + self.keep_alive
    }

    /// How long this stream may be silent.
    pub(crate) fn keep_alive_time(&self) -> Duration {
        self.keep_alive
    }

    pub(crate) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    pub(crate) fn fate(&self) -> &Fate {
        &self.fate
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

impl Drop for Script {
    /// Counts the stream once, under one reason.
    fn drop(&mut self) {
        let reason = self.ended.unwrap_or_else(|| self.fate.close_reason());
        self.metrics.stream_closed(reason);
        debug!(subscriber = %self.subscriber, %reason, "stream closed");
    }
}

/// A reconnection time between once and twice the configured one, so that clients that were cut off together do not
/// come back together.
pub(crate) fn jittered_retry(retry: Duration) -> Duration {
    retry.mul_f64(1.0 + fastrand::f64())
}
