//! Pages that are not what was written: a clear error, never a panic, and never somebody else's update.

use std::fs;

use tempfile::TempDir;
use tidings_hub::{OwnId, Update, Wanted};

use super::{copy, open, refusal};
use crate::contract::given::{append_all, entry, numbered, wanted};

/// A log of some hundred pages that is closed.
async fn closed(updates: u64) -> TempDir {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    for chunk in numbered(updates).chunks(1000) {
        let long = chunk.iter().cloned().map(|mut entry| {
            entry.update.data = "x".repeat(500);
            entry
        });
        append_all(&log, long.collect()).await;
    }
    drop(log);
    // As if so many had come since that most of them need not be read when the log is opened.
    let edit = rusqlite::Connection::open(dir.path().join("log.sqlite")).unwrap();
    edit.execute("UPDATE meta SET value = ? WHERE name = 'indexed'", [updates - 10]).unwrap();
    dir
}

#[tokio::test]
async fn a_file_that_was_cut_is_not_opened() {
    let dir = closed(500).await;
    let file = dir.path().join("log.sqlite");
    let bytes = fs::read(&file).unwrap();
    for length in [bytes.len() - 1, bytes.len() / 2, 5000, 4096, 100, 17, 0] {
        fs::write(&file, &bytes[..length]).unwrap();
        let error = refusal(dir.path()).to_string();
        assert!(error.contains("log.sqlite is damaged"), "{length}: {error}");
        assert!(error.contains("move it and what is named like it away"), "{error}");
    }
    fs::write(&file, bytes).unwrap();
    assert_eq!(open(dir.path()).unwrap().bounds().await.unwrap().next, 501);
}

/// SQLite takes an empty file for a new one, and throws its write-ahead log away.
#[tokio::test]
async fn a_file_that_is_lost_is_not_begun_anew_over_its_write_ahead_log() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    append_all(&log, numbered(20)).await;
    let open_still = copy(dir.path());
    let (file, wal) = ("log.sqlite", "log.sqlite-wal");
    let written = fs::read(open_still.path().join(wal)).unwrap();
    assert!(!written.is_empty());
    fs::write(open_still.path().join(file), "").unwrap();
    let error = refusal(open_still.path()).to_string();
    assert!(error.contains("damaged (it is empty): move it"), "{error}");
    fs::remove_file(open_still.path().join(file)).unwrap();
    let error = refusal(open_still.path()).to_string();
    assert!(error.contains("damaged (it is missing, and its write-ahead log"), "{error}");
    assert_eq!(fs::read(open_still.path().join(wal)).unwrap(), written);
    // As the message says.
    fs::remove_file(open_still.path().join(wal)).unwrap();
    assert_eq!(open(open_still.path()).unwrap().bounds().await.unwrap().next, 1);
}

/// The process was killed while it made its first log.
#[tokio::test]
async fn a_log_that_was_not_finished_is_made_again() {
    let dir = TempDir::new().unwrap();
    for left in ["lock", "log.sqlite.new", "log.sqlite.new-journal"] {
        fs::write(dir.path().join(left), "half").unwrap();
    }
    assert_eq!(open(dir.path()).unwrap().bounds().await.unwrap().next, 1);
    assert!(!dir.path().join("log.sqlite.new").exists());
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("log.sqlite");
    let others = rusqlite::Connection::open(dir.path().join("others")).unwrap();
    others.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(others);
    for bytes in
        [vec![0x5a; 10_000], b"text".to_vec(), fs::read(dir.path().join("others")).unwrap()]
    {
        fs::write(&file, &bytes).unwrap();
        let error = refusal(dir.path()).to_string();
        assert!(error.contains("is damaged"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

/// Each page in turn is garbled. The log is refused, or what is read is right or an error that says what to do; and it
/// goes on being asked.
#[tokio::test]
async fn a_garbled_page_is_an_error_where_it_is_met() {
    let whole = closed(1500).await;
    let pages = fs::metadata(whole.path().join("log.sqlite")).unwrap().len() / 4096;
    let (mut refused, mut unavailable) = (0, 0);
    for page in (0..pages).step_by(11).chain([1, 2, 3, 4]) {
        for filler in [0_u8, 0xff, 0x5a] {
            let dir = copy(whole.path());
            let file = dir.path().join("log.sqlite");
            let mut bytes = fs::read(&file).unwrap();
            let start = usize::try_from(page * 4096).unwrap();
            bytes[start..start + 4096].fill(filler);
            fs::write(&file, bytes).unwrap();
            let Ok(log) = open(dir.path()) else {
                refused += 1;
                continue;
            };
            let mut from = 1;
            while from < 1501 {
                match log.read(Wanted { max_updates: 50, ..wanted(from, 1501, None) }).await {
                    Ok(page) => {
                        let right =
                            |logged: &tidings_hub::Logged| logged.update.data == "x".repeat(500);
                        assert!(page.updates.iter().all(right));
                        assert!(page.next > from);
                        from = page.next;
                    }
                    Err(why) => {
                        let why = why.to_string();
                        assert!(why.contains("it is damaged: stop the hub"), "{why}");
                        unavailable += 1;
                        from += 50;
                    }
                }
            }
            drop(log.read(wanted(1, 1501, Some(&["t", "u"]))).await);
            drop(log.find(OwnId::Hub { id: "x".into() }).await);
            let entry = entry(Update::new("t", "new").with_idempotency_key("k"));
            drop(log.append(vec![entry], tidings_hub::Mode::Each).await);
        }
    }
    assert!(refused > 0 && unavailable > 0, "{refused} refused, {unavailable} unavailable");
}
