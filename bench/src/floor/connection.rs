//! One socket of the floor, and what it still owes it.

use std::os::fd::{AsFd as _, OwnedFd};

use crate::sys;

/// A client's connection.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// A request that has not wholly come.
    pub(super) input: Vec<u8>,
    /// What it subscribed to.
    pub(super) topic: Option<Vec<u8>>,
    /// From where in the topic's log it is still owed bytes.
    owed: Option<usize>,
    /// A socket that did not take a whole frame gets no more: the floor keeps no queue.
    stuck: bool,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, input: Vec::new(), topic: None, owed: None, stuck: false }
    }

    /// Sends bytes that the socket takes whole, or it is given up. Whoever is still owed a replay gets them from there.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if self.stuck || self.owed.is_some() {
            return;
        }
        self.stuck = !sys::send(self.socket.as_fd(), bytes).is_ok_and(|sent| sent == bytes.len());
    }

    /// Sends the head and the log from an offset on in one write; whether all was taken.
    pub(super) fn send_replay(&mut self, head: &[u8], log: &[u8], from: usize) -> bool {
        let answer = [head, log.get(from..).unwrap_or_default()].concat();
        let sent = sys::send(self.socket.as_fd(), &answer).unwrap_or(0);
        if sent < head.len() {
            self.stuck = true;
            return true;
        }
        if sent < answer.len() {
            self.owed = Some(from + sent - head.len());
        }
        self.owed.is_none()
    }

    /// Sends what is owed of the log; whether that was all.
    pub(super) fn send_rest(&mut self, log: &[u8]) -> bool {
        if let Some(from) = self.owed {
            let rest = log.get(from..).unwrap_or_default();
            let sent = sys::send(self.socket.as_fd(), rest).unwrap_or(0);
            self.owed = (sent < rest.len()).then_some(from + sent);
        }
        self.owed.is_none()
    }
}
