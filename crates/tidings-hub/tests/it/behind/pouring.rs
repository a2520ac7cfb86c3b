//! Many at once: what was in the log and what pours into it come to everybody once, in order, without a seam.

use std::time::Duration;

use tidings_hub::{Hub, Start, Update};

use super::hub_on;
use super::listener::{Listener, Way};
use super::memory::MemoryLog;
use crate::fixture::{Seen, granted};

const BEFORE: u64 = 1_500;
const PUBLISHERS: u64 = 4;
const EACH: u64 = 500;
const ALL: u64 = BEFORE + PUBLISHERS * EACH;

/// Two hubs on one log, two publishers at each, and listeners that come from everywhere in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_once_and_in_order_while_publishers_pour_in() {
    let log = MemoryLog::new(usize::MAX);
    for number in 1..=BEFORE {
        log.put(update(number, number));
    }
    let hubs = [hub_on(&log, 50).await, hub_on(&log, 1_000).await];
    let ways = [Way::Alone, Way::InShard(usize::MAX), Way::InShard(20)];
    let asked: [(&[&str], &[&str]); 4] =
        [(&["t/1"], &["*"]), (&["t/{x}"], &["t/1"]), (&["*"], &[]), (&["t/0", "t/2"], &["t/2"])];
    let mut listeners = Vec::new();
    for (hub, seen) in hubs.iter().zip([0, BEFORE / 2]) {
        for way in ways {
            for (selectors, grants) in asked {
                let subscriber = granted(selectors, grants);
                let start = Start::After(log.position(seen).to_string());
                let listener = Listener::of(hub, way, subscriber, start).await;
                let grants = grants.to_vec();
                listeners.push(tokio::spawn(listen(listener, selectors, grants, seen)));
            }
        }
    }
    let publishers = (0..PUBLISHERS).map(|publisher| {
        tokio::spawn(pour(hubs[usize::try_from(publisher % 2).unwrap()].clone(), publisher))
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    // The last one is for everybody.
    let end = Update { topics: vec!["t/0".into(), "t/1".into()], ..update(0, 0) };
    hubs[0].publish(Update { private: false, ..end }).await.unwrap();
    for listener in listeners {
        let in_time = tokio::time::timeout(Duration::from_mins(1), listener).await;
        in_time.expect("it waits for what it has not got").unwrap();
    }
    assert_eq!(log.contents().next, ALL + 2);
    assert!(hubs.iter().all(|hub| hub.stats().gaps == 0));
}

/// Its topic and whether it is private follow from a number; its data are another and that.
fn update(number: u64, kind: u64) -> Update {
    let update = Update::new(format!("t/{}", kind % 3), format!("{number}/{kind}"));
    Update { private: kind.is_multiple_of(5), ..update }
}

async fn pour(hub: Hub, publisher: u64) {
    for number in 0..EACH {
        hub.publish(update(BEFORE + 1 + publisher * EACH + number, number)).await.unwrap();
    }
}

/// Takes everything up to the last, and compares.
async fn listen(mut listener: Listener, selectors: &[&str], grants: Vec<&str>, seen: u64) {
    let mut numbers = Vec::new();
    let mut last_seq = 0;
    loop {
        let Seen::Update(data) = listener.next().await else { panic!("nothing is lost") };
        let number = data.split('/').next().unwrap().parse().unwrap();
        if number == 0 {
            break;
        }
        numbers.push(number);
        let seq = listener.last.unwrap().seq;
        assert!(seq > last_seq, "{seq} after {last_seq}");
        last_seq = seq;
    }
    let is_one = |texts: &[&str], topic: &String| {
        texts.iter().any(|text| *text == "*" || *text == "t/{x}" || text == topic)
    };
    let is_for_it = |update: &Update| {
        is_one(selectors, &update.topics[0])
            && (!update.private || is_one(&grants, &update.topics[0]))
    };
    let expected: Vec<u64> = (seen + 1..=ALL)
        .filter(|&number| {
            let kind = if number <= BEFORE { number } else { (number - BEFORE - 1) % EACH };
            is_for_it(&update(number, kind))
        })
        .collect();
    // Each publisher's come in its order; those of several are mixed.
    let (old, new) = numbers.split_at(numbers.partition_point(|number| *number <= BEFORE));
    assert!(old.is_sorted());
    for publisher in 0..PUBLISHERS {
        let its = BEFORE + 1 + publisher * EACH..BEFORE + 1 + (publisher + 1) * EACH;
        assert!(new.iter().filter(|number| its.contains(number)).is_sorted());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, expected);
}
