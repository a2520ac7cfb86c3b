//! Redis as two of its clients use a stream: `XADD` by one, `XREAD BLOCK` by the other.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};

use super::alone::{Line, Pair};

/// The clients of a stream.
pub(super) struct Redis {
    publisher: Line,
    subscriber: Line,
}

impl Redis {
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn connect(to: SocketAddr) -> Result<Self> {
        let mut pair = Self { publisher: Line::connect(to)?, subscriber: Line::connect(to)? };
        pair.ask(b"0")?;
        Ok(pair)
    }

    /// Asks for what comes after an id.
    fn ask(&mut self, id: &[u8]) -> Result<()> {
        let request: [&[u8]; 6] = [b"XREAD", b"BLOCK", b"0", b"STREAMS", b"hop", id];
        self.subscriber.send(&command(&request))
    }
}

impl Pair for Redis {
    fn publish(&mut self, data: &[u8]) -> Result<()> {
        self.publisher.send(&command(&[b"XADD", b"hop", b"*", b"r", data]))
    }

    fn acknowledgements(&mut self) -> Result<u64> {
        let (mut done, mut count) = (0, 0);
        let input = self.publisher.read()?;
        while let Some((_, bytes)) = strings(input.get(done..).unwrap_or_default())? {
            done += bytes;
            count += 1;
        }
        self.publisher.take(done);
        Ok(count)
    }

    fn updates(&mut self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some((strings, bytes)) = strings(self.subscriber.read()?)? else { return Ok(()) };
        // The stream's name, then for each entry its id, its field and the value of that.
        let entries = strings.get(1..).unwrap_or_default();
        for entry in entries.chunks(3) {
            each(entry.last().copied().unwrap_or_default())?;
        }
        let last = entries.rchunks(3).next().and_then(|entry| entry.first());
        let last = last.context("an answer without entries")?.to_vec();
        self.subscriber.take(bytes);
        self.ask(&last)
    }

    fn lines(&self) -> [&Line; 2] {
        [&self.publisher, &self.subscriber]
    }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The strings of an answer, through all its arrays, and how long the answer is.
type Answer<'a> = (Vec<&'a [u8]>, usize);

/// The next answer; none while it is not whole.
fn strings(input: &[u8]) -> Result<Option<Answer<'_>>> {
    let (mut strings, mut place, mut left) = (Vec::new(), 0, 1_usize);
    while left > 0 {
        let rest = input.get(place..).unwrap_or_default();
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let (kind, number) = line.split_at_checked(1).context("an empty line from Redis")?;
        let number = || number.parse::<usize>().with_context(|| format!("Redis says {line}"));
        place += end + 2;
        left -= 1;
        match kind {
            "*" => left += number()?,
            "$" => {
                let bytes = number()?;
                let Some(text) = input.get(place..place + bytes) else { return Ok(None) };
                strings.push(text);
                place += bytes + 2;
            }
            "-" => bail!("Redis says {line}"),
            _ => {}
        }
        ensure!(left < 1 << 20, "an answer of Redis without an end");
    }
    Ok((place <= input.len()).then_some((strings, place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_when_it_is_whole() {
        let answer =
            b"*1\r\n*2\r\n$3\r\nhop\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nr\r\n$2\r\nab\r\n";
        for cut in 0..answer.len() {
            assert_eq!(strings(&answer[..cut]).unwrap(), None, "{cut}");
        }
        let whole = [answer.as_slice(), b"+OK\r\n"].concat();
        let (found, bytes) = strings(&whole).unwrap().unwrap();
        assert_eq!(found, [b"hop".as_slice(), b"1-0", b"r", b"ab"]);
        assert_eq!(bytes, answer.len());
        strings(b"-ERR no\r\n").unwrap_err();
    }
}
