//! A topic of the floor: who subscribed, and all its frames in one piece of memory.

use std::{io::Write as _, ops::Range};

/// How the ids begin: they are as long as the hub's own.
const EPOCH: &str = "#floor000-";

#[derive(Default)]
pub(super) struct Topic {
    subscribers: Vec<usize>,
    log: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
}

impl Topic {
    /// Writes the frame of an update into the log, and answers where it lies.
    pub(super) fn append(&mut self, data: &[u8]) -> Range<usize> {
        let begin = self.log.len();
        let written = write!(self.log, "id: {EPOCH}{}\ndata: ", self.ends.len() + 1);
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
        self.log.extend_from_slice(data);
        self.log.extend_from_slice(b"\n\n");
        self.ends.push(self.log.len());
        begin..self.log.len()
    }

    pub(super) fn log(&self) -> &[u8] {
        &self.log
    }

    /// Where in the log the updates after an id begin.
    pub(super) fn after(&self, id: &[u8]) -> Option<usize> {
        let number = id.strip_prefix(EPOCH.as_bytes())?;
        let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
        self.ends.get(number.checked_sub(1)?).copied()
    }

    pub(super) fn subscribers(&self) -> &[usize] {
        &self.subscribers
    }

    pub(super) fn join(&mut self, subscriber: usize) {
        self.subscribers.push(subscriber);
    }

    pub(super) fn leave(&mut self, subscriber: usize) {
        if let Some(at) = self.subscribers.iter().position(|other| *other == subscriber) {
            self.subscribers.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_after_an_id_are_found() {
        let mut topic = Topic::default();
        topic.append(b"one");
        let second = topic.append(b"two");
        assert_eq!(topic.after(b"#floor000-1"), Some(second.start));
        assert_eq!(&topic.log()[second], b"id: #floor000-2\ndata: two\n\n");
        assert_eq!(topic.after(b"#floor000-2"), Some(topic.log().len()));
        for unknown in ["#floor000-3", "#floor000-0", "#other000-1"] {
            assert_eq!(topic.after(unknown.as_bytes()), None);
        }
    }
}
