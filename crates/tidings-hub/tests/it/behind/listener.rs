//! Somebody who listens to a hub with a log behind it, in one of the ways in which that can be done.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidings_hub::{
    Delivery, Hub, LoggedUpdate, Next, Position, SeatKey, Shard, Start, Subscriber, Subscription,
};

use crate::fixture::{Seen, data_of, subscriber};

/// How a subscription is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Alone,
    /// In a shard; its carrier takes so many updates at once.
    InShard(usize),
}

impl Way {
    const ALL: [Self; 3] = [Self::Alone, Self::InShard(usize::MAX), Self::InShard(3)];
}

/// Runs a test for each way of being served, on a clock that runs on when there is nothing to do.
pub(super) fn in_every_way(test: impl AsyncFn(Way)) {
    for way in Way::ALL {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let hour = Duration::from_hours(1);
            let in_time = tokio::time::timeout(hour, test(way)).await;
            assert!(in_time.is_ok(), "it waits for ever, served {way:?}");
        });
    }
}

/// A subscription and what it was given.
pub(super) struct Listener {
    served: Served,
    /// What was handed over and not looked at.
    came: VecDeque<(Seen, Option<Position>)>,
    /// Where in the log the last update stood that it was given.
    pub(super) last: Option<Position>,
}

enum Served {
    Alone(Subscription),
    InShard { shard: Box<Shard<()>>, seat: SeatKey, takes: usize, is_roused: bool },
}

impl Listener {
    pub(super) async fn open(hub: &Hub, way: Way, selectors: &[&str], start: Start) -> Self {
        Self::of(hub, way, subscriber(selectors), start).await
    }

    pub(super) async fn after(hub: &Hub, way: Way, selectors: &[&str], id: impl ToString) -> Self {
        Self::open(hub, way, selectors, Start::After(id.to_string())).await
    }

    pub(super) async fn of(hub: &Hub, way: Way, subscriber: Subscriber, start: Start) -> Self {
        Self::new(hub, way, hub.subscribe(subscriber, start).await.unwrap())
    }

    pub(super) fn new(hub: &Hub, way: Way, subscription: Subscription) -> Self {
        let served = match way {
            Way::Alone => Served::Alone(subscription),
            Way::InShard(takes) => {
                let mut shard = Box::new(Shard::new(hub.clone()));
                let seat = shard.adopt(subscription, ());
                Served::InShard { shard, seat, takes, is_roused: false }
            }
        };
        Self { served, came: VecDeque::new(), last: None }
    }

    /// Waits for what comes next.
    pub(super) async fn next(&mut self) -> Seen {
        poll_fn(|cx| {
            loop {
                if let Some((seen, at)) = self.came.pop_front() {
                    self.last = at.or(self.last);
                    return Poll::Ready(seen);
                }
                if self.poll_more(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Looks once whether there is something to do, without waiting for it.
    pub(super) fn look(&mut self) -> bool {
        self.poll_more(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let came = &mut self.came;
        let mut take = |updates: &[&LoggedUpdate], takes: usize| {
            let taken = updates.len().min(takes);
            for update in &updates[..taken] {
                let seen = Seen::Update(data_of(&update.frame).to_owned());
                came.push_back((seen, Some(update.position)));
            }
            taken
        };
        match &mut self.served {
            Served::Alone(subscription) => {
                match std::task::ready!(subscription.poll_delivery(cx)) {
                    Delivery::Updates(updates) => {
                        take(&updates.iter().map(AsRef::as_ref).collect::<Vec<_>>(), usize::MAX);
                    }
                    Delivery::Gap(gap) => came.push_back((Seen::Gap(gap), None)),
                    Delivery::Closed(reason) => came.push_back((Seen::Closed(reason), None)),
                }
            }
            Served::InShard { shard, seat, takes, is_roused } => {
                *is_roused |= !shard.take_roused().is_empty();
                if *is_roused {
                    match shard.read(*seat) {
                        Next::Delivery(Delivery::Updates(updates)) => {
                            let all: Vec<_> = updates.iter().map(AsRef::as_ref).collect();
                            if let Some(refused) = all.get(take(&all, *takes)) {
                                shard.put_back(*seat, refused.position);
                            }
                        }
                        Next::Delivery(Delivery::Gap(gap)) => {
                            came.push_back((Seen::Gap(gap), None));
                        }
                        Next::Delivery(Delivery::Closed(reason)) => {
                            came.push_back((Seen::Closed(reason), None));
                        }
                        Next::Searching => {}
                        Next::UpToDate => *is_roused = false,
                    }
                    return Poll::Ready(());
                }
                std::task::ready!(shard.poll_news(cx));
                let deliver = |_, (): &mut (), updates: &[&LoggedUpdate]| take(updates, *takes);
                let mut deliver = deliver;
                while shard.deliver(usize::MAX, &mut deliver) {}
                // Its carrier takes more at once.
                *is_roused |= shard.is_behind(*seat) && !came.is_empty();
            }
        }
        Poll::Ready(())
    }

    /// What comes next, so many.
    pub(super) async fn some(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(self.next().await);
        }
        seen
    }

    /// All that comes before everything is at rest.
    pub(super) async fn all(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Ok(next) = tokio::time::timeout(Duration::from_secs(1), self.next()).await {
            let is_end = matches!(next, Seen::Closed(_));
            seen.push(next);
            assert!(seen.len() < 100_000, "the same comes again and again");
            if is_end {
                break;
            }
        }
        seen
    }
}

/// What is seen of the updates that say these numbers.
pub(super) fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    numbers.into_iter().map(|number| Seen::Update(number.to_string())).collect()
}
