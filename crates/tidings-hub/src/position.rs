//! A place in the log: which log (the epoch) and where in it (the sequence number), and its form as an event id.

use std::fmt;
use std::str::FromStr;

use tidings_wire::EventId;

/// Which log a position belongs to.
///
/// A log that is lost and begun anew has another epoch, so that a position from the lost one is recognised and never
/// mistaken for a place in the new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; Epoch::LEN]);

impl Epoch {
    /// Length of the text form, in bytes: 40 random bits, five to a character.
    const LEN: usize = 8;
    /// Lower-case letters and digits without `i`, `l`, `o` and `u`, which are easily misread.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// Draws a new epoch from the system's randomness.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        Ok(Self::from_bits(getrandom::u64()?))
    }

    /// The epoch made from the 40 lowest bits of a number, for those who must arrive at the same one.
    pub fn from_bits(bits: u64) -> Self {
        let mut text = [0; Self::LEN];
        for (place, byte) in text.iter_mut().enumerate() {
            let digit = usize::try_from((bits >> (5 * place)) & 31).unwrap_or_default();
            *byte = Self::ALPHABET.get(digit).copied().unwrap_or(b'0');
        }
        Self(text)
    }

    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Epoch {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| InvalidPosition)?;
        if bytes.iter().all(|byte| Self::ALPHABET.contains(byte)) {
            Ok(Self(bytes))
        } else {
            Err(InvalidPosition)
        }
    }
}

/// A place in the log. Its text is `#<epoch>-<seq>`: Mercure keeps the leading `#` for ids that a hub makes, and every
/// byte is one that needs no CORS preflight in a `Last-Event-ID` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which log.
    pub epoch: Epoch,
    /// Where in it: the first update has 1, each later one has one more. 0 is the place before the first.
    pub seq: u64,
}

impl Position {
    /// The byte that every id made by a hub begins with, and no publisher's own id may.
    pub const MARK: char = '#';

    /// This position as the id of an event.
    pub fn to_event_id(self) -> EventId {
        EventId::new(self.to_string()).unwrap_or_default()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}-{}", Self::MARK, self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, seq) = text
            .strip_prefix(Self::MARK)
            .and_then(|rest| rest.split_once('-'))
            .ok_or(InvalidPosition)?;
        // `u64::from_str` would also take a leading `+` or zeros: one position has one text.
        let canonical =
            seq.bytes().all(|byte| byte.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        if !canonical {
            return Err(InvalidPosition);
        }
        Ok(Self { epoch: epoch.parse()?, seq: seq.parse().map_err(|_| InvalidPosition)? })
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPosition;

impl fmt::Display for InvalidPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: expected #<epoch>-<seq>")
    }
}

impl std::error::Error for InvalidPosition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_from_its_text() {
        let position = Position { epoch: Epoch::random().unwrap(), seq: 1234 };
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(position.to_event_id().as_str(), position.to_string());
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "#",
            "#abcd-1",
            "abcdefgh-1",
            "#abcdefgh",
            "#abcdefgh-",
            "#abcdefgh-01",
            "#abcdefgh-+1",
            "#ABCDEFGH-1",
            "#abcdefgh-99999999999999999999",
            "#abcdefgh-1 ",
        ] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text:?}");
        }
    }
}
