//! Whose streams were ended lately, so that what was found out about them before is not gone by after.
//!
//! An answer that let somebody in may be older than the call that threw them out: it lies in the cache, or is on its way.
//! Who uses one looks here whether it still counts.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{AuthError, Identity};

/// How many are remembered. Of what is older than all of them it is not known whether it still counts, so it does not.
const MAX_REMEMBERED: usize = 1_024;

/// How many bytes a user's or a session's name may have, so that what is remembered is bounded.
pub(crate) const MAX_NAME_BYTES: usize = 8 * 1024;

/// Those that were thrown out lately.
#[derive(Debug, Default)]
pub(crate) struct Kicks(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// How many there were in all.
    count: u64,
    /// The last of them.
    last: VecDeque<Kicked>,
}

/// Who was thrown out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kicked {
    User(String),
    Session(String),
}

/// A moment between two kicks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Kicks {
    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.0.lock().count)
    }

    /// Remembers one.
    pub(crate) fn note(&self, kicked: Kicked) {
        let mut remembered = self.0.lock();
        if remembered.last.len() == MAX_REMEMBERED {
            remembered.last.pop_front();
        }
        remembered.last.push_back(kicked);
        remembered.count += 1;
    }

    /// Somebody may have been thrown out without this hub's knowing: nothing from before counts any longer.
    pub(crate) fn forget(&self) {
        let mut remembered = self.0.lock();
        remembered.last.clear();
        remembered.count += 1;
    }

    /// Whether this user or session was thrown out since then, or may have been.
    pub(crate) fn concern(&self, since: Moment, user: Option<&str>, session: Option<&str>) -> bool {
        let remembered = self.0.lock();
        let missed = usize::try_from(remembered.count - since.0).unwrap_or(usize::MAX);
        missed > remembered.last.len()
            || remembered.last.iter().rev().take(missed).any(|kicked| match kicked {
                Kicked::User(kicked) => user == Some(kicked.as_str()),
                Kicked::Session(kicked) => session == Some(kicked.as_str()),
            })
    }
}

/// Somebody who was let in, and whether that still counts.
#[derive(Clone)]
pub(crate) struct Standing {
    kicks: Arc<Kicks>,
    /// Before anything was found out about them.
    since: Moment,
    user: Option<Arc<str>>,
    session: Option<Arc<str>>,
}

impl Standing {
    pub(crate) fn new(kicks: &Arc<Kicks>, since: Moment, identity: &Identity) -> Self {
        let Identity { user, session, .. } = identity;
        Self { kicks: Arc::clone(kicks), since, user: user.clone(), session: session.clone() }
    }

    /// # Errors
    /// When they were thrown out since.
    pub(crate) fn check(&self) -> Result<(), AuthError> {
        let (user, session) = (self.user.as_deref(), self.session.as_deref());
        if self.kicks.concern(self.since, user, session) { Err(AuthError::Kicked) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Remembered {
    /// Not whom: a session's name may be its secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kick_concerns_what_is_older_and_is_about_the_same_user_or_session() {
        let kicks = Kicks::default();
        let before = kicks.now();
        assert!(!kicks.concern(before, Some("ann"), Some("1")));
        kicks.note(Kicked::User("ann".to_owned()));
        let between = kicks.now();
        kicks.note(Kicked::Session("1".to_owned()));
        assert!(kicks.concern(before, Some("ann"), None));
        assert!(!kicks.concern(between, Some("ann"), None));
        assert!(kicks.concern(between, Some("ben"), Some("1")));
        assert!(!kicks.concern(between, Some("1"), Some("ann")), "a user is no session");
        assert!(!kicks.concern(kicks.now(), Some("ann"), Some("1")));
        assert!(!kicks.concern(before, None, None));
    }

    #[test]
    fn where_a_kick_may_have_been_missed_nothing_from_before_counts() {
        let kicks = Kicks::default();
        let before = kicks.now();
        kicks.note(Kicked::User("ben".to_owned()));
        kicks.forget();
        assert!(kicks.concern(before, Some("ann"), None));
        let after = kicks.now();
        kicks.note(Kicked::User("ben".to_owned()));
        assert!(kicks.concern(before, Some("ann"), None));
        assert!(!kicks.concern(after, Some("ann"), None));
    }

    #[test]
    fn what_is_older_than_all_that_is_remembered_does_not_count() {
        let kicks = Kicks::default();
        let before = kicks.now();
        for n in 0..=MAX_REMEMBERED {
            assert!(!kicks.concern(before, Some("ann"), None), "after {n}");
            kicks.note(Kicked::User(n.to_string()));
        }
        assert!(kicks.concern(before, Some("ann"), None));
        assert_eq!(kicks.0.lock().last.len(), MAX_REMEMBERED);
    }
}
