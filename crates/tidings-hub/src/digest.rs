//! What tells whether a repeated publish is the same one: the same number on every machine and in every version.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use tidings_wire::EventId;

use crate::update::{IdScope, Update};

/// The digest of all that a publisher sends but the idempotency key.
pub(crate) fn digest(update: &Update) -> u64 {
    let mut digest = Digest(SipHasher13::new());
    digest.number(update.topics.len() as u64);
    update.topics.iter().for_each(|topic| digest.text(topic));
    digest.text(&update.data);
    digest.option(update.id.as_ref().map(EventId::as_str));
    digest.option(update.event_type.as_ref().map(AsRef::as_ref));
    digest.number(u64::from(update.id_scope == IdScope::Topic));
    digest.number(u64::from(update.private));
    digest.number(
        update
            .retry
            .map_or(u64::MAX, |retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX - 1)),
    );
    digest.0.finish()
}

struct Digest(SipHasher13);

impl Digest {
    fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.write(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests are kept in logs: another version must make the same ones.
    #[test]
    fn a_digest_is_the_same_for_ever() {
        assert_eq!(digest(&Update::new("news", "hello").private()), 3_707_170_961_286_874_870);
    }

    #[test]
    fn another_update_has_another_digest() {
        let update = Update::new("a", "b");
        let others = [
            Update::new("a", "c"),
            Update::new("ab", ""),
            Update { topics: vec!["a".into(), "b".into()], data: String::new(), ..update.clone() },
            update.clone().private(),
            update.clone().with_id(EventId::new("").unwrap()),
            Update { id_scope: IdScope::Topic, ..update.clone() },
            Update { retry: Some(std::time::Duration::ZERO), ..update.clone() },
            update.clone().with_type(crate::EventType::new("t").unwrap()),
        ];
        for other in others {
            assert_ne!(digest(&update), digest(&other), "{other:?}");
        }
        assert_eq!(digest(&update), digest(&update.clone().with_idempotency_key("k")));
    }
}
