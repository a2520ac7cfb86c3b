//! Requests as the floor reads them: of GET the topic and the last id, of POST the form's two fields.

use anyhow::{Context as _, Result, bail};
use memchr::memmem;

/// A whole request. Nothing in it is percent-decoded: the bench sends only what needs no escaping.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Subscribe { topic: &'a [u8], last_id: Option<&'a [u8]> },
    Publish { topic: &'a [u8], data: &'a [u8] },
}

impl<'a> Request<'a> {
    /// The first request in the bytes and its length; none while it has not wholly come.
    ///
    /// # Errors
    /// When it is not a request of the bench.
    pub(super) fn parse(input: &'a [u8]) -> Result<Option<(Self, usize)>> {
        let Some(end) = memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
        let (head, body) = input.split_at(end + 4);
        if let Some(target) = head.strip_prefix(b"GET ") {
            let line = until(target, b' ');
            let query = memchr::memchr(b'?', line).and_then(|at| line.get(at + 1..));
            let topic = field(query.unwrap_or_default(), b"topic=").context("GET without topic")?;
            let last_id = header(head, b"Last-Event-ID:");
            return Ok(Some((Self::Subscribe { topic, last_id }, head.len())));
        }
        if !head.starts_with(b"POST ") {
            bail!("neither GET nor POST");
        }
        let length = header(head, b"Content-Length:").context("POST without a length")?;
        let length: usize = std::str::from_utf8(length)?.parse()?;
        let Some(body) = body.get(..length) else { return Ok(None) };
        let topic = field(body, b"topic=").context("POST without topic")?;
        let data = field(body, b"data=").context("POST without data")?;
        Ok(Some((Self::Publish { topic, data }, head.len() + length)))
    }
}

fn until(text: &[u8], end: u8) -> &[u8] {
    memchr::memchr(end, text).and_then(|at| text.get(..at)).unwrap_or(text)
}

/// The value of a form's field; its name comes with the `=`.
fn field<'a>(form: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    form.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(name))
}

/// The value of a header, written as the bench writes it.
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(head, name)?;
    Some(until(head.get(at + name.len()..)?, b'\r').trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_once_they_have_wholly_come() {
        let get = b"GET /events?topic=t1 HTTP/1.1\r\nHost: a\r\nLast-Event-ID: #1-7\r\n\r\n";
        let post = b"POST /events HTTP/1.1\r\nContent-Length: 14\r\n\r\ntopic=a&data=b";
        let subscribe = Request::Subscribe { topic: b"t1", last_id: Some(b"#1-7") };
        let publish = Request::Publish { topic: b"a", data: b"b" };
        for (bytes, request) in [(&get[..], subscribe), (&post[..], publish)] {
            for end in 0..bytes.len() {
                assert_eq!(Request::parse(&bytes[..end]).unwrap(), None, "{end}");
            }
            let both = [bytes, b"GET "].concat();
            assert_eq!(Request::parse(&both).unwrap(), Some((request, bytes.len())));
        }
        assert!(Request::parse(b"PUT / HTTP/1.1\r\n\r\n").is_err());
    }
}
