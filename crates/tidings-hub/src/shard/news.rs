//! What has happened beside new updates, and what it does to the subscriptions of a shard.

use super::Shard;

impl<C> Shard<C> {
    /// Lets all who may be owed what was skipped, or listen to a node with overdue updates, read on from the log. The first of
    /// those may not be for them: if
    /// the log has let go of it before they read, they are told a gap that may have cost them nothing.
    pub(super) fn rouse_overdue(&mut self) {
        if let Some(from) = self.news.skipped.take() {
            for (key, seat) in &mut self.seats {
                seat.owe(key, from, &mut self.roused);
            }
        }
        for (node, first) in self.news.overdue.drain() {
            let row = self.rows.get(&node);
            for &key in row.into_iter().flatten() {
                if let Some(seat) = self.seats.get_mut(key) {
                    seat.owe(key, first, &mut self.roused);
                }
            }
        }
    }

    /// Sees to it that those that end at once are handed nothing of what came, and notes that they know.
    pub(super) fn end_some_at_once(&mut self) {
        if self.news.ending_at_once.is_empty() {
            return;
        }
        let mut state = self.hub.lock();
        for (key, id) in self.news.ending_at_once.drain(..) {
            // Another subscription may have the seat by now.
            let seat = self.seats.get_mut(key);
            if let Some(seat) = seat.filter(|seat| seat.subscription.subscriber().id == id) {
                seat.through = u64::MAX;
                seat.owed = None;
                seat.is_behind = true;
                seat.is_ending = true;
                seat.ends_at_once = true;
                state.note_told(seat.subscription.key());
                self.roused.push(key);
            }
        }
        drop(state);
        self.hub.0.told.notify_waiters();
    }

    /// Puts everybody's cursor to the beginning of another log, if one has begun.
    pub(super) fn begin_anew(&mut self) {
        let Some((epoch, oldest)) = self.news.anew.take() else { return };
        let mut state = self.hub.lock();
        for (key, seat) in &mut self.seats {
            // Who has come since then was told.
            if seat.epoch == epoch {
                continue;
            }
            seat.epoch = epoch;
            // One that has only its end to read may have tried to meanwhile.
            self.roused.push(key);
            if seat.through == u64::MAX {
                continue;
            }
            seat.through = oldest - 1;
            seat.owed = Some(oldest);
            seat.is_behind = true;
            state.lose_all(seat.subscription.key(), oldest);
        }
    }

    /// Lets those read on for whom something was read from the log behind the hub.
    pub(super) fn rouse_those_read_for(&mut self) {
        for (key, id) in self.news.roused.drain(..) {
            // Another subscription may have the seat by now.
            let seat = self.seats.get(key);
            if seat.is_some_and(|seat| seat.subscription.subscriber().id == id) {
                self.roused.push(key);
            }
        }
    }

    /// Lets those that were told to end read on, to their end.
    pub(super) fn rouse_ending(&mut self) {
        for (key, id) in self.news.ending.drain(..) {
            // Another subscription may have the seat by now.
            let seat = self.seats.get_mut(key);
            if let Some(seat) = seat.filter(|seat| seat.subscription.subscriber().id == id) {
                seat.is_ending = true;
                seat.is_behind = true;
                self.roused.push(key);
            }
        }
    }
}
