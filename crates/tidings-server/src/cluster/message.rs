//! What hubs that share a log say to each other, as bytes.
//!
//! ```text
//! "tdg" | version u8 = 1 | from u64 | to u64, 0 for all | number u64 | the message as JSON
//! ```
//! Numbers are big-endian. A sender numbers its messages from 1, whomever they are for, so that whoever hears them
//! knows when one was lost. What is for others is passed over by its head alone.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};
use serde::{Deserialize, Serialize};
use tidings_store::MAX_MESSAGE_BYTES;

use super::id::NodeId;
use crate::auth::kicks::MAX_NAME_BYTES;
use crate::disconnect::Whom;

const MAGIC: [u8; 3] = *b"tdg";
const VERSION: u8 = 1;
/// How much of a message its items may be; the rest is for the head, and for what is around them.
const ITEMS_BYTES: usize = MAX_MESSAGE_BYTES - 1_024;

/// From whom a message is, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) from: NodeId,
    /// `None` for all.
    pub(crate) to: Option<NodeId>,
    /// The how manieth message of its sender it is.
    pub(crate) number: u64,
}

/// What is said. It has no `Debug`: a session's name may be its secret.
#[derive(Deserialize, Serialize, Clone, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Message {
    /// I am here.
    Beat,
    /// I go.
    Leave,
    /// How many streams has each user at your hub?
    AskUsers,
    /// So many, in one message or in several that follow each other: all users, and no others.
    Users { first: bool, last: bool, users: Vec<(Box<str>, u32)> },
    /// Of these users it is another number now.
    Changed { users: Vec<(Box<str>, u32)> },
    /// End these streams.
    End { call: u64, whom: Vec<Ending> },
    /// So many have ended; none of them gets anything any more.
    Ended { call: u64, count: u64 },
    /// Who is subscribed at your hub: to this selector, as this subscriber?
    AskSubscriptions { call: u64, topic: Option<String>, subscriber: Option<String> },
    /// These are, in one message or in several, counted from 0.
    Subscriptions { call: u64, part: u32, last: bool, open: Vec<OpenSubscription> },
}

/// One selector of an open stream.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenSubscription {
    /// The subscriber's URN.
    pub(crate) subscriber: String,
    pub(crate) topic: String,
    /// JSON text.
    pub(crate) payload: Option<String>,
}

/// Whose streams are to end. It has no `Debug`, as `Whom`.
#[derive(Deserialize, Serialize, Clone, PartialEq)]
#[serde(transparent)]
pub(crate) struct Ending(#[serde(with = "WhomOnTheWire")] pub(crate) Whom);

#[derive(Deserialize, Serialize)]
#[serde(remote = "Whom", rename_all = "snake_case")]
enum WhomOnTheWire {
    User(String),
    Session(String),
    Subscriber(String),
}

/// Why a message, or some of it, is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// It is more than a message may have.
    TooLarge,
    /// It comes from another program.
    Foreign,
    /// It comes from a Tidings that speaks otherwise.
    Version(u8),
    /// It is not what a message has in it.
    Malformed,
    /// There are as many hubs as there may be.
    TooManyHubs,
    /// So many users of another hub cannot be remembered: the limit per user does not count what they have there.
    NoRoom { users: usize },
    /// As much is being done for other hubs as may be.
    Busy,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than {MAX_MESSAGE_BYTES} bytes"),
            Self::Foreign => f.write_str("from another program"),
            Self::Version(version) => write!(
                f,
                "of version {version}, where this hub speaks {VERSION}: let all hubs run the same release"
            ),
            Self::Malformed => f.write_str("malformed"),
            Self::TooManyHubs => f.write_str("from one hub more than there may be"),
            Self::NoRoom { users } => write!(
                f,
                "of {users} users more than can be remembered: their streams at another hub do not count here"
            ),
            Self::Busy => f.write_str("asks for more than is done for other hubs at the same time"),
        }
    }
}

impl std::error::Error for Ignored {}

/// Writes a message.
pub(crate) fn write(head: Head, message: &Message) -> Bytes {
    let Head { from, to, number } = head;
    let mut bytes = Vec::with_capacity(128);
    bytes.put_slice(&MAGIC);
    bytes.put_u8(VERSION);
    bytes.put_u64(from.get());
    bytes.put_u64(to.map_or(0, NodeId::get));
    bytes.put_u64(number);
    // There is nothing in a message that JSON cannot have.
    bytes.extend(serde_json::to_vec(message).unwrap_or_default());
    bytes.into()
}

/// Reads a message's head, and gives what follows it.
///
/// # Errors
/// When it is none that [`write`] has written.
pub(crate) fn read_head(mut bytes: &[u8]) -> Result<(Head, &[u8]), Ignored> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Ignored::TooLarge);
    }
    bytes = bytes.strip_prefix(&MAGIC).ok_or(Ignored::Foreign)?;
    let version = bytes.try_get_u8().map_err(|_| Ignored::Malformed)?;
    if version != VERSION {
        return Err(Ignored::Version(version));
    }
    let mut number = || bytes.try_get_u64().map_err(|_| Ignored::Malformed);
    let from = NodeId::new(number()?).ok_or(Ignored::Malformed)?;
    let to = NodeId::new(number()?);
    let number = number()?;
    Ok((Head { from, to, number }, bytes))
}

/// Reads what follows a message's head.
///
/// # Errors
/// When it is not what [`write`] writes, or holds a name that is longer than names may be.
pub(crate) fn read_message(bytes: &[u8]) -> Result<Message, Ignored> {
    let message: Message = serde_json::from_slice(bytes).map_err(|_| Ignored::Malformed)?;
    let are_names = match &message {
        Message::Users { users, .. } | Message::Changed { users } => {
            users.iter().all(|(user, _)| is_name(user))
        }
        Message::End { whom, .. } => whom.iter().all(
            |Ending(Whom::User(name) | Whom::Session(name) | Whom::Subscriber(name))| is_name(name),
        ),
        _ => true,
    };
    if are_names { Ok(message) } else { Err(Ignored::Malformed) }
}

/// Whether a user's or session's name is short enough to be told of.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
}

/// Shares items out among as many messages as they need: at least one. An item too large for a message is left out.
pub(crate) fn share_out<T: Serialize>(items: impl IntoIterator<Item = T>) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for item in items {
        let size = serde_json::to_vec(&item).map_or(usize::MAX, |json| json.len() + 1);
        if size > ITEMS_BYTES {
            continue;
        }
        if bytes + size > ITEMS_BYTES {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        part.push(item);
        bytes += size;
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl fmt::Debug for Message {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&serde_json::to_string(self).unwrap())
        }
    }

    fn head() -> Head {
        Head { from: NodeId::new(7).unwrap(), to: NodeId::new(9), number: 3 }
    }

    fn messages() -> impl Strategy<Value = Message> {
        let text = || "\\PC{0,12}";
        let some = || proptest::option::of(text());
        let users = || {
            let user = (text().prop_map(String::into_boxed_str), any::<u32>());
            proptest::collection::vec(user, 0..4)
        };
        let ending = |(kind, name)| match kind {
            0 => Ending(Whom::User(name)),
            1 => Ending(Whom::Session(name)),
            _ => Ending(Whom::Subscriber(name)),
        };
        let whom = proptest::collection::vec((0..3, text()), 0..4).prop_map(move |whom| {
            Message::End { call: 7, whom: whom.into_iter().map(ending).collect() }
        });
        let open = (text(), text(), some()).prop_map(|(subscriber, topic, payload)| {
            OpenSubscription { subscriber, topic, payload }
        });
        prop_oneof![
            Just(Message::Beat),
            Just(Message::Leave),
            Just(Message::AskUsers),
            (any::<bool>(), any::<bool>(), users())
                .prop_map(|(first, last, users)| Message::Users { first, last, users }),
            users().prop_map(|users| Message::Changed { users }),
            whom,
            (any::<u64>(), any::<u64>()).prop_map(|(call, count)| Message::Ended { call, count }),
            (any::<u64>(), some(), some()).prop_map(|(call, topic, subscriber)| {
                Message::AskSubscriptions { call, topic, subscriber }
            }),
            (any::<u64>(), any::<u32>(), any::<bool>(), proptest::collection::vec(open, 0..4))
                .prop_map(|(call, part, last, open)| {
                    Message::Subscriptions { call, part, last, open }
                }),
        ]
    }

    fn read(bytes: &[u8]) -> Result<(Head, Message), Ignored> {
        let (head, rest) = read_head(bytes)?;
        Ok((head, read_message(rest)?))
    }

    proptest! {
        #[test]
        fn what_was_said_is_understood(message in messages()) {
            let bytes = write(head(), &message);
            prop_assert!(read(&bytes).is_ok_and(|understood| understood == (head(), message)));
        }

        #[test]
        fn no_cut_is_taken_for_a_message(message in messages(), cut in any::<prop::sample::Index>()) {
            let bytes = write(head(), &message);
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            message in messages(),
        ) {
            drop(read(&bytes));
            drop(read_message(&bytes));
            let mut damaged = write(head(), &message).to_vec();
            let at = place.index(damaged.len());
            damaged[at] ^= bytes.first().copied().unwrap_or(1);
            drop(read(&damaged));
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let bytes = write(head(), &Message::Beat).to_vec();
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            read(&bytes).err()
        };
        assert_eq!(with(0, b'T'), Some(Ignored::Foreign));
        assert_eq!(with(3, 2), Some(Ignored::Version(2)));
        assert_eq!(with(11, 0), Some(Ignored::Malformed), "from nobody");
        assert_eq!(with(28, b'x'), Some(Ignored::Malformed));
        let large = vec![b'x'; MAX_MESSAGE_BYTES + 1];
        assert_eq!(read(&large).err(), Some(Ignored::TooLarge));
        let deep = [&bytes[..28], "[".repeat(100_000).as_bytes()].concat();
        assert_eq!(read(&deep).err(), Some(Ignored::Malformed));
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for message in [
            Message::End { call: 1, whom: vec![Ending(Whom::User(long.clone()))] },
            Message::End { call: 1, whom: vec![Ending(Whom::Session(long.clone()))] },
            Message::Changed { users: vec![(long.as_str().into(), 1)] },
            Message::Users { first: true, last: true, users: vec![(long.as_str().into(), 1)] },
        ] {
            assert_eq!(read(&write(head(), &message)).err(), Some(Ignored::Malformed));
        }
    }

    #[test]
    fn what_is_too_much_for_one_message_is_shared_out() {
        assert_eq!(share_out(Vec::<u32>::new()), [Vec::<u32>::new()]);
        let users: Vec<(Box<str>, u32)> =
            (0..200).map(|n| (format!("{n}{}", "\n".repeat(4_000)).into(), n)).collect();
        let mut items = users.clone();
        items.insert(3, ("\n".repeat(ITEMS_BYTES / 2).into(), 1));
        let parts = share_out(items);
        assert!(parts.len() > 3);
        for part in &parts {
            let message = Message::Users { first: true, last: false, users: part.clone() };
            let bytes = write(head(), &message);
            assert!(bytes.len() <= MAX_MESSAGE_BYTES, "{}", bytes.len());
        }
        assert_eq!(parts.concat(), users, "all but the one that is too large");
    }
}
