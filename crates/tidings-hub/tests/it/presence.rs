//! Others are told of a subscription's beginning and end; what they are told is the announcer's to write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings_hub::{Announcer, Epoch, Hub, HubConfig, Limits, Retention, Start, Subscriber, Update};

use crate::fixture::{
    Now, Probe, ROOMY, Seen, earliest, granted, live, publish, subscriber, updates,
};

/// Announces each selector that is not about presence itself, as Mercure does (ACT-1).
#[derive(Debug, Default)]
struct Herald {
    joined: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

impl Herald {
    fn announce(what: &str, subscriber: &Subscriber) -> Vec<Update> {
        let selectors = subscriber.selectors.iter();
        selectors
            .map(|s| {
                Update::new(format!("presence/{}", s.as_str()), format!("{} {what}", s.as_str()))
                    .private()
            })
            .collect()
    }
}

impl Announcer for Herald {
    fn joined(&self, subscriber: &Subscriber) -> Vec<Update> {
        self.joined.fetch_add(1, Ordering::Relaxed);
        Self::announce("joined", subscriber)
    }

    fn left(&self, subscriber: &Subscriber) -> Vec<Update> {
        self.left.fetch_add(1, Ordering::Relaxed);
        Self::announce("left", subscriber)
    }
}

/// A hub that announces who comes and goes.
pub(crate) fn hub(config: HubConfig) -> Hub {
    Hub::new(Epoch::random().unwrap(), config, Some(Box::new(Herald::default())))
}

fn watcher(hub: &Hub, start: Start) -> Probe {
    Probe::open(hub, granted(&["*"], &["*"]), start)
}

#[test]
fn a_beginning_and_an_end_are_announced_selector_by_selector() {
    let hub = hub(ROOMY);
    let mut watcher = watcher(&hub, Start::Live);
    let probe = live(&hub, &["a", "b"]);
    assert_eq!(watcher.drain(), updates(&["a joined", "b joined"]));
    drop(probe);
    assert_eq!(watcher.drain(), updates(&["a left", "b left"]));
}

#[test]
fn a_subscriber_does_not_see_its_own_joining() {
    let hub = hub(ROOMY);
    let mut first = watcher(&hub, Start::Live);
    assert_eq!(first.drain(), []);
    // Nor does one that resumes and has everything.
    let last = hub.last_event_id().unwrap().to_string();
    let mut second = watcher(&hub, Start::After(last));
    assert_eq!(second.drain(), []);
    assert_eq!(first.drain(), updates(&["* joined"]));
}

#[test]
fn an_announcement_that_evicts_what_the_newcomer_is_owed_leaves_a_gap() {
    let retention = Retention { max_updates: 2, ..ROOMY.retention };
    let hub = hub(HubConfig { retention, ..ROOMY });
    let first = publish(&hub, "a", "1").id.to_string();
    publish(&hub, "a", "2");
    publish(&hub, "a", "3");
    // It makes two announcements, which push updates 2 and 3 out.
    let mut probe = Probe::open(&hub, subscriber(&["a", "b"]), Start::After(first));
    let seen = probe.drain();
    assert!(
        matches!(&seen[..], [Seen::Gap(gap)] if gap.missed == Some(2) && gap.before.seq == 3),
        "{seen:?}"
    );
    // One that was owed none of them is told nothing.
    assert_eq!(earliest(&hub, &["c", "d"]).drain(), []);
}

#[test]
fn a_refused_subscriber_is_not_announced() {
    let limits = Limits { streams: Some(1), ..ROOMY.limits };
    let hub = hub(HubConfig { limits, ..ROOMY });
    let mut watcher = watcher(&hub, Start::Live);
    for _ in 0..3 {
        assert!(hub.subscribe(subscriber(&["a"]), Start::Live).now().is_err());
    }
    assert_eq!(watcher.drain(), []);
    assert_eq!(hub.stats().published, 1);
}

#[test]
fn the_announcer_is_asked_once_for_each_beginning_and_end() {
    let herald = Herald::default();
    let (joined, left) = (Arc::clone(&herald.joined), Arc::clone(&herald.left));
    let hub = Hub::new(Epoch::random().unwrap(), ROOMY, Some(Box::new(herald)));
    let probes: Vec<_> = (0..3).map(|_| live(&hub, &["a", "b"])).collect();
    assert_eq!((joined.load(Ordering::Relaxed), left.load(Ordering::Relaxed)), (3, 0));
    drop(probes);
    assert_eq!((joined.load(Ordering::Relaxed), left.load(Ordering::Relaxed)), (3, 3));
}

/// An announcer that asks the hub, which would never answer one that is called under its lock.
#[derive(Debug, Default)]
struct Curious {
    hub: std::sync::OnceLock<Hub>,
    seen: AtomicUsize,
}

#[derive(Debug)]
struct Shared(Arc<Curious>);

impl Announcer for Shared {
    fn joined(&self, _: &Subscriber) -> Vec<Update> {
        let subscribers = self.0.hub.get().map_or(0, |hub| hub.subscribers().len());
        self.0.seen.fetch_add(subscribers, Ordering::Relaxed);
        Vec::new()
    }

    fn left(&self, subscriber: &Subscriber) -> Vec<Update> {
        self.joined(subscriber)
    }
}

#[test]
fn an_announcer_may_ask_the_hub() {
    let curious = Arc::new(Curious::default());
    let announcer = Box::new(Shared(Arc::clone(&curious)));
    let hub = Hub::new(Epoch::random().unwrap(), ROOMY, Some(announcer));
    curious.hub.set(hub.clone()).unwrap();
    let first = live(&hub, &["a"]);
    let second = live(&hub, &["a"]);
    assert_eq!(curious.seen.load(Ordering::Relaxed), 1);
    drop(first);
    assert_eq!(curious.seen.load(Ordering::Relaxed), 2);
    drop(second);
}

#[test]
fn who_is_subscribed_can_be_asked() {
    let hub = hub(ROOMY);
    let first = live(&hub, &["a"]);
    let second = live(&hub, &["b"]);
    let ids = |hub: &Hub| {
        let mut ids: Vec<_> = hub.subscribers().iter().map(|subscriber| subscriber.id).collect();
        ids.sort();
        ids
    };
    let mut expected =
        vec![first.subscription.subscriber().id, second.subscription.subscriber().id];
    expected.sort();
    assert_eq!(ids(&hub), expected);
    drop(first);
    assert_eq!(ids(&hub), [second.subscription.subscriber().id]);
}
