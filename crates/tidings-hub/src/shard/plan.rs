//! Who is to be handed which updates: worked out for many at once, then handed over some at a time.

use super::seat::Seat;
use super::{SeatKey, Shard};
use crate::position::Position;
use crate::state::may_receive;
use crate::update::LoggedUpdate;

/// How many deliveries are planned at once.
const MAX_PLANNED: usize = 64 * 1024;

/// Who is to be handed which of the notices.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Up to where the notices are planned.
    pub(super) notices: usize,
    /// Deliveries of the same seat are a chain.
    pub(super) deliveries: Vec<Planned>,
    /// Who is to be handed something, and how many of them were.
    pub(super) seats: Vec<SeatKey>,
    pub(super) done: usize,
}

#[derive(Debug)]
pub(super) struct Planned {
    pub(super) notice: u32,
    pub(super) next: Option<u32>,
}

impl<C> Shard<C> {
    /// Plans the next deliveries; `false` when there are none.
    pub(super) fn plan_more(&mut self) -> bool {
        let plan = &mut self.plan;
        plan.deliveries.clear();
        plan.seats.clear();
        plan.done = 0;
        while plan.deliveries.len() < MAX_PLANNED
            && let Some(notice) = self.news.notices.get(plan.notices)
        {
            let row = self.rows.get(&notice.node);
            for &key in row.into_iter().flatten() {
                if let Some(seat) = self.seats.get_mut(key) {
                    plan.add(key, seat, &notice.update);
                }
            }
            plan.notices += 1;
        }
        if !plan.seats.is_empty() {
            return true;
        }
        // All notices are delivered. Who reads on from the log does so after them.
        plan.notices = 0;
        self.news.notices.clear();
        self.rouse_overdue();
        self.rouse_ending();
        false
    }
}

impl Plan {
    /// Plans to hand an update to a subscription, once, unless it is not for it or it reads on from the log.
    fn add<C>(&mut self, key: SeatKey, seat: &mut Seat<C>, update: &LoggedUpdate) {
        let Position { epoch, seq } = update.position;
        // What came before another log began is nothing to who has come since then.
        if epoch != seat.epoch
            || seq <= seat.through
            || !may_receive(seat.subscription.subscriber(), update)
        {
            return;
        }
        seat.through = seq;
        if seat.is_behind {
            seat.owed.get_or_insert(seq);
            return;
        }
        let (Ok(at), Ok(notice)) =
            (u32::try_from(self.deliveries.len()), u32::try_from(self.notices))
        else {
            return;
        };
        self.deliveries.push(Planned { notice, next: None });
        let first = if let Some((first, last)) = seat.planned {
            if let Some(last) = self.deliveries.get_mut(last as usize) {
                last.next = Some(at);
            }
            first
        } else {
            self.seats.push(key);
            at
        };
        seat.planned = Some((first, at));
    }
}
