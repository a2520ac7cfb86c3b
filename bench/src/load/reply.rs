//! The answer to a publish: whole or not yet, and what it says.

use anyhow::Result;
use memchr::memmem;

use super::response::{Head, parse_head};

/// An answer that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection can be used again.
    pub(crate) keep: bool,
}

impl Reply {
    /// Takes the next piece; the answer once it is whole.
    ///
    /// # Errors
    /// When it is not HTTP.
    pub(crate) fn feed(&mut self, input: &[u8], ended: bool) -> Result<Option<Answer>> {
        self.bytes.extend_from_slice(input);
        let Some(end) = memmem::find(&self.bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, body) = self.bytes.split_at(end + 4);
        let Head { status, chunked, length, close } = parse_head(head)?;
        let whole = match (length, chunked, status) {
            (_, _, 204 | 304) => true,
            (_, true, _) => body.starts_with(b"0\r\n") || body.ends_with(b"\r\n0\r\n\r\n"),
            (Some(length), false, _) => body.len() >= length,
            (None, false, _) => ended,
        };
        Ok(whole.then_some(Answer { status, keep: !close && !ended }))
    }

    /// What has come, as text to tell somebody.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).chars().take(500).collect()
    }

    /// Makes room for the next answer.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        for (text, status, keep) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, true),
            (
                "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                201,
                true,
            ),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, false),
        ] {
            let mut reply = Reply::default();
            for (index, byte) in text.bytes().enumerate() {
                let answer = reply.feed(&[byte], false).unwrap();
                assert_eq!(answer.is_some(), index + 1 == text.len(), "{text:?} at {index}");
                if let Some(answer) = answer {
                    assert_eq!((answer.status, answer.keep), (status, keep));
                }
            }
        }
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let mut reply = Reply::default();
        assert!(reply.feed(b"HTTP/1.1 200 OK\r\n\r\nabc", false).unwrap().is_none());
        assert!(!reply.feed(b"", true).unwrap().unwrap().keep);
    }
}
