//! How much the file takes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_hub::{Log, Update};
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability};

use crate::contract::ROOMY;
use crate::contract::given::{append_all, bounds_become, entry, plain, read, seqs, wanted};

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

/// What updates are found by is partly in memory: whatever has gone into the file when the log is left, and left again,
/// every update is found by its topic.
#[tokio::test]
async fn every_update_is_found_by_its_topic_wherever_the_log_was_left() {
    const PART: u64 = 17_000;
    let dir = TempDir::new().unwrap();
    let config = DiskConfig { retention: ROOMY, durability: Durability::Process };
    let topic = |seq: u64| format!("topic {}", seq / 2);
    for part in 0..7 {
        let log: Arc<dyn Log> = Arc::new(DiskLog::open(dir.path(), config).unwrap());
        let next = 1 + part * PART;
        for seq in (1..next).step_by(997) {
            let expected: Vec<_> =
                [seq & !1, seq | 1].into_iter().filter(|seq| (1..next).contains(seq)).collect();
            let found = read(&log, wanted(1, next, Some(&[&topic(seq)]))).await;
            assert_eq!(seqs(&found), expected, "of {next}");
        }
        let entries: Vec<_> = (next..next + PART).map(|seq| plain(&topic(seq), "x")).collect();
        for chunk in entries.chunks(1000) {
            append_all(&log, chunk.to_vec()).await;
        }
    }
}

/// Many updates about a topic share a row of what they are found by. Left in the middle of writing them, with the oldest
/// forgotten meanwhile, a log must write the same rows again: of two that overlap a page would have updates twice, or miss
/// some.
#[tokio::test]
async fn updates_that_share_a_row_are_in_one_row_wherever_the_log_was_left() {
    const PART: u64 = 11_000;
    let dir = TempDir::new().unwrap();
    let retention = Retention { max_updates: Some(30_000), ..ROOMY };
    let config = DiskConfig { retention, durability: Durability::Process };
    let topics = ["a", "b", "c"];
    let about = |topic: usize, oldest: u64, next: u64| -> Vec<u64> {
        (oldest..next).filter(|seq| seq % 7 % 3 == topic as u64).collect()
    };
    let mut most_in_a_row = 0;
    for part in 0..14 {
        let log: Arc<dyn Log> = Arc::new(DiskLog::open(dir.path(), config).unwrap());
        let first = 1 + part * PART;
        let next = first + PART;
        let entry = |seq: u64| plain(topics[usize::try_from(seq % 7 % 3).unwrap()], "x");
        for seqs in (first..next).collect::<Vec<_>>().chunks(700) {
            append_all(&log, seqs.iter().map(|seq| entry(*seq)).collect()).await;
        }
        let oldest = log.bounds().await.unwrap().oldest;
        for (place, topic) in topics.iter().enumerate() {
            let found = read(&log, wanted(oldest, next, Some(&[topic]))).await;
            assert_eq!(seqs(&found), about(place, oldest, next), "{topic} until {next}");
        }
        drop(log);
        let file = rusqlite::Connection::open(dir.path().join("log.sqlite")).unwrap();
        let mut rows =
            file.prepare("SELECT mark, last, others FROM marks ORDER BY mark, last").unwrap();
        let mut rows = rows.query([]).unwrap();
        let mut before = (i64::MIN, 0);
        while let Some(row) = rows.next().unwrap() {
            let (mark, last): (i64, u64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let others: Vec<u8> = row.get(2).unwrap();
            let farthest = others.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            assert!((mark, last - u64::from(farthest)) > before, "two rows of {mark} have {last}");
            before = (mark, last);
            most_in_a_row = most_in_a_row.max(others.len() / 4);
        }
    }
    assert_eq!(most_in_a_row, 512);
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
