//! The bus on NATS: core publish and subscribe, on one subject of the log.

use bytes::Bytes;
use futures_core::future::BoxFuture;
use tidings_hub::Unavailable;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::link::Link;
use super::trouble::Trouble;
use crate::bus::{Listen, MAX_MESSAGE_BYTES};

/// The subject that the hubs of a log talk on.
pub(super) fn subject(name: &str) -> String {
    format!("{name}.bus")
}

/// What waits to be sent, in its order. Full, it takes no more.
pub(super) type Outgoing = mpsc::Sender<(Bytes, oneshot::Sender<Result<(), Unavailable>>)>;

/// How many messages may wait to be sent.
const WAITING: usize = 256;

/// Begins to send what the outbox is given, until it is dropped.
pub(super) fn outbox(link: std::sync::Arc<Link>) -> Outgoing {
    let (outgoing, mut waiting) =
        mpsc::channel::<(Bytes, oneshot::Sender<Result<(), Unavailable>>)>(WAITING);
    tokio::spawn(async move {
        let subject = subject(&link.config.name);
        while let Some((message, done)) = waiting.recv().await {
            let sent = match link.up() {
                Ok(up) => {
                    let telling = up.api.conn.tell(subject.clone(), message);
                    match tokio::time::timeout(link.config.ack_timeout, telling).await {
                        Ok(told) => told.map_err(|trouble| link.unavailable(&trouble)),
                        Err(_) => {
                            Err(link.unavailable(&Trouble::Away("the server takes nothing".into())))
                        }
                    }
                }
                Err(why) => Err(why),
            };
            // Whoever sent it need not wait.
            drop(done.send(sent));
        }
    });
    outgoing
}

/// Sends a message.
pub(super) fn send(
    link: &Link,
    outgoing: &Outgoing,
    message: Bytes,
) -> BoxFuture<'static, Result<(), Unavailable>> {
    if message.len() > MAX_MESSAGE_BYTES {
        let why = format!(
            "a message for the other hubs has {} bytes; {MAX_MESSAGE_BYTES} is the most",
            message.len()
        );
        return Box::pin(std::future::ready(Err(Unavailable::new(why))));
    }
    let (done, sent) = oneshot::channel();
    if outgoing.try_send((message, done)).is_err() {
        let why = link
            .unavailable(&Trouble::Away("too many messages for the other hubs are waiting".into()));
        return Box::pin(std::future::ready(Err(why)));
    }
    Box::pin(
        async move { sent.await.unwrap_or_else(|_| Err(Unavailable::new("the log was closed"))) },
    )
}

/// Who listens to the bus.
pub(super) struct Listener {
    pub(super) said: broadcast::Receiver<Bytes>,
}

impl Listen for Listener {
    fn next(&mut self) -> BoxFuture<'_, Bytes> {
        Box::pin(async move {
            loop {
                match self.said.recv().await {
                    Ok(message) => return message,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(
                            missed,
                            "messages of other hubs came faster than they were read"
                        );
                    }
                    // The log was dropped: nothing comes any more.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        })
    }
}
