//! A stream's answer as it comes in pieces: the head, then lines of a body that is chunked or lasts until the close.

use anyhow::{Context as _, Result, bail};
use memchr::{memchr, memmem};

/// No server's head is longer.
const MAX_HEAD_BYTES: usize = 64 * 1_024;

/// What a response is made of, in the order it comes.
pub(crate) trait Sink {
    /// The head has come: the status.
    fn head(&mut self, status: u16);
    /// A line of the body, without its end.
    fn line(&mut self, line: &[u8]);
}

/// The place in an answer up to which it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    place: Place,
    /// The part of the head, or of a line, that came so far.
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    /// In a body until the close.
    Plain,
    /// In the line of a chunk's size: the digits so far, and whether they are over.
    Size { size: u64, over: bool },
    /// In a chunk: how much of it is still to come.
    Chunk(u64),
    /// In the line end after a chunk.
    ChunkEnd,
    /// Behind the last chunk.
    Ended,
}

impl Response {
    /// Whether the last chunk has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// Takes the next piece of the answer.
    ///
    /// # Errors
    /// When it is not HTTP.
    pub(crate) fn feed(&mut self, mut input: &[u8], sink: &mut impl Sink) -> Result<()> {
        while !input.is_empty() {
            input = match self.place {
                Place::Head => self.feed_head(input, sink)?,
                Place::Plain => {
                    self.feed_lines(input, sink);
                    &[]
                }
                Place::Size { size, over } => self.feed_size(input, size, over)?,
                Place::Chunk(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (chunk, rest) = input.split_at(here);
                    self.feed_lines(chunk, sink);
                    let left = left - here as u64;
                    self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                    rest
                }
                Place::ChunkEnd => match input.split_first() {
                    Some((b'\r', rest)) => rest,
                    Some((b'\n', rest)) => {
                        self.place = Place::Size { size: 0, over: false };
                        rest
                    }
                    _ => bail!("a chunk does not end where it should"),
                },
                Place::Ended => &[],
            };
        }
        Ok(())
    }

    fn feed_head<'a>(&mut self, input: &'a [u8], sink: &mut impl Sink) -> Result<&'a [u8]> {
        let before = self.pending.len();
        self.pending.extend_from_slice(input);
        let from = before.saturating_sub(3);
        let found = memmem::find(self.pending.get(from..).unwrap_or_default(), b"\r\n\r\n");
        let Some(end) = found.map(|at| from + at + 4) else {
            if self.pending.len() > MAX_HEAD_BYTES {
                bail!("the head of the answer does not end");
            }
            return Ok(&[]);
        };
        let head = parse_head(self.pending.get(..end).unwrap_or_default())?;
        self.pending = Vec::new();
        self.place = if head.chunked { Place::Size { size: 0, over: false } } else { Place::Plain };
        sink.head(head.status);
        Ok(input.get(end - before..).unwrap_or_default())
    }

    fn feed_size<'a>(
        &mut self,
        input: &'a [u8],
        mut size: u64,
        mut over: bool,
    ) -> Result<&'a [u8]> {
        for (index, byte) in input.iter().enumerate() {
            match (byte, char::from(*byte).to_digit(16)) {
                (b'\n', _) => {
                    self.place = if size == 0 { Place::Ended } else { Place::Chunk(size) };
                    return Ok(input.get(index + 1..).unwrap_or_default());
                }
                (_, Some(digit)) if !over => {
                    size = size.checked_mul(16).context("a chunk without end")? + u64::from(digit);
                }
                (b'\r' | b';' | b' ', _) => over = true,
                _ if over => {}
                _ => bail!("a chunk without a size"),
            }
        }
        self.place = Place::Size { size, over };
        Ok(&[])
    }

    fn feed_lines(&mut self, mut input: &[u8], sink: &mut impl Sink) {
        while let Some(end) = memchr(b'\n', input) {
            let (line, rest) = input.split_at(end);
            if self.pending.is_empty() {
                sink.line(line.strip_suffix(b"\r").unwrap_or(line));
            } else {
                self.pending.extend_from_slice(line);
                let line = &self.pending;
                sink.line(line.strip_suffix(b"\r").unwrap_or(line));
                self.pending.clear();
            }
            input = rest.get(1..).unwrap_or_default();
        }
        self.pending.extend_from_slice(input);
    }
}

/// What matters of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) chunked: bool,
    pub(crate) length: Option<usize>,
    /// Whether the server closes the connection after it.
    pub(crate) close: bool,
}

/// Reads a whole head.
///
/// # Errors
/// When it does not begin with HTTP's status line.
pub(crate) fn parse_head(head: &[u8]) -> Result<Head> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status = status.with_context(|| format!("no status line: {line:?}"))?;
    let mut head =
        Head { status, chunked: false, length: None, close: line.starts_with("HTTP/1.0") };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            head.close = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default, Debug, PartialEq, Eq)]
    struct Seen {
        status: Option<u16>,
        lines: Vec<String>,
    }

    impl Sink for Seen {
        fn head(&mut self, status: u16) {
            assert_eq!(self.status.replace(status), None);
        }

        fn line(&mut self, line: &[u8]) {
            self.lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
    }

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Seen, Response) {
        let (mut seen, mut response) = (Seen::default(), Response::default());
        for piece in pieces {
            response.feed(piece, &mut seen).unwrap();
        }
        (seen, response)
    }

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;a=b\r\n:\n\nid\r\nA\r\n: 1\r\ndata\n\r\n02\r\n\n:\r\n1\r\n\n\r\n0\r\n\r\n";
    const PLAIN: &[u8] = b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n:\n\nid: 1\r\ndata\n\n:\n";

    fn expected() -> Seen {
        let lines = [":", "", "id: 1", "data", "", ":"].map(str::to_owned).to_vec();
        Seen { status: Some(200), lines }
    }

    #[test]
    fn every_cut_of_a_stream_gives_the_same_lines() {
        for stream in [CHUNKED, PLAIN] {
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    let (seen, response) = read(pieces);
                    assert_eq!(seen, expected(), "cut at {first} and {second}");
                    assert_eq!(response.has_ended(), stream == CHUNKED);
                }
            }
        }
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for broken in [
            "SSH-2.0\r\n\r\n".to_owned(),
            format!("{chunked}x\r\n"),
            format!("{chunked}1\r\naa"),
            format!("{chunked}fffffffffffffffff\r\n"),
        ] {
            let mut seen = Seen::default();
            let result = Response::default().feed(broken.as_bytes(), &mut seen);
            assert!(result.is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_chunks_in_any_pieces_give_the_lines_that_were_sent(
            lines in prop::collection::vec("[a-z :]{0,12}", 0..20),
            chunks in prop::collection::vec(1..30_usize, 1..20),
            pieces in prop::collection::vec(1..40_usize, 1..20),
        ) {
            let body = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
            let mut stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in cut(body.as_bytes(), &chunks) {
                stream.extend(format!("{:x}\r\n", chunk.len()).bytes());
                stream.extend(chunk);
                stream.extend(b"\r\n");
            }
            let (seen, _) = read(cut(&stream, &pieces));
            prop_assert_eq!(seen.lines, lines);
        }
    }

    /// Cuts bytes into pieces of these lengths, again and again.
    fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
