//! The body lane: a subscription as the bytes of a response's body, which whoever serves the connection asks for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tidings_hub::{CloseReason, Delivery, LoggedUpdate, Subscription};
use tokio::time::{Instant, Sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::bodies::{Bodies, Entry};
use crate::script::{GRACE, Script};

/// An event stream for one subscriber.
#[derive(Debug)]
pub(crate) struct EventStream {
    subscription: Subscription,
    script: Script,
    phase: Phase,
    /// Fires at the next thing the script has to say. It is not reset by every event: when it fires too early it is set
    /// again, which costs a stream one firing per keep-alive time instead of one reset per event.
    timer: Option<Pin<Box<Sleep>>>,
    /// Sees to it that the stream ends in time; ends with it.
    watch: Option<AbortOnDropHandle<()>>,
    /// Where it is entered once this lane has it.
    bodies: Arc<Bodies>,
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Ended,
}

impl EventStream {
    pub(crate) fn new(subscription: Subscription, script: Script, bodies: Arc<Bodies>) -> Self {
        Self {
            subscription,
            script,
            phase: Phase::Opening,
            timer: None,
            watch: None,
            bodies,
            entry: None,
        }
    }

    /// What another lane needs to carry the stream. It must not have begun.
    pub(crate) fn into_parts(self) -> (Subscription, Script) {
        (self.subscription, self.script)
    }

    /// The stream's next bytes; `None` when it has ended.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.phase {
            Phase::Ended => Poll::Ready(None),
            Phase::Opening => {
                self.phase = Phase::Open;
                self.watch = watch(&self.script);
                let (id, fate) = (self.subscription.subscriber().id, self.script.fate().clone());
                self.entry = Some(Arc::clone(&self.bodies).enter(id, fate));
                let caught_up = self.subscription.caught_up();
                Poll::Ready(Some(self.script.opening(caught_up, Instant::now())))
            }
            Phase::Open => self.poll_open(cx),
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let now = Instant::now();
        // Before anything else: guarantee 7 holds for a stream that always has something to send, too.
        if let Some(reason) = self.script.due(now) {
            return self.end(reason, now);
        }
        match self.subscription.poll_delivery(cx) {
            Poll::Ready(Delivery::Updates(updates)) => {
                let opened_at = self.script.opened_at();
                self.script.metrics().delivered(&updates, opened_at, now);
                if let Some(last) = updates.last() {
                    self.script.told(last, now);
                }
                let bytes = join(&updates);
                self.script.gave(bytes.len(), now);
                Poll::Ready(Some(bytes))
            }
            Poll::Ready(Delivery::Gap(gap)) => Poll::Ready(Some(self.script.gap(&gap, now))),
            Poll::Ready(Delivery::Closed(reason)) => self.end(reason, now),
            Poll::Pending => self.poll_timer(cx),
        }
    }

    fn end(&mut self, reason: CloseReason, now: Instant) -> Poll<Option<Bytes>> {
        self.phase = Phase::Ended;
        Poll::Ready(self.script.end(reason, now))
    }

    /// Waits for the next thing the script has to say.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let silent_until = self.script.silent_until();
            let next = self.script.end_at().map_or(silent_until, |(end, _)| end.min(silent_until));
            let now = Instant::now();
            if now >= next {
                if let Some(reason) = self.script.due(now) {
                    return self.end(reason, now);
                }
                let caught_up = self.subscription.caught_up();
                return Poll::Ready(Some(self.script.keep_alive(caught_up, now)));
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() > next || timer.is_elapsed() {
                timer.as_mut().reset(next);
            }
            std::task::ready!(timer.as_mut().poll(cx));
        }
    }
}

/// Has the connection cut when the stream ought to have ended. Where a client takes no bytes, nobody asks the stream for
/// more, and it cannot end by itself.
pub(crate) fn watch(script: &Script) -> Option<AbortOnDropHandle<()>> {
    let (end, reason) = script.end_at()?;
    let fate = script.fate().clone();
    let watch = async move {
        tokio::time::sleep_until(end + GRACE).await;
        fate.cut(reason);
    };
    Some(AbortOnDropHandle::new(tokio::spawn(watch)))
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
