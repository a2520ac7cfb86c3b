//! Who is logged in: session ids and their users, in memory and bounded.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::checks::User;

/// How many sessions there are at the most. The oldest goes when there are too many.
const MAX_SESSIONS: usize = 10_000;

#[derive(Default)]
pub(crate) struct Sessions(Mutex<Known>);

#[derive(Default)]
struct Known {
    users: HashMap<String, User>,
    oldest_first: VecDeque<String>,
}

impl Sessions {
    /// Opens a session and gives its id, which nobody can guess.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn open(&self, user: User) -> Result<String, getrandom::Error> {
        let id = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
        let mut known = self.0.lock();
        known.users.insert(id.clone(), user);
        known.oldest_first.push_back(id.clone());
        if known.oldest_first.len() > MAX_SESSIONS
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.users.remove(&oldest);
        }
        Ok(id)
    }

    /// Whose session it is.
    pub(crate) fn user(&self, id: &str) -> Option<User> {
        self.0.lock().users.get(id).cloned()
    }
}
