//! What the tests are made of: roomy hubs, subscribers, and a probe that reads without waiting.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tidings_hub::{
    CloseReason, Delivery, Epoch, Gap, Grants, Hub, HubConfig, Limits, Receipt, Retention,
    Selector, Start, Subscriber, SubscriberId, Subscription, Update,
};
use tidings_wire::EventId;

/// Settings under which nothing is evicted and nobody is refused.
pub(crate) const ROOMY: HubConfig = HubConfig {
    retention: Retention { max_updates: usize::MAX, max_bytes: usize::MAX, max_age: None },
    limits: Limits {
        streams: None,
        per_user: None,
        per_address: None,
        per_topic: None,
        selectors: usize::MAX,
    },
};

pub(crate) fn hub(config: HubConfig) -> Hub {
    Hub::new(Epoch::random().unwrap(), config, None)
}

pub(crate) fn roomy_hub() -> Hub {
    hub(ROOMY)
}

/// A hub that retains so many updates.
pub(crate) fn hub_of(max_updates: usize) -> Hub {
    hub(HubConfig { retention: Retention { max_updates, ..ROOMY.retention }, ..ROOMY })
}

/// A hub with these limits.
pub(crate) fn hub_limited(limits: Limits) -> Hub {
    hub(HubConfig { limits, ..ROOMY })
}

/// Someone without grants.
pub(crate) fn subscriber(selectors: &[&str]) -> Subscriber {
    granted(selectors, &[])
}

/// Someone with grants.
pub(crate) fn granted(selectors: &[&str], grants: &[&str]) -> Subscriber {
    Subscriber {
        id: SubscriberId::random().unwrap(),
        selectors: selectors.iter().map(|&text| Selector::new(text)).collect(),
        grants: Grants::new(grants.iter().map(|&text| Selector::new(text))),
        user: None,
        session: None,
        address: None,
        payload: None,
    }
}

pub(crate) fn live(hub: &Hub, selectors: &[&str]) -> Probe {
    Probe::open(hub, subscriber(selectors), Start::Live)
}

pub(crate) fn earliest(hub: &Hub, selectors: &[&str]) -> Probe {
    Probe::open(hub, subscriber(selectors), Start::Earliest)
}

pub(crate) fn after(hub: &Hub, id: impl Display, selectors: &[&str]) -> Probe {
    Probe::open(hub, subscriber(selectors), Start::After(format!("{id}")))
}

/// Publishes a public update and answers its receipt.
#[track_caller]
pub(crate) fn publish(hub: &Hub, topic: &str, data: &str) -> Receipt {
    hub.publish(Update::new(topic, data)).now().unwrap()
}

/// An update about several topics.
pub(crate) fn about(topics: &[&str], data: &str) -> Update {
    let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
    Update { topics, data: data.to_owned(), ..Update::default() }
}

pub(crate) fn event_id(text: &str) -> EventId {
    EventId::new(text).unwrap()
}

/// What a subscriber was given, update by update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The data of an update.
    Update(String),
    Gap(Gap),
    Closed(CloseReason),
}

/// What is seen of updates with these data.
pub(crate) fn updates(data: &[&str]) -> Vec<Seen> {
    data.iter().map(|&data| Seen::Update(data.to_owned())).collect()
}

/// The data of a one-line event.
pub(crate) fn data_of(frame: &[u8]) -> &str {
    let frame = std::str::from_utf8(frame).unwrap();
    frame.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()
}

/// A subscription that is polled by hand, so that "nothing yet" can be seen without waiting.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) subscription: Subscription,
    wakes: Arc<Wakes>,
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Probe {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription, wakes: Arc::default() }
    }

    #[track_caller]
    pub(crate) fn open(hub: &Hub, subscriber: Subscriber, start: Start) -> Self {
        Self::new(hub.subscribe(subscriber, start).now().unwrap())
    }

    /// What comes next, or `None` when it would have to wait for it.
    pub(crate) fn poll(&mut self) -> Option<Delivery> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.subscription.poll_delivery(&mut Context::from_waker(&waker)) {
            Poll::Ready(delivery) => Some(delivery),
            Poll::Pending => None,
        }
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.count()
    }

    /// Everything up to where it would have to wait, or to the end.
    pub(crate) fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(delivery) = self.poll() {
            assert!(seen.len() < 1_000_000, "the same comes again and again");
            match delivery {
                Delivery::Updates(updates) => {
                    assert!(!updates.is_empty(), "a delivery of updates has at least one");
                    seen.extend(updates.iter().map(|u| Seen::Update(data_of(&u.frame).to_owned())));
                }
                Delivery::Gap(gap) => seen.push(Seen::Gap(gap)),
                Delivery::Closed(reason) => {
                    seen.push(Seen::Closed(reason));
                    break;
                }
            }
        }
        seen
    }
}

/// Runs what would never end if the hub locked itself up, and says so instead of hanging.
#[track_caller]
pub(crate) fn without_deadlock(test: impl FnOnce() + Send + 'static) {
    let (done, waiting) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    match waiting.recv_timeout(Duration::from_secs(20)) {
        Err(RecvTimeoutError::Timeout) => panic!("the hub waits for itself"),
        // A test that failed has said why.
        Ok(()) | Err(RecvTimeoutError::Disconnected) => thread.join().unwrap(),
    }
}

/// What is there at once: a hub in memory waits for nothing.
pub(crate) trait Now: Future + Sized {
    #[track_caller]
    fn now(self) -> Self::Output {
        match pin!(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a hub in memory waits for nothing"),
        }
    }
}

impl<F: Future> Now for F {}
