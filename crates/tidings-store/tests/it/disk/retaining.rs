//! How much the file takes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_hub::{Log, Update};
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability};

use crate::contract::ROOMY;
use crate::contract::given::{append_all, bounds_become, entry, read, seqs, wanted};

fn on_disk(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// With small updates about ever new topics, which need more for what they are found by than for themselves, and with
/// readers who come one after another, so that there is always one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_takes_no_more_than_it_may_under_endless_publishing() {
    const LIMIT: u64 = 5_000_000;
    const ROUNDS: u64 = 100;
    let dir = TempDir::new().unwrap();
    let retention = Retention { max_bytes: Some(LIMIT), ..ROOMY };
    let config = DiskConfig { retention, durability: Durability::Process };
    let log: Arc<dyn Log> = Arc::new(DiskLog::open(dir.path(), config).unwrap());
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                loop {
                    let bounds = log.bounds().await.unwrap();
                    drop(log.read(wanted(bounds.oldest, bounds.next, None)).await.unwrap());
                }
            })
        })
        .collect();
    let mut most = 0;
    for round in 0..ROUNDS {
        let entries = (0..1000).map(|place| {
            let topics = (0..=place % 3).map(|topic| format!("{round}/{place}/{topic}")).collect();
            entry(Update { topics, ..Update::new("", "x".repeat(place % 200)) })
        });
        append_all(&log, entries.collect()).await;
        most = most.max(on_disk(dir.path()));
    }
    for reader in readers {
        reader.abort();
    }
    assert!(most <= LIMIT * 13 / 10, "{most} bytes");
    loop {
        let bounds = log.bounds().await.unwrap();
        assert!(bounds.bytes.unwrap() > LIMIT / 2, "it forgets too much: {bounds:?}");
        assert!(bounds.next - bounds.oldest > 5_000, "it forgets too much: {bounds:?}");
        // The newest and the oldest are found by their topics still.
        let (round, place) = ((bounds.oldest - 1) / 1000, (bounds.oldest - 1) % 1000);
        let (oldest, newest) = (format!("{round}/{place}/0"), format!("{}/999/0", ROUNDS - 1));
        let mut found = Vec::new();
        for topic in [oldest.as_str(), newest.as_str()] {
            let updates = read(&log, wanted(bounds.oldest, bounds.next, Some(&[topic]))).await;
            found.extend(seqs(&updates));
        }
        // Some may have left meanwhile.
        if log.bounds().await.unwrap() == bounds {
            assert_eq!(found, [bounds.oldest, 1000 * ROUNDS]);
            break;
        }
    }
}

/// A log that is opened with a lower limit forgets what is too much, and says so at once.
#[tokio::test]
async fn a_lower_limit_holds_from_the_next_start_on() {
    let dir = TempDir::new().unwrap();
    let open = |max_updates| {
        let retention = Retention { max_updates, ..ROOMY };
        let config = DiskConfig { retention, durability: Durability::Synced };
        Arc::new(DiskLog::open(dir.path(), config).unwrap()) as Arc<dyn Log>
    };
    let log = open(None);
    let entries: Vec<_> = (0..5000)
        .map(|number| {
            let topics = (0..20).map(|place| format!("{number}/{place}")).chain(["t".into()]);
            entry(Update { topics: topics.collect(), ..Update::new("", "x") })
        })
        .collect();
    for chunk in entries.chunks(500) {
        append_all(&log, chunk.to_vec()).await;
    }
    let bounds = log.bounds().await.unwrap();
    assert!(bounds.bytes > Some(2_000_000), "{bounds:?}");
    drop(log);
    let log = open(Some(10));
    let bounds = bounds_become(&log, |bounds| bounds.oldest == 4991).await;
    assert_eq!(bounds.next, 5001);
    assert_eq!(read(&log, wanted(1, 5001, Some(&["t"]))).await.len(), 10);
    // Nothing comes, and what left updates were found by is taken out of the file all the same.
    bounds_become(&log, |bounds| bounds.bytes < Some(200_000)).await;
    assert_eq!(read(&log, wanted(1, 5001, Some(&["t"]))).await.len(), 10);
}
