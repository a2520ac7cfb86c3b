//! Counts open subscriptions against the limits. A newcomer over a limit is refused: evicting an older one instead
//! would set off a reconnect storm. What a user has at other hubs counts, too, as far as this one was told
//! (`elsewhere.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::config::Limits;
use crate::elsewhere::Elsewhere;
use crate::error::SubscribeError;
use crate::index::Index;
use crate::selector::Kind;
use crate::subscriber::Subscriber;

/// How many templates one subscription may have among its selectors. A template is compared with every topic that begins as
/// it does, where a topic is only looked up.
const MAX_TEMPLATES: usize = 64;

/// How many subscriptions are open, in all, by user and by address.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    streams: usize,
    users: HashMap<Arc<str>, usize>,
    addresses: HashMap<IpAddr, usize>,
    pub(crate) elsewhere: Elsewhere,
}

impl Admission {
    /// Counts a newcomer, who was let in by [`check`](Self::check) under the same lock.
    pub(crate) fn count(&mut self, subscriber: &Subscriber) {
        self.streams += 1;
        if let Some(user) = &subscriber.user {
            *self.users.entry_ref(user).or_default() += 1;
            self.elsewhere.note(user);
        }
        if let Some(address) = subscriber.address {
            *self.addresses.entry(address).or_default() += 1;
        }
    }

    /// Stops counting one that was admitted.
    pub(crate) fn release(&mut self, subscriber: &Subscriber) {
        self.streams -= 1;
        if let Some(user) = &subscriber.user
            && let Some(count) = self.users.get_mut(user)
        {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
            self.elsewhere.note(user);
        }
        if let Some(address) = subscriber.address
            && let Some(count) = self.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    /// How many streams each user has at this hub.
    pub(crate) fn users(&self) -> &HashMap<Arc<str>, usize> {
        &self.users
    }

    /// How many streams a user has, here and elsewhere.
    fn of_user(&self, user: &str) -> usize {
        let here = self.users.get(user).copied().unwrap_or_default();
        here.saturating_add(self.elsewhere.of(user))
    }

    /// Says which limit is in a newcomer's way, if one is.
    pub(crate) fn check(
        &self,
        subscriber: &Subscriber,
        index: &Index,
        limits: &Limits,
    ) -> Result<(), SubscribeError> {
        if subscriber.selectors.is_empty() {
            return Err(SubscribeError::NoSelector);
        }
        if subscriber.selectors.len() > limits.selectors {
            return Err(SubscribeError::TooManySelectors { limit: limits.selectors });
        }
        let templates = subscriber.selectors.iter().filter(|s| s.kind() == Kind::Template);
        if templates.count() > MAX_TEMPLATES {
            return Err(SubscribeError::TooManyTemplates { limit: MAX_TEMPLATES });
        }
        if let Some(limit) = reached(limits.streams, Some(&self.streams)) {
            return Err(SubscribeError::HubFull { limit });
        }
        let of_user = subscriber.user.as_ref().map(|user| self.of_user(user));
        if let Some(limit) = reached(limits.per_user, of_user.as_ref()) {
            return Err(SubscribeError::UserFull { limit });
        }
        let of_address = subscriber.address.and_then(|address| self.addresses.get(&address));
        if let Some(limit) = reached(limits.per_address, of_address) {
            return Err(SubscribeError::AddressFull { limit });
        }
        let full = limits.per_topic.and_then(|limit| {
            let selector = subscriber.selectors.iter().find(|s| index.subscribers(s) >= limit)?;
            Some(SubscribeError::TopicFull { selector: selector.as_str().to_owned(), limit })
        });
        full.map_or(Ok(()), Err)
    }
}

/// The limit, if as many as it allows are counted.
fn reached(limit: Option<usize>, count: Option<&usize>) -> Option<usize> {
    limit.filter(|&limit| count.copied().unwrap_or_default() >= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Admission {
        /// How many streams, users and addresses are counted.
        pub(crate) fn entries(&self) -> usize {
            self.streams + self.users.len() + self.addresses.len() + self.elsewhere.entries()
        }
    }
}
