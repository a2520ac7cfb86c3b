//! Many updates in one request: NDJSON in chunks, while the result lines are read and checked.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    request::topic_name,
    response::{Response, Sink},
};
use crate::{clock, marker::Marker, server::Server};

/// How much goes into one chunk.
const CHUNK_BYTES: usize = 64 * 1_024;
const READ_BYTES: usize = 256 * 1_024;

/// A request with many updates, of so many topics in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) path: &'a str,
    pub(crate) updates: u64,
    pub(crate) topics: u32,
    pub(crate) data_bytes: usize,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct Bulked {
    /// How long it took until the last result had come.
    pub(crate) nanos: u64,
    /// The id of the last update.
    pub(crate) last_id: String,
}

impl Bulk<'_> {
    /// Publishes them and checks that each got an id of its own.
    ///
    /// # Errors
    /// When one was refused, or the server does not move for the time of the limit.
    pub(crate) fn run(self, server: &mut Server, limit: Duration) -> Result<Bulked> {
        let mut socket = TcpStream::connect(self.to).context("cannot connect to publish")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        let writer = socket.try_clone()?;
        let start = clock::now();
        let results = thread::scope(|scope| {
            let sending = scope.spawn(move || self.send(writer));
            let results = read(&mut socket);
            // A server that has answered to the end, or not at all, reads no more.
            socket.shutdown(std::net::Shutdown::Both).ok();
            let sent = sending.join().map_err(|_| anyhow::anyhow!("the sender failed"))?;
            let results = results?;
            sent.context("cannot send the updates").map(|()| results)
        });
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                server.check()?;
                return Err(error);
            }
        };
        let nanos = clock::now() - start;
        if let Some(fault) = results.fault {
            bail!("a bulk publish: {fault}");
        }
        if results.taken != self.updates {
            bail!("{} of {} updates have a result", results.taken, self.updates);
        }
        let last = String::from_utf8_lossy(&results.last);
        let last_id = last.trim_start_matches("{\"id\":\"").trim_end_matches("\"}").to_owned();
        Ok(Bulked { nanos, last_id })
    }

    fn send(self, mut socket: TcpStream) -> io::Result<()> {
        let mut data = Vec::new();
        Marker { run: 0, topic: 0, seq: 0, sent: 0 }.write(self.data_bytes, &mut data);
        let line = |topic: u32| {
            let topic = topic_name(topic);
            [b"{\"topic\":\"", topic.as_bytes(), b"\",\"data\":\"", &data, b"\"}\n"].concat()
        };
        let lines: Vec<Vec<u8>> = (0..self.topics.max(1)).map(line).collect();
        let (path, to) = (self.path, self.to);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/x-ndjson\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes())?;
        let longest = lines.iter().map(Vec::len).max().unwrap_or(1);
        // Whole turns, so that every chunk but the last is the same.
        let most = (CHUNK_BYTES / longest / lines.len()).max(1) * lines.len();
        let whole = chunk(&lines, most);
        let mut left = self.updates;
        while left >= most as u64 {
            socket.write_all(&whole)?;
            left -= most as u64;
        }
        if left > 0 {
            socket.write_all(&chunk(&lines, usize::try_from(left).unwrap_or(0)))?;
        }
        socket.write_all(b"0\r\n\r\n")
    }
}

fn chunk(lines: &[Vec<u8>], count: usize) -> Vec<u8> {
    let lines: Vec<u8> = lines.iter().cycle().take(count).flatten().copied().collect();
    let size = format!("{:x}\r\n", lines.len());
    [size.as_bytes(), &lines, b"\r\n"].concat()
}

#[derive(Default)]
struct Results {
    taken: u64,
    last: Vec<u8>,
    fault: Option<String>,
}

impl Sink for Results {
    fn head(&mut self, status: u16) {
        if status != 200 {
            self.fault = Some(format!("the server answered {status}"));
        }
    }

    fn line(&mut self, line: &[u8]) {
        let good = line.starts_with(b"{\"id\":\"") && line.ends_with(b"\"}") && line != self.last;
        if good {
            self.taken += 1;
            self.last.clear();
            self.last.extend_from_slice(line);
        } else if self.fault.is_none() {
            let line = String::from_utf8_lossy(line);
            self.fault = Some(format!("after {} results: {line:?}", self.taken));
        }
    }
}

fn read(socket: &mut TcpStream) -> Result<Results> {
    let (mut results, mut response) = (Results::default(), Response::default());
    let mut buffer = vec![0; READ_BYTES];
    while !response.has_ended() {
        let read = socket.read(&mut buffer).context("no result of a bulk publish")?;
        if read == 0 {
            bail!("the answer to a bulk publish broke off after {} results", results.taken);
        }
        response.feed(buffer.get(..read).unwrap_or_default(), &mut results)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_without_an_id_of_its_own_is_a_fault() {
        for (second, fault) in [
            ("{\"id\":\"#a-2\"}", false),
            ("{\"id\":\"#a-1\"}", true),
            ("{\"status\":400}", true),
            ("", true),
        ] {
            let mut results = Results::default();
            results.head(200);
            results.line(b"{\"id\":\"#a-1\"}");
            results.line(second.as_bytes());
            assert_eq!(results.fault.is_some(), fault, "{second}");
            assert_eq!(results.taken, if fault { 1 } else { 2 });
        }
    }

    #[test]
    fn a_chunk_says_its_size() {
        let lines = [b"ab\n".to_vec(), b"c\n".to_vec()];
        assert_eq!(chunk(&lines, 7), b"12\r\nab\nc\nab\nc\nab\nc\nab\n\r\n");
    }
}
