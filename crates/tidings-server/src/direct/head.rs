//! The head of a response on the direct lane.

use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use http::Response;

/// Encodes a response's head (RFC 9112, 2). The body ends with the connection (6.3, the last case): an event stream has no
/// length, nothing can follow it, and without chunks the bytes of an event are the same for every subscriber.
pub(super) fn encode(response: &Response<()>) -> Bytes {
    let mut head = BytesMut::with_capacity(512);
    let status = response.status();
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(status.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.put_slice(b"\r\n");
    for (name, value) in response.headers() {
        put_header(&mut head, name.as_str(), value.as_bytes());
    }
    put_header(&mut head, "date", httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    put_header(&mut head, "connection", b"close");
    head.put_slice(b"\r\n");
    head.freeze()
}

fn put_header(head: &mut BytesMut, name: &str, value: &[u8]) {
    head.put_slice(name.as_bytes());
    head.put_slice(b": ");
    head.put_slice(value);
    head.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_that_the_body_ends_with_the_connection() {
        let response = Response::builder().header("X-A", "1").header("x-a", "2").body(()).unwrap();
        let head = String::from_utf8(encode(&response).to_vec()).unwrap();
        let (begin, rest) = head.split_once("date: ").unwrap();
        assert_eq!(begin, "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\n");
        let (date, rest) = rest.split_once("\r\n").unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
        assert_eq!(rest, "connection: close\r\n\r\n");
    }
}
