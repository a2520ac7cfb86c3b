//! A subscription as the bytes of an event stream: the opening, events, keep-alives, and how it ends.
//!
//! Lanes differ in who takes the bytes; what the bytes are is decided here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_hub::{CloseReason, Delivery, LoggedUpdate, Position, Subscription};
use tokio::time::{Instant, Sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use crate::announce;
use crate::config::StreamConfig;
use crate::connection::Fate;
use crate::metrics::Metrics;

/// How long after its end a stream may still be open, so that one whose client reads ends with its last bytes.
const GRACE: Duration = Duration::from_secs(1);

/// What one stream goes by: the settings with this stream's share of jitter, and its token's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    keep_alive: Duration,
    retry: Duration,
    /// When the stream has reached its age, if there is a limit.
    ends_at: Option<Instant>,
    /// When the token that opened it expires, if it does.
    expires_at: Option<Instant>,
}

impl Plan {
    /// Draws a stream's jitter.
    pub(crate) fn new(config: &StreamConfig, now: Instant, expires_at: Option<Instant>) -> Self {
        Self {
            keep_alive: config.keep_alive.mul_f64(1.0 - 0.1 * fastrand::f64()),
            retry: jittered_retry(config.retry),
            ends_at: config.max_age.map(|age| now + age.mul_f64(1.0 - 0.2 * fastrand::f64())),
            expires_at,
        }
    }

    /// Has the connection cut when the stream ought to have ended. Where a client takes no bytes, nobody asks the
    /// stream for more, and it cannot end by itself.
    fn watch(&self, fate: &Fate) -> Option<AbortOnDropHandle<()>> {
        let end = self.expires_at.into_iter().chain(self.ends_at).min()?;
        let is_expiry = self.expires_at == Some(end);
        let fate = fate.clone();
        let watch = async move {
            tokio::time::sleep_until(end + GRACE).await;
            if is_expiry { fate.cut_for_expiry() } else { fate.cut_for_age() }
        };
        Some(AbortOnDropHandle::new(tokio::spawn(watch)))
    }
}

/// A reconnection time between once and twice the configured one, so that clients that were cut off together do not
/// come back together.
pub(crate) fn jittered_retry(retry: Duration) -> Duration {
    retry.mul_f64(1.0 + fastrand::f64())
}

/// An event stream for one subscriber.
#[derive(Debug)]
pub(crate) struct EventStream {
    subscription: Subscription,
    plan: Plan,
    phase: Phase,
    /// The place to resume from that the client was last told, other than by an event.
    told: Option<Position>,
    opened_at: Instant,
    /// When bytes were last given out.
    last_bytes: Instant,
    /// Fires at the next thing the plan asks for. It is not reset by every event: when it fires too early it is set
    /// again, which costs a stream one firing per keep-alive time instead of one reset per event.
    timer: Pin<Box<Sleep>>,
    fate: Fate,
    metrics: Arc<Metrics>,
    /// Sees to it that the stream ends in time; ends with it.
    _watch: Option<AbortOnDropHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Ended(CloseReason),
}

impl EventStream {
    pub(crate) fn new(
        subscription: Subscription,
        plan: Plan,
        fate: Fate,
        metrics: Arc<Metrics>,
    ) -> Self {
        let now = Instant::now();
        metrics.stream_opened(subscription.resume());
        Self {
            subscription,
            plan,
            phase: Phase::Opening,
            told: None,
            opened_at: now,
            last_bytes: now,
            timer: Box::pin(tokio::time::sleep_until(now)),
            _watch: plan.watch(&fate),
            fate,
            metrics,
        }
    }

    /// The stream's next bytes; `None` when it has ended.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let bytes = match self.phase {
            Phase::Ended(_) => return Poll::Ready(None),
            Phase::Opening => {
                self.phase = Phase::Open;
                self.told = self.subscription.caught_up();
                announce::opening(self.plan.retry, self.told)
            }
            Phase::Open => match self.poll_open(cx) {
                Poll::Ready(Some(bytes)) => bytes,
                other => return other,
            },
        };
        self.last_bytes = Instant::now();
        self.metrics.bytes(bytes.len());
        Poll::Ready(Some(bytes))
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let now = Instant::now();
        // Before anything else: guarantee 7 holds for a stream that always has something to send, too.
        let due = [
            (self.plan.expires_at, CloseReason::Expired),
            (self.plan.ends_at, CloseReason::MaxAge),
        ];
        if let Some((_, reason)) = due.into_iter().find(|(end, _)| reached(*end, now)) {
            self.phase = Phase::Ended(reason);
            return Poll::Ready(self.farewell(reason));
        }
        match self.subscription.poll_delivery(cx) {
            Poll::Ready(Delivery::Updates(updates)) => {
                self.metrics.delivered(&updates, self.opened_at, now);
                self.told = updates.last().map(|update| update.position);
                Poll::Ready(Some(join(&updates)))
            }
            Poll::Ready(Delivery::Gap(gap)) => Poll::Ready(Some(announce::gap(&gap))),
            Poll::Ready(Delivery::Closed(reason)) => {
                self.phase = Phase::Ended(reason);
                Poll::Ready(self.farewell(reason))
            }
            Poll::Pending => self.poll_timer(cx),
        }
    }

    /// The last bytes of a stream that ends for this reason. Where a reconnect is all there is to do, none are needed: a
    /// browser does that by itself.
    fn farewell(&self, reason: CloseReason) -> Option<Bytes> {
        match reason {
            CloseReason::Drain => Some(announce::drain(self.plan.retry)),
            CloseReason::Expired => Some(announce::expired()),
            _ => None,
        }
    }

    fn keep_alive(&mut self) -> Bytes {
        let caught_up = self.subscription.caught_up();
        let moved_to = caught_up.filter(|position| self.told != Some(*position));
        self.told = caught_up.or(self.told);
        announce::keep_alive(moved_to)
    }

    /// Waits for the next thing the plan asks for.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let silent_until = self.last_bytes + self.plan.keep_alive;
            let next = [self.plan.expires_at, self.plan.ends_at]
                .into_iter()
                .flatten()
                .fold(silent_until, Instant::min);
            let now = Instant::now();
            if now >= next {
                if now >= silent_until {
                    return Poll::Ready(Some(self.keep_alive()));
                }
                return self.poll_open(cx);
            }
            if self.timer.deadline() > next || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            std::task::ready!(self.timer.as_mut().poll(cx));
        }
    }
}

impl Drop for EventStream {
    /// Counts the stream once, under one reason.
    fn drop(&mut self) {
        let reason = match self.phase {
            Phase::Ended(reason) => reason,
            Phase::Opening | Phase::Open => self.fate.close_reason(),
        };
        self.metrics.stream_closed(reason);
        debug!(subscriber = %self.subscription.subscriber().id, %reason, "stream closed");
    }
}

fn reached(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| now >= deadline)
}

/// The bytes of several frames in one piece; of a single one the shared frame itself.
fn join(updates: &[Arc<LoggedUpdate>]) -> Bytes {
    if let [update] = updates {
        return update.frame.clone();
    }
    let mut bytes = BytesMut::with_capacity(updates.iter().map(|update| update.frame.len()).sum());
    for update in updates {
        bytes.extend_from_slice(&update.frame);
    }
    bytes.freeze()
}
