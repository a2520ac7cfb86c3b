//! Going down without losing anybody: streams are told to end one after the other, over the drain time.

use std::time::Duration;

use tidings_hub::CloseReason;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::server::Server;

/// How often the drain closes its next streams.
const STEP: Duration = Duration::from_millis(20);
/// Which part of the drain time is for closing streams; the rest is for their last bytes.
const CLOSING: f64 = 0.8;

impl Server {
    /// Refuses new streams and updates from now on, and ends the open streams spread over the drain time, each with a
    /// `drain` event and a reconnection time of its own. For a host program, before its own graceful shutdown, which
    /// waits for open requests and so would wait for streams for ever; [`serve`](Self::serve) does it by itself.
    ///
    /// It returns once all streams are gone, at the latest when [`ServerConfig::drain`](crate::ServerConfig::drain) is
    /// over; at once when there are none. A stream that is left then belongs to a client that takes no bytes. What ends
    /// its connection is the host: by not waiting for it, or by the peer timeout of a listener that was
    /// [prepared](Self::prepare).
    ///
    /// Let the host accept connections meanwhile: newcomers are told when to come back, not refused a connection. Updates
    /// published from now on fail with [`PublishError::Closed`](tidings_hub::PublishError::Closed).
    ///
    /// # Cancel safety
    /// Dropped, it leaves the hub closed to what is new, and those streams open that were not told to end. To call it again
    /// goes on with them.
    ///
    /// ```
    /// use tidings_hub::{HubConfig, PublishError, Update};
    /// use tidings_server::{Server, ServerConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new(HubConfig::default(), ServerConfig::default()).await?;
    /// server.drain().await;
    /// let refused = server.hub().publish(Update::new("news", "too late")).await;
    /// assert_eq!(refused, Err(PublishError::Closed));
    /// # Ok(()) }
    /// ```
    pub async fn drain(&self) {
        let over = tokio::time::sleep(self.0.config.drain);
        self.refuse_newcomers();
        let all_gone = async {
            self.close_streams().await;
            let mut steps = tokio::time::interval(STEP);
            while self.hub().stats().subscribers > 0 {
                steps.tick().await;
            }
        };
        tokio::select! {
            () = all_gone => info!("drained"),
            () = over => {
                // However short the time was, and however busy the runtime: each is told.
                self.hub().close_some(usize::MAX, CloseReason::Drain);
                let streams = self.hub().stats().subscribers;
                warn!(streams, "the drain time is over: streams are left whose clients take no bytes");
            }
        }
        // With streams that are still open the others forget it once it is silent, and count them until then.
        if self.hub().stats().subscribers == 0 {
            self.leave().await;
        }
    }

    /// Tells the other hubs that share the log that this one goes.
    pub(crate) async fn leave(&self) {
        if let Some(cluster) = &self.0.cluster {
            cluster.leave().await;
        }
    }

    /// Takes no new streams and updates from now on.
    pub(crate) fn refuse_newcomers(&self) {
        let hub = self.hub();
        info!(streams = hub.stats().subscribers, "draining");
        hub.close();
    }

    /// Lets the open streams end one after the other, evenly over the drain time.
    pub(crate) async fn close_streams(&self) {
        let total = self.hub().stats().subscribers;
        let closing = self.0.config.drain.mul_f64(CLOSING);
        let begun = Instant::now();
        let mut steps = tokio::time::interval(STEP);
        let mut closed = 0;
        while closed < total {
            steps.tick().await;
            let due = share(total, begun.elapsed(), closing);
            let count = due.saturating_sub(closed);
            if self.hub().close_some(count, CloseReason::Drain) < count {
                return;
            }
            closed += count;
        }
    }
}

/// How many of `total` are due after `elapsed` of `whole`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of streams are far below 2^52, and the share is not negative"
)]
fn share(total: usize, elapsed: Duration, whole: Duration) -> usize {
    if elapsed >= whole {
        return total;
    }
    (total as f64 * elapsed.as_secs_f64() / whole.as_secs_f64()).ceil() as usize
}
