//! What leaves the log, and when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::{blocks, file};
use crate::retention::Retention;

/// How many updates a transaction deletes at the most, beside some for each that comes. What has left and is not deleted
/// yet is not shown.
const DELETED_AT_ONCE: u64 = 4096;
const DELETED_FOR_EACH: u64 = 4;

/// An empty file has some pages, too: a limit below this would leave no room for updates.
const MIN_BYTES: u64 = 1024 * 1024;

/// How long the write-ahead log may become, in bytes: a part of the limit, which it counts towards.
pub(super) fn wal_bytes(retention: &Retention) -> u64 {
    const MAX: u64 = 16 * 1024 * 1024;
    retention.max_bytes.map_or(MAX, |bytes| (bytes.max(MIN_BYTES) / 16).min(MAX))
}

/// What the log retains now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The oldest update that has not left.
    pub(super) oldest: u64,
    /// What comes before this is deleted, but for what shares a block with what does not.
    pub(super) deleted_until: u64,
    /// The next update.
    pub(super) next: u64,
    /// When the oldest came, in ms since 1970, if it was looked up.
    oldest_at: Option<u64>,
    /// How much of the file is in use, in bytes.
    pub(super) bytes: u64,
}

impl Kept {
    /// What the file has.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let oldest = file::number(connection, "oldest")?;
        let (first, next) = blocks::bounds(connection)?.unwrap_or((oldest, oldest));
        if first > oldest || next < oldest {
            return Err(blocks::missing(oldest));
        }
        let deleted_until = first;
        let bytes = file::used_bytes(connection, false)?;
        Ok(Self { oldest, deleted_until, next, oldest_at: None, bytes })
    }

    /// Whether something is to leave, or to be deleted, without anything coming.
    pub(super) fn is_due(&self, retention: &Retention) -> bool {
        let is_too_old =
            || too_old(retention).is_some_and(|limit| self.oldest_at.is_none_or(|at| at < limit));
        self.deleted_until < self.oldest
            || self.oldest < self.oldest_by_count(retention)
            || self.oldest < self.oldest_by_bytes(retention)
            || (self.oldest < self.next && is_too_old())
    }

    /// Lets leave what is to, and deletes some of what has left. `coming` updates were just inserted.
    pub(super) fn forget(
        &mut self,
        connection: &Connection,
        retention: &Retention,
        coming: u64,
    ) -> rusqlite::Result<()> {
        let before = self.oldest;
        let at_once = DELETED_AT_ONCE.saturating_add(coming.saturating_mul(DELETED_FOR_EACH));
        let oldest = self.oldest_by_count(retention).max(self.oldest_by_bytes(retention));
        if oldest > self.oldest {
            self.oldest = oldest;
            self.oldest_at = None;
        }
        if let Some(limit) = too_old(retention)
            && self.oldest_at.is_none_or(|at| at < limit)
        {
            self.forget_by_age(connection, limit, at_once)?;
        }
        let until = self.oldest.min(self.deleted_until.saturating_add(at_once));
        if until > self.deleted_until {
            blocks::delete_before(connection, until, self.next)?;
            self.deleted_until = until;
        }
        if self.oldest > before {
            file::put(connection, "oldest", self.oldest)?;
        }
        Ok(())
    }

    fn forget_by_age(
        &mut self,
        connection: &Connection,
        limit: u64,
        at_once: u64,
    ) -> rusqlite::Result<()> {
        let until = self.next.min(self.oldest.saturating_add(at_once));
        self.oldest_at = None;
        blocks::each(connection, self.oldest, until, |seq, entry| {
            let at = millis(entry.at.duration_since(UNIX_EPOCH).unwrap_or_default());
            if at < limit {
                self.oldest = seq + 1;
            } else {
                self.oldest_at = Some(at);
            }
            at < limit
        })
    }

    fn oldest_by_count(&self, retention: &Retention) -> u64 {
        retention.max_updates.map_or(0, |max| self.next.saturating_sub(max))
    }

    /// By the pages in use, which is what counts on the disk. Each of the updates that are there is taken to use as much as
    /// another.
    fn oldest_by_bytes(&self, retention: &Retention) -> u64 {
        let Some(max) = retention.max_bytes else { return 0 };
        let limit = max.max(MIN_BYTES).saturating_sub(wal_bytes(retention));
        let count = self.next.saturating_sub(self.deleted_until);
        let surplus = self.bytes.saturating_sub(limit);
        if surplus == 0 || count == 0 {
            return 0;
        }
        let too_many = surplus / (self.bytes / count).max(1) + 1;
        self.deleted_until.saturating_add(too_many).min(self.next)
    }
}

/// What came before this is too old, in ms since 1970.
fn too_old(retention: &Retention) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(millis(now.saturating_sub(retention.max_age?)))
}

/// In whole milliseconds, as the file has them.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(i64::MAX.cast_unsigned())
}
