//! What a hub says to the others: numbered, in order.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use tidings_hub::Unavailable;
use tidings_store::{Bus, Listen};

use super::id::NodeId;
use super::message::{self, Head, Message};

/// Says things to the other hubs.
#[derive(Debug)]
pub(crate) struct Voice {
    me: NodeId,
    bus: Arc<dyn Bus>,
    /// How many messages were sent; `None` once this hub has gone. Held while one is given to the bus, so that they come
    /// in the order of their numbers.
    said: Mutex<Option<u64>>,
}

impl Voice {
    pub(crate) fn new(me: NodeId, bus: Arc<dyn Bus>) -> Self {
        Self { me, bus, said: Mutex::new(Some(0)) }
    }

    pub(crate) fn me(&self) -> NodeId {
        self.me
    }

    pub(crate) fn listen(&self) -> Box<dyn Listen> {
        self.bus.listen()
    }

    /// Says something to all, or to one. The work begins with the call. A hub that has gone says nothing more.
    pub(crate) fn say(
        &self,
        to: Option<NodeId>,
        message: &Message,
    ) -> BoxFuture<'static, Result<(), Unavailable>> {
        let mut said = self.said.lock();
        let Some(count) = &mut *said else { return Box::pin(async { Ok(()) }) };
        *count += 1;
        let head = Head { from: self.me, to, number: *count };
        if *message == Message::Leave {
            *said = None;
        }
        self.bus.send(message::write(head, message))
    }
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.me.fmt(f)
    }
}
