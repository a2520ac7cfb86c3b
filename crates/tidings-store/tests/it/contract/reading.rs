//! Reading from a seq on, by topics, in bounded pieces.

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{Entry, EventId, EventType, IdScope, Update, Wanted};

use super::given::{append_all, data, entry, numbered, plain, read, read_all, seqs, wanted};
use super::{Stand, roomy};

pub(crate) async fn an_update_is_read_as_it_was_written<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let awkward = Update {
        topics: vec!["https://example.com/books/1?a=b#c".into(), "日本語 \u{1f4e8}".into()],
        data: "two\nlines\r\n\u{0}\u{feff} and more".into(),
        id: Some(EventId::new("own id").unwrap()),
        id_scope: IdScope::Topic,
        event_type: Some(EventType::new("alert").unwrap()),
        retry: Some(Duration::from_millis(1500)),
        private: true,
        idempotency_key: Some("key".into()),
    };
    let large = Update::new("large", "x".repeat(200_000));
    let entries = vec![
        entry(Update::new("t", "")),
        entry(awkward),
        entry(large),
        entry(Update::new("", "y")),
    ];
    append_all(&log, entries.clone()).await;
    let updates = read_all(&log).await;
    assert_eq!(seqs(&updates), [1, 2, 3, 4]);
    for (logged, Entry { update, at, .. }) in updates.into_iter().zip(entries) {
        let key = logged.update.idempotency_key.clone();
        assert!(key.is_none() || key == update.idempotency_key);
        assert_eq!(logged.update, Update { idempotency_key: key, ..update });
        let apart = logged.at.max(at).duration_since(logged.at.min(at)).unwrap();
        assert!(apart < Duration::from_mins(1), "{apart:?} from when it came");
    }
}

pub(crate) async fn a_log_is_read_from_a_seq_until_a_seq<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    append_all(&log, numbered(100)).await;
    for (from, until) in [(1, 101), (1, 2), (50, 60), (100, 101)] {
        let page = log.read(wanted(from, until, None)).await.unwrap();
        assert_eq!(seqs(&page.updates), (from..until).collect::<Vec<_>>());
        assert_eq!((page.next, page.oldest), (until, 1));
        assert_eq!(page.epoch, log.bounds().await.unwrap().epoch);
    }
    // What is not there yet is passed over no more than what is there.
    let page = log.read(wanted(90, 101, None)).await.unwrap();
    assert_eq!(seqs(&page.updates), (90..101).collect::<Vec<_>>());
    let page = log.read(wanted(101, 101, None)).await.unwrap();
    assert_eq!((page.updates.len(), page.next), (0, 101));
}

pub(crate) async fn a_page_ends_where_its_bounds_say<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries = (0..100).map(|_| plain("t", "x".repeat(1000))).collect();
    append_all(&log, entries).await;
    let everything = wanted(1, 101, None);
    let page = log.read(Wanted { max_updates: 7, ..everything.clone() }).await.unwrap();
    assert_eq!((seqs(&page.updates), page.next), ((1..8).collect(), 8));
    let page = log.read(Wanted { max_bytes: 10_000, ..everything.clone() }).await.unwrap();
    assert!((5..=11).contains(&page.updates.len()), "{} updates", page.updates.len());
    assert_eq!(page.next, page.updates.last().unwrap().seq + 1);
    let page = log.read(Wanted { max_bytes: 1, ..everything.clone() }).await.unwrap();
    assert_eq!((seqs(&page.updates), page.next), (vec![1], 2));
    for small in
        [Wanted { max_updates: 1, ..everything.clone() }, Wanted { max_bytes: 1500, ..everything }]
    {
        assert_eq!(seqs(&read(&log, small).await), (1..101).collect::<Vec<_>>());
    }
}

/// Only data was counted: 250 updates of a thousand long topics each came in one page, a gigabyte.
pub(crate) async fn a_page_counts_the_names_of_topics<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let topics: Vec<String> = (0..50).map(|n| format!("{n} {}", "x".repeat(200))).collect();
    let update = Update { topics, ..Update::default() };
    append_all(&log, (0..100).map(|_| entry(update.clone())).collect()).await;
    let page = log.read(Wanted { max_bytes: 50_000, ..wanted(1, 101, None) }).await.unwrap();
    assert!((1..=6).contains(&page.updates.len()), "{} updates", page.updates.len());
}

pub(crate) async fn the_updates_about_some_topics_are_all_found<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    // One in 100 is about `rare`, every third about `often`, some about both; `later` comes at the end.
    let entries: Vec<_> = (1..=3000_u64)
        .map(|number| {
            let mut update = Update::new("others", number.to_string());
            for (every, topic) in [(100, "rare"), (3, "often"), (2999, "later")] {
                if number.is_multiple_of(every) {
                    update.topics.push(topic.into());
                }
            }
            entry(update)
        })
        .collect();
    for chunk in entries.chunks(500) {
        append_all(&log, chunk.to_vec()).await;
    }
    let numbers =
        |is: &dyn Fn(u64) -> bool| (1..=3000).filter(|number| is(*number)).collect::<Vec<_>>();
    let cases: [(&[&str], Vec<u64>); 5] = [
        (&["rare"], numbers(&|n| n % 100 == 0)),
        (&["often", "rare"], numbers(&|n| n % 100 == 0 || n % 3 == 0)),
        (&["later", "never"], vec![2999]),
        (&["never"], vec![]),
        (&["others", "often"], numbers(&|_| true)),
    ];
    for (topics, expected) in cases {
        for max_updates in [1000, 7] {
            let all = Wanted { max_updates, ..wanted(1, 3001, Some(topics)) };
            assert_eq!(seqs(&read(&log, all).await), expected, "{topics:?}");
        }
        let some = read(&log, wanted(500, 2500, Some(topics))).await;
        let expected: Vec<_> =
            expected.into_iter().filter(|number| (500..2500).contains(number)).collect();
        assert_eq!(seqs(&some), expected, "{topics:?} from the middle");
    }
}

pub(crate) async fn a_thousand_topics_are_read_at_once<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let entries: Vec<_> =
        (0..2000_u64).map(|number| plain(&format!("topic/{number}"), number.to_string())).collect();
    append_all(&log, entries).await;
    let topics: Arc<[Arc<str>]> =
        (0..2000).step_by(2).map(|number| Arc::from(format!("topic/{number}"))).collect();
    let even = read(&log, Wanted { topics: Some(topics), ..wanted(1, 2001, None) }).await;
    let expected: Vec<_> = (0..2000).step_by(2).map(|number| number.to_string()).collect();
    assert_eq!(data(&even), expected);
}

pub(crate) async fn an_empty_log_is_read_and_has_bounds<S: Stand>() {
    let (log, _stand) = roomy::<S>().await;
    let bounds = log.bounds().await.unwrap();
    assert_eq!((bounds.oldest, bounds.next), (1, 1));
    let page = log.read(wanted(1, 1, None)).await.unwrap();
    assert_eq!((page.updates.len(), page.next, page.oldest), (0, 1, 1));
    assert_eq!(page.epoch, bounds.epoch);
}
