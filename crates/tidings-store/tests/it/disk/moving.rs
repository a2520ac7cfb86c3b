//! What updates are found by, on its way from memory into the file: some ten thousand updates later it is there alone.

use std::sync::Arc;

use tempfile::TempDir;
use tidings_hub::{IdScope, Log, Wanted};
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability};

use crate::contract::ROOMY;
use crate::contract::given::{
    append, append_all, find, find_on, keyed, new_seq, plain, read, repeated_seq, seqs, wanted,
    with_id,
};

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
    let retention = Retention { max_updates: Some(40_000), ..ROOMY };
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
            // Pages that end in the middle of rows, from places in the middle of rows.
            for from in (oldest..next).step_by(1999) {
                let few = Wanted { max_updates: 7, ..wanted(from, next, Some(&[topic])) };
                let page = log.read(few).await.unwrap();
                let expected: Vec<_> = about(place, from, next).into_iter().take(7).collect();
                assert_eq!(seqs(&page.updates), expected, "{topic} from {from} until {next}");
            }
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
    assert_eq!(most_in_a_row, 240);
}

/// Keys and own ids, the same one again and again among them.
#[tokio::test]
async fn keys_and_own_ids_are_found_in_the_file() {
    const AGAIN: usize = 600;
    const OTHERS: u64 = 70_000;
    let dir = TempDir::new().unwrap();
    let config = DiskConfig { retention: ROOMY, durability: Durability::Process };
    let open = || Arc::new(DiskLog::open(dir.path(), config).unwrap()) as Arc<dyn Log>;
    let log = open();
    let key = new_seq(&append(&log, keyed("key", "data")).await);
    let of_hub = append_all(&log, vec![with_id("t", "id", IdScope::Hub); AGAIN]).await;
    let of_topic = append_all(&log, vec![with_id("t", "id", IdScope::Topic); AGAIN]).await;
    for seqs in (0..OTHERS).collect::<Vec<_>>().chunks(1000) {
        append_all(&log, seqs.iter().map(|seq| plain("other", seq.to_string())).collect()).await;
    }
    let check = async |log: &Arc<dyn Log>| {
        assert_eq!(repeated_seq(&append(log, keyed("key", "data")).await), key);
        assert_eq!(find(log, "id").await, of_hub.first().copied());
        assert_eq!(find_on(log, "t", "id").await, of_topic.last().copied());
    };
    check(&log).await;
    drop(log);
    // All of them are in the file, and in no one's memory.
    let file = rusqlite::Connection::open(dir.path().join("log.sqlite")).unwrap();
    let indexed: u64 = file
        .query_row("SELECT value FROM meta WHERE name = 'indexed'", [], |row| row.get(0))
        .unwrap();
    assert!(indexed > 1 + 2 * AGAIN as u64, "{indexed}");
    drop(file);
    check(&open()).await;
}
