//! Streams at other hubs: what the limit per user counts beside this hub's own, and what the other hubs are to be told.

use std::mem;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::hub::Hub;

/// How many users are noted of whom the others are to be told. When there are more, they are told everything anew.
const MAX_NOTED: usize = 65_536;
/// How many users' counts are changed before others may have the lock in between.
const MAX_LOCKED: usize = 1_024;

/// How many streams users have at other hubs, and whose count at this one has changed.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    streams: HashMap<Arc<str>, usize>,
    noted: Noted,
}

/// Users whose count has changed since it was last told.
#[derive(Debug, Default)]
enum Noted {
    /// Nobody is told.
    #[default]
    Nothing,
    Users(HashSet<Arc<str>>),
    TooMany,
}

impl Elsewhere {
    /// How many streams a user has elsewhere.
    pub(crate) fn of(&self, user: &str) -> usize {
        self.streams.get(user).copied().unwrap_or_default()
    }

    /// Notes that a user's count at this hub has changed.
    pub(crate) fn note(&mut self, user: &Arc<str>) {
        let Noted::Users(users) = &mut self.noted else { return };
        if !users.contains(user) {
            users.insert(Arc::clone(user));
        }
        if users.len() > MAX_NOTED {
            self.noted = Noted::TooMany;
        }
    }

    fn add(&mut self, user: Arc<str>, change: i64) {
        let size = usize::try_from(change.unsigned_abs()).unwrap_or(usize::MAX);
        let known = self.of(&user);
        let streams =
            if change < 0 { known.saturating_sub(size) } else { known.saturating_add(size) };
        if streams == 0 {
            self.streams.remove(&user);
        } else {
            self.streams.insert(user, streams);
        }
    }
}

impl Hub {
    /// How many streams each user has at this hub. From now on it is noted whose count changes, for
    /// [`changed_users`](Self::changed_users).
    ///
    /// The lock is held for as long as it takes to copy them: some milliseconds for a hundred thousand.
    pub fn users(&self) -> Vec<(Arc<str>, usize)> {
        let mut state = self.lock();
        let noted = &mut state.admission.elsewhere.noted;
        if matches!(noted, Noted::Nothing) {
            *noted = Noted::Users(HashSet::new());
        }
        let users = state.admission.users();
        users.iter().map(|(user, count)| (Arc::clone(user), *count)).collect()
    }

    /// The users whose number of streams at this hub has changed since this was last asked, and what it is now. `None`
    /// when there were too many to note: ask for [`users`](Self::users) then, and tell everybody.
    pub fn changed_users(&self) -> Option<Vec<(Arc<str>, usize)>> {
        let mut state = self.lock();
        let noted = match &mut state.admission.elsewhere.noted {
            Noted::Nothing => return Some(Vec::new()),
            Noted::Users(users) if users.is_empty() => return Some(Vec::new()),
            Noted::Users(users) => mem::take(users),
            noted @ Noted::TooMany => {
                *noted = Noted::Users(HashSet::new());
                return None;
            }
        };
        let users = state.admission.users();
        let count = |user: Arc<str>| {
            let count = users.get(&user).copied().unwrap_or_default();
            (user, count)
        };
        Some(noted.into_iter().map(count).collect())
    }

    /// Changes how many streams users have at other hubs. Together with those at this one they count against
    /// [`Limits::per_user`](crate::Limits::per_user).
    ///
    /// ```
    /// use tidings_hub::{Epoch, Hub, HubConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new(Epoch::random()?, HubConfig::default(), None);
    /// // Two streams were opened there, and one has ended.
    /// hub.add_elsewhere([("alice".into(), 2)]);
    /// hub.add_elsewhere([("alice".into(), -1)]);
    /// # Ok(()) }
    /// ```
    pub fn add_elsewhere(&self, changes: impl IntoIterator<Item = (Arc<str>, i64)>) {
        // What makes the changes may use the hub.
        let changes: Vec<_> = changes.into_iter().collect();
        let mut changes = changes.into_iter();
        while changes.len() > 0 {
            let mut state = self.lock();
            let elsewhere = &mut state.admission.elsewhere;
            for (user, change) in changes.by_ref().take(MAX_LOCKED) {
                elsewhere.add(user, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, HubConfig};

    impl Elsewhere {
        /// How many users are remembered.
        pub(crate) fn entries(&self) -> usize {
            self.streams.len()
        }
    }

    fn hub() -> Hub {
        Hub::new(Epoch::random().unwrap(), HubConfig::default(), None)
    }

    #[test]
    fn who_has_nothing_elsewhere_is_forgotten() {
        let hub = hub();
        hub.add_elsewhere([
            ("ann".into(), 2),
            ("ben".into(), 1),
            ("ann".into(), -1),
            ("ben".into(), -3),
        ]);
        let state = hub.lock();
        let elsewhere = &state.admission.elsewhere;
        assert_eq!((elsewhere.of("ann"), elsewhere.of("ben"), elsewhere.entries()), (1, 0, 1));
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let hub = hub();
        assert!(hub.users().is_empty());
        let note = |n: usize| hub.lock().admission.elsewhere.note(&n.to_string().into());
        (0..MAX_NOTED).for_each(note);
        (0..MAX_NOTED).for_each(note);
        assert_eq!(hub.changed_users().unwrap().len(), MAX_NOTED);
        (0..=MAX_NOTED).for_each(note);
        note(0);
        assert!(hub.users().is_empty());
        assert_eq!(hub.changed_users(), None);
        note(0);
        assert!(hub.users().is_empty());
        assert_eq!(hub.changed_users(), Some(vec![("0".into(), 0)]));
    }
}
