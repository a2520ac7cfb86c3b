//! A stream whose bytes are an upstream's, with keep-alives put in, and an end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tidings_hub::{CloseReason, Delivery, Subscription};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::task::AbortOnDropHandle;

use super::boundary::Boundary;
use crate::bodies::{Bodies, Entry};
use crate::metrics::UpstreamCount;
use crate::script::Script;
use crate::stream::watch;

/// A comment that may stand within an event, too.
const COMMENT: &[u8] = b":\n";

/// A stream that is passed on. It takes from the upstream what the client takes, and keeps nothing.
pub(crate) struct PassThrough {
    subscription: Subscription,
    script: Script,
    /// None when the stream has ended: the upstream's connection is closed then.
    upstream: Option<Upstream>,
    boundary: Boundary,
    timer: Option<Pin<Box<Sleep>>>,
    watch: Option<AbortOnDropHandle<()>>,
    _entry: Entry,
}

struct Upstream {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    _held: (UpstreamCount, OwnedSemaphorePermit),
}

impl PassThrough {
    /// `held` is let go of when the upstream's connection is.
    pub(super) fn new(
        subscription: Subscription,
        script: Script,
        answer: reqwest::Response,
        held: (UpstreamCount, OwnedSemaphorePermit),
        bodies: &Arc<Bodies>,
    ) -> Self {
        let watch = watch(&script);
        let (id, fate) = (subscription.subscriber().id, script.fate().clone());
        let entry = Arc::clone(bodies).enter(id, fate);
        let upstream = Upstream { bytes: Box::pin(answer.bytes_stream()), _held: held };
        Self {
            subscription,
            script,
            upstream: Some(upstream),
            boundary: Boundary::new(),
            timer: None,
            watch,
            _entry: entry,
        }
    }

    /// The stream's next bytes; `None` when it has ended.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
        let now = Instant::now();
        if let Some(reason) = self.script.due(now) {
            return self.end(reason, now);
        }
        // Updates of the hub are not for this stream, its end is.
        while let Poll::Ready(delivery) = self.subscription.poll_delivery(cx) {
            if let Delivery::Closed(reason) = delivery {
                return self.end(reason, now);
            }
        }
        match upstream.bytes.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.boundary.follow(&bytes);
                self.script.gave(bytes.len(), now);
                Poll::Ready(Some(bytes))
            }
            Poll::Ready(Some(Err(_)) | None) => self.end(CloseReason::Upstream, now),
            Poll::Pending => self.poll_timer(cx),
        }
    }

    fn end(&mut self, reason: CloseReason, now: Instant) -> Poll<Option<Bytes>> {
        self.upstream = None;
        self.watch = None;
        let farewell = self.script.end(reason, now);
        // In the middle of an event it would become part of that.
        Poll::Ready(farewell.filter(|_| self.boundary.takes_an_event()))
    }

    /// Waits for the next thing that the hub has to say.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let silent_until = self.script.silent_until();
            let next = self.script.end_at().map_or(silent_until, |(end, _)| end.min(silent_until));
            let now = Instant::now();
            if now >= next {
                if let Some(reason) = self.script.due(now) {
                    return self.end(reason, now);
                }
                if self.boundary.takes_a_comment() {
                    self.script.gave(COMMENT.len(), now);
                    return Poll::Ready(Some(Bytes::from_static(COMMENT)));
                }
                // Within a line nothing can be said. Next time, perhaps.
                self.script.gave(0, now);
                continue;
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() > next || timer.is_elapsed() {
                timer.as_mut().reset(next);
            }
            std::task::ready!(timer.as_mut().poll(cx));
        }
    }
}

impl fmt::Debug for PassThrough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassThrough")
            .field("subscriber", &self.subscription.subscriber().id)
            .finish_non_exhaustive()
    }
}
