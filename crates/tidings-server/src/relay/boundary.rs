//! Where in a stream that is passed on a comment, or an event of the hub's own, may stand.

/// Follows the bytes of an event stream.
#[derive(Debug)]
pub(super) struct Boundary {
    /// The last byte, a line feed at the beginning.
    last: u8,
    /// The line that has begun has no byte yet.
    line_is_empty: bool,
    /// Lines have come since the last blank one.
    event_is_open: bool,
}

impl Boundary {
    pub(super) fn new() -> Self {
        Self { last: b'\n', line_is_empty: true, event_is_open: false }
    }

    /// Follows some more bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                // The second half of a CR LF ends no line of its own.
                b'\n' if self.last == b'\r' => {}
                b'\n' | b'\r' => {
                    self.event_is_open &= !self.line_is_empty;
                    self.line_is_empty = true;
                }
                _ => {
                    self.line_is_empty = false;
                    self.event_is_open = true;
                }
            }
            self.last = byte;
        }
    }

    /// Whether a comment may stand here: after a line feed. After a carriage return it is not known whether the line feed
    /// that belongs to it still comes, which behind a comment would be a blank line.
    pub(super) fn takes_a_comment(&self) -> bool {
        self.last == b'\n'
    }

    /// Whether an event may stand here: as a comment, and no event has begun.
    pub(super) fn takes_an_event(&self) -> bool {
        self.takes_a_comment() && !self.event_is_open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidings_wire::{Chunk, Decoder, Item, KEEP_ALIVE, OwnedEvent};

    use super::*;

    fn at(stream: &str) -> (bool, bool) {
        let mut boundary = Boundary::new();
        boundary.follow(stream.as_bytes());
        (boundary.takes_a_comment(), boundary.takes_an_event())
    }

    #[test]
    fn a_comment_stands_between_lines_and_an_event_between_events() {
        assert_eq!(at(""), (true, true));
        assert_eq!(at("data: x"), (false, false));
        assert_eq!(at("data: x\n"), (true, false));
        assert_eq!(at("data: x\r"), (false, false));
        assert_eq!(at("data: x\r\n"), (true, false));
        assert_eq!(at("data: x\n\n"), (true, true));
        assert_eq!(at("data: x\r\n\r\n"), (true, true));
        assert_eq!(at("data: x\n\r\n"), (true, true));
        assert_eq!(at("data: x\n\nid: 1\n"), (true, false));
    }

    fn events(stream: &[u8]) -> Vec<OwnedEvent> {
        let mut decoder = Decoder::new();
        let mut chunk = Chunk::new(stream);
        let mut events = Vec::new();
        while let Some(item) = decoder.decode(&mut chunk).unwrap() {
            if let Item::Event(event) = item {
                events.push(event.to_owned());
            }
        }
        events
    }

    proptest! {
        /// A keep-alive wherever one may stand changes no event; one that is a whole event stands between events only.
        #[test]
        fn what_is_put_in_changes_nothing(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["data: x", "id: 1", "\n", "\r", "\r\n", ":c", "event: e", "\n\n"]), 0..40,
            ),
        ) {
            let whole = pieces.concat();
            let (mut boundary, mut woven) = (Boundary::new(), Vec::new());
            let mut own = 0;
            for &byte in whole.as_bytes() {
                boundary.follow(&[byte]);
                woven.push(byte);
                if boundary.takes_an_event() {
                    woven.extend_from_slice(b"event: own\ndata: own\n\n");
                    own += 1;
                } else if boundary.takes_a_comment() {
                    woven.extend_from_slice(b":\n");
                }
            }
            let woven = events(&woven);
            let (ours, theirs): (Vec<_>, Vec<_>) = woven.into_iter().partition(|event| event.event_type == "own");
            prop_assert_eq!(ours.len(), own);
            prop_assert_eq!(theirs, events(whole.as_bytes()));
            prop_assert!(KEEP_ALIVE.starts_with(b":\n"));
        }
    }
}
