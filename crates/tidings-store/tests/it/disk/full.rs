//! No room left: nothing is half-written, what is there can be read, and it goes on when there is room.

use std::path::Path;

use tempfile::TempDir;
use tidings_hub::{AppendError, Mode};

use super::{child, open};
use crate::contract::given::{Follower, append, plain, read_all, seqs};

/// A limit on the length of files, which a process may take off itself, is as good as a full disk: writing fails in the
/// middle of a file.
#[test]
fn a_full_disk_refuses_updates_until_there_is_room() {
    let dir = TempDir::new().unwrap();
    let limited = ["sh", "-c", r#"trap "" XFSZ; ulimit -S -f 1000; exec "$0" "$@""#];
    let status = child::command(&limited, "fill", dir.path()).status().unwrap();
    assert!(status.success(), "{status}");
}

/// The child's part.
pub(super) async fn fill(dir: &Path) {
    let log = open(dir).unwrap();
    let mut follower = Follower::new(&log, 1);
    let mut count = 0;
    let refused = loop {
        // All or none is to hold here, too.
        let entries =
            (0..3).map(|place| plain("t", format!("{count} {place} {}", "x".repeat(5000))));
        let mut results = log.append(entries.collect(), Mode::All).await;
        match results.pop().unwrap() {
            Ok(appended) => count = appended.seq,
            Err(refused) => break refused,
        }
        assert!(count < 10_000, "there is no end to the room");
    };
    let AppendError::Unavailable(why) = refused else { panic!("{refused:?}") };
    let why = why.to_string();
    assert!(why.contains("log.sqlite") && why.contains("room left"), "{why}");
    assert!(count > 20, "{count}");
    // One may fit where three do not.
    while let Ok(appended) = append(&log, plain("t", "x".repeat(5000))).await {
        assert!(appended.seq < 10_000, "there is no end to the room");
        count = appended.seq;
    }
    assert_eq!(seqs(&follower.until(count).await), (1..=count).collect::<Vec<_>>());
    for _ in 0..3 {
        append(&log, plain("t", "x".repeat(5000))).await.unwrap_err();
        assert_eq!(seqs(&read_all(&log).await), (1..=count).collect::<Vec<_>>());
    }

    let (_, hard) = rlimit::Resource::FSIZE.get().unwrap();
    rlimit::Resource::FSIZE.set(hard, hard).unwrap();
    assert_eq!(append(&log, plain("t", "again")).await.unwrap().seq, count + 1);
    assert_eq!(seqs(&follower.until(count + 1).await), [count + 1]);
    drop(follower);
    drop(log);
    let log = open(dir).unwrap();
    assert_eq!(seqs(&read_all(&log).await), (1..=count + 1).collect::<Vec<_>>());
}
