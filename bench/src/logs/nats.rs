//! NATS as two of its clients use JetStream: one publishes and gets the acknowledgements, to the other a consumer pushes.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

use super::alone::{Line, Pair};

/// The clients of a stream.
pub(super) struct Nats {
    publisher: Line,
    subscriber: Line,
}

impl Nats {
    /// # Errors
    /// When it cannot be reached, or makes no stream.
    pub(super) fn connect(to: SocketAddr) -> Result<Self> {
        let mut pair = Self { publisher: Line::connect(to)?, subscriber: Line::connect(to)? };
        pair.subscriber.send(b"CONNECT {\"verbose\":false}\r\nSUB told 1\r\nPING\r\n")?;
        pair.subscriber.wait(|input| input.ends_with(b"PONG\r\n"))?;
        pair.subscriber.take(usize::MAX);
        pair.publisher.send(b"CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPING\r\n")?;
        pair.publisher.wait(|input| input.ends_with(b"PONG\r\n"))?;
        pair.publisher.take(usize::MAX);
        pair.ask("STREAM.CREATE.hop", r#"{"name":"hop","subjects":["hop"],"storage":"file"}"#)?;
        let consumer =
            r#"{"stream_name":"hop","config":{"deliver_subject":"told","ack_policy":"none"}}"#;
        pair.ask("CONSUMER.CREATE.hop", consumer)?;
        Ok(pair)
    }

    /// Asks JetStream for something and waits until it is done.
    fn ask(&mut self, what: &str, how: &str) -> Result<()> {
        let request = format!("PUB $JS.API.{what} answer {}\r\n{how}\r\n", how.len());
        self.publisher.send(request.as_bytes())?;
        self.publisher.wait(|input| matches!(message(input), Ok(Some(_)) | Err(_)))?;
        if memchr::memmem::find(self.publisher.read()?, b"\"error\"").is_some() {
            bail!("NATS refuses {what}: {}", String::from_utf8_lossy(self.publisher.read()?));
        }
        self.publisher.take(usize::MAX);
        Ok(())
    }
}

impl Pair for Nats {
    fn publish(&mut self, data: &[u8]) -> Result<()> {
        let head = format!("PUB hop answer {}\r\n", data.len());
        self.publisher.send(&[head.as_bytes(), data, b"\r\n"].concat())
    }

    fn acknowledgements(&mut self) -> Result<u64> {
        let mut count = 0;
        each_message(&mut self.publisher, &mut |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    fn updates(&mut self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        each_message(&mut self.subscriber, each)
    }

    fn lines(&self) -> [&Line; 2] {
        [&self.publisher, &self.subscriber]
    }
}

fn each_message(line: &mut Line, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut done, mut pings) = (0, 0);
    let input = line.read()?;
    while let Some((payload, bytes)) = message(input.get(done..).unwrap_or_default())? {
        match payload {
            Some(payload) => each(payload)?,
            None => pings += 1,
        }
        done += bytes;
    }
    line.take(done);
    line.send(&b"PONG\r\n".repeat(pings))
}

/// A message's payload, none for a `PING`, and how long it is with its head.
type Message<'a> = (Option<&'a [u8]>, usize);

/// The next message; none while it is not whole.
fn message(input: &[u8]) -> Result<Option<Message<'_>>> {
    let Some(end) = memchr::memmem::find(input, b"\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(input.get(..end).unwrap_or_default());
    let begin = end + 2;
    if head == "PING" {
        return Ok(Some((None, begin)));
    }
    let size = head.strip_prefix("MSG ").and_then(|head| head.rsplit(' ').next());
    let size = size.and_then(|size| size.parse::<usize>().ok());
    let size = size.with_context(|| format!("NATS says {head}"))?;
    let whole = begin + size + 2;
    let payload = input.get(begin..begin + size);
    Ok(payload.filter(|_| input.len() >= whole).map(|payload| (Some(payload), whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let text = b"MSG told 1 $JS.ACK.hop 5\r\nab\r\nc\r\n";
        for cut in 0..text.len() {
            assert_eq!(message(&text[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(message(text).unwrap(), Some((Some(b"ab\r\nc".as_slice()), text.len())));
        assert_eq!(message(b"PING\r\nMSG").unwrap(), Some((None, 6)));
        message(b"-ERR 'no'\r\n").unwrap_err();
    }
}
