//! Updates in bulk, one JSON object a line (`application/x-ndjson`), while the body still arrives.
//!
//! Lines in, lines out: what is read here is not kept, and the result of each line is one line.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use tidings_hub::Update;

use super::draft::{DraftError, DraftLimits};
use super::json::parse_update;

/// Splits a body into lines, chunk by chunk. Holds at most one line of `max_line_bytes`.
#[derive(Debug)]
pub(crate) struct NdjsonLines {
    max_line_bytes: usize,
    /// How many lines have ended.
    ended: usize,
    /// The beginning of a line whose end has not arrived: at most `max_line_bytes`.
    partial: Vec<u8>,
    /// The present line has been reported as too long; the rest of it is read past.
    skipping: bool,
}

impl NdjsonLines {
    /// Takes lines of at most `max_line_bytes`, their line end not counted.
    pub(crate) fn new(max_line_bytes: usize) -> Self {
        Self { max_line_bytes, ended: 0, partial: Vec::new(), skipping: false }
    }

    /// The number of the line that has not ended yet, counted from 1.
    pub(crate) fn next_number(&self) -> usize {
        self.ended + 1
    }

    /// Takes the next chunk of the body and yields the lines that end in it. Blank lines are
    /// counted but not yielded. A line over the limit is yielded once, as soon as it is over.
    ///
    /// The chunk is read as the iterator advances: what is left when it is dropped is lost.
    pub(crate) fn feed<'s, 'c>(&'s mut self, chunk: &'c [u8]) -> ChunkLines<'s, 'c> {
        ChunkLines { lines: self, rest: chunk }
    }

    /// Ends the body: its last line counts without a line end too.
    pub(crate) fn finish(self) -> Option<Line<'static>> {
        let line = Line { number: self.ended + 1, text: Ok(Cow::Owned(self.partial)) };
        (!self.skipping && !line.is_blank()).then_some(line)
    }

    fn too_long<'c>(&self, number: usize) -> Line<'c> {
        Line { number, text: Err(DraftError::LineTooLong { limit: self.max_line_bytes }) }
    }

    /// Ends the present line with `last`, its part in this chunk.
    fn end_line<'c>(&mut self, last: &'c [u8]) -> Option<Line<'c>> {
        self.ended += 1;
        let number = self.ended;
        let mut partial = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        if partial.len() + last.len() > self.max_line_bytes {
            return Some(self.too_long(number));
        }
        let text = if partial.is_empty() {
            Cow::Borrowed(last)
        } else {
            partial.extend_from_slice(last);
            Cow::Owned(partial)
        };
        let line = Line { number, text: Ok(text) };
        (!line.is_blank()).then_some(line)
    }

    /// Keeps the beginning of a line that goes on in the next chunk.
    fn keep<'c>(&mut self, beginning: &[u8]) -> Option<Line<'c>> {
        if self.skipping {
            return None;
        }
        if self.partial.len() + beginning.len() > self.max_line_bytes {
            self.skipping = true;
            return Some(self.too_long(self.ended + 1));
        }
        self.partial.extend_from_slice(beginning);
        None
    }
}

/// The lines that end in one chunk.
#[derive(Debug)]
pub(crate) struct ChunkLines<'s, 'c> {
    lines: &'s mut NdjsonLines,
    rest: &'c [u8],
}

impl<'c> Iterator for ChunkLines<'_, 'c> {
    type Item = Line<'c>;

    fn next(&mut self) -> Option<Line<'c>> {
        while let Some(end) = memchr(b'\n', self.rest) {
            let (line, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.split_first()?.1;
            if let Some(line) = self.lines.end_line(line) {
                return Some(line);
            }
        }
        self.lines.keep(std::mem::take(&mut self.rest))
    }
}

/// One line of a bulk body.
#[derive(Debug)]
pub(crate) struct Line<'c> {
    number: usize,
    text: Result<Cow<'c, [u8]>, DraftError>,
}

impl Line<'_> {
    /// Its number in the body, counted from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Reads the line's update, which has the shape that [`parse_json`](super::json::parse_json)
    /// takes.
    ///
    /// # Errors
    /// [`DraftError::LineTooLong`], or what is wrong with the line's update. A
    /// [`DraftError::BadJson`] has the line's number in the body.
    pub(crate) fn parse(self, limits: &DraftLimits) -> Result<Update, DraftError> {
        parse_update(&self.text?, limits).map_err(|error| match error {
            DraftError::BadJson { column, .. } => DraftError::BadJson { line: self.number, column },
            other => other,
        })
    }

    fn is_blank(&self) -> bool {
        self.text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty())
    }
}

/// Writes the result line of an update that is in the log: `{"id":"..."}`.
pub(crate) fn write_accepted(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(b"{\"id\":");
    write_string(out, id);
    out.extend_from_slice(b"}\n");
}

/// Writes the result line of an update that was turned away, for whatever stable `reason`:
/// `{"error":"reason","detail":"...","line":N}`.
pub(crate) fn write_refused(
    out: &mut Vec<u8>,
    line: usize,
    reason: &str,
    detail: &impl fmt::Display,
) {
    out.extend_from_slice(b"{\"error\":");
    write_string(out, reason);
    out.extend_from_slice(b",\"detail\":");
    write_string(out, &detail.to_string());
    out.extend_from_slice(b",\"line\":");
    out.extend_from_slice(line.to_string().as_bytes());
    out.extend_from_slice(b"}\n");
}

/// Writes a JSON string. Nearly every id has nothing to escape and is copied as it is.
fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_LINE_BYTES: usize = 8;

    /// Every line's number and text, the text `None` where the line was too long.
    fn split(chunks: &[&[u8]]) -> Vec<(usize, Option<Vec<u8>>)> {
        let mut splitter = NdjsonLines::new(MAX_LINE_BYTES);
        let mut lines = Vec::new();
        for chunk in chunks {
            lines.extend(splitter.feed(chunk).map(owned));
            assert!(splitter.partial.len() <= MAX_LINE_BYTES, "kept more than one line");
        }
        lines.extend(splitter.finish().map(owned));
        lines
    }

    fn owned(line: Line<'_>) -> (usize, Option<Vec<u8>>) {
        (line.number, line.text.ok().map(Cow::into_owned))
    }

    /// What a body's lines are, with the whole of it at hand.
    fn model(body: &[u8]) -> Vec<(usize, Option<Vec<u8>>)> {
        (1..)
            .zip(body.split(|byte| *byte == b'\n'))
            .filter(|(_, line)| line.len() > MAX_LINE_BYTES || !line.trim_ascii().is_empty())
            .map(|(number, line)| (number, (line.len() <= MAX_LINE_BYTES).then(|| line.to_vec())))
            .collect()
    }

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let body = b"{1}\n\n \r\n{2}\r\n123456789\n12345678\n1234567890123456789\n{3}\n{4}";
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let expected = [
            (1, text("{1}")),
            (4, text("{2}\r")),
            (5, None),
            (6, text("12345678")),
            (7, None),
            (8, text("{3}")),
            (9, text("{4}")),
        ];
        for first in 0..=body.len() {
            for second in first..=body.len() {
                let chunks = [&body[..first], &body[first..second], &body[second..]];
                assert_eq!(split(&chunks), expected, "cut at {first} and {second}");
            }
        }
        assert_eq!(split(&body.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_reported_before_it_ends() {
        let mut lines = NdjsonLines::new(MAX_LINE_BYTES);
        assert_eq!(lines.feed(b"{1}\n123456789").count(), 2);
        assert_eq!(lines.feed(b"and so on").count(), 0);
        assert_eq!(lines.feed(b"\n{2}\n").map(owned).collect::<Vec<_>>()[0].0, 3);
        assert!(lines.finish().is_none());
    }

    #[test]
    fn a_body_that_ends_inside_a_line_that_is_too_long_has_no_more_lines() {
        let mut lines = NdjsonLines::new(MAX_LINE_BYTES);
        assert_eq!(lines.feed(b"123456789").count(), 1);
        assert!(lines.finish().is_none());
        assert!(NdjsonLines::new(MAX_LINE_BYTES).finish().is_none());
    }

    #[test]
    fn each_line_is_one_update_or_one_error_that_says_where() {
        let limits = DraftLimits::default();
        let mut lines = NdjsonLines::new(40);
        let body = format!(
            "{{\"topic\":\"a\",\"data\":{{}}}}\r\n{{\"topic\":}}\n{{}}\n[]\n{}\n{{\"topic\":\"b\"}}",
            "x".repeat(41)
        );
        let mut results: Vec<_> =
            lines.feed(body.as_bytes()).map(|line| line.parse(&limits)).collect();
        results.extend(lines.finish().map(|line| line.parse(&limits)));
        let topics = |draft: Update| draft.topics;
        let wrong = DraftError::WrongType { field: "update", expected: "a JSON object" };
        let expected = [
            Ok(vec!["a".to_owned()]),
            Err(DraftError::BadJson { line: 2, column: 10 }),
            Err(DraftError::MissingTopic),
            Err(wrong),
            Err(DraftError::LineTooLong { limit: 40 }),
            Ok(vec!["b".to_owned()]),
        ];
        assert_eq!(
            results.into_iter().map(|result| result.map(topics)).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn a_result_is_one_line_of_json() {
        let mut out = Vec::new();
        write_accepted(&mut out, "#e1-42");
        write_accepted(&mut out, "a\"b\\c\u{1}\u{e9}");
        write_refused(&mut out, 7, "bad_id", &"no \"#\"\nplease");
        let expected = "{\"id\":\"#e1-42\"}\n{\"id\":\"a\\\"b\\\\c\\u0001\u{e9}\"}\n\
            {\"error\":\"bad_id\",\"detail\":\"no \\\"#\\\"\\nplease\",\"line\":7}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_has_the_lines_it_has_as_a_whole(
            chunks in prop::collection::vec("[a \r\n]{0,12}", 0..12),
        ) {
            let bytes: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
            prop_assert_eq!(split(&bytes), model(&bytes.concat()));
        }

        #[test]
        fn a_result_line_reads_back(id: String) {
            let mut out = Vec::new();
            write_accepted(&mut out, &id);
            prop_assert_eq!(memchr(b'\n', &out), Some(out.len() - 1));
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(value, serde_json::json!({"id": id}));
        }
    }
}
