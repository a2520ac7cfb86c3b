//! `kill -9`, and write-ahead logs that end anywhere: what was acknowledged is there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use tempfile::TempDir;
use tidings_hub::{IdScope, Log};
use tidings_store::disk::{DiskConfig, DiskLog, Durability};

use super::{child, copy, open};
use crate::contract::ROOMY;
use crate::contract::given::{
    append, append_all, data, find, keyed, numbered, plain, read_all, repeated_seq, seqs, with_id,
};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut acked = BTreeMap::new();
    let mut epoch = None;
    for round in 1..=5 {
        let mut child =
            child::command(&[], "publish", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut count = 0;
        let mut note = |line: String, count: &mut usize| {
            let mut words = line.split(' ');
            if words.next() == Some("acked")
                && let (Some(seq), Some(text)) = (words.next(), words.next())
            {
                *count += 1;
                assert_eq!(
                    acked.insert(seq.parse().unwrap(), text.to_owned()),
                    None,
                    "{seq} twice"
                );
            }
        };
        while count < round * 37 {
            note(lines.next().expect("the child goes on"), &mut count);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died was acknowledged, too. Its last line may be cut.
        let rest: Vec<_> = lines.collect();
        let whole = rest.len().saturating_sub(1);
        for line in rest.into_iter().take(whole) {
            note(line, &mut count);
        }
        let log = open(dir.path()).unwrap();
        let bounds = log.bounds().await.unwrap();
        assert_eq!(*epoch.get_or_insert(bounds.epoch), bounds.epoch);
        let updates = read_all(&log).await;
        assert_eq!(seqs(&updates), (1..bounds.next).collect::<Vec<_>>());
        let there: BTreeMap<_, _> =
            updates.into_iter().map(|logged| (logged.seq, logged.update.data)).collect();
        for (seq, text) in &acked {
            assert_eq!(there.get(seq), Some(text), "acknowledged as {seq}");
        }
    }
}

/// The directory as it is while the log is open is what a crash leaves.
#[tokio::test]
async fn a_copy_of_an_open_log_has_everything() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    append_all(&log, numbered(40)).await;
    append_all(&log, vec![keyed("k", "once"), with_id("a", "x", IdScope::Hub)]).await;
    let copy = copy(dir.path());
    let copied = open(copy.path()).unwrap();
    assert_eq!(read_all(&copied).await, read_all(&log).await);
    assert_eq!(copied.bounds().await.unwrap().epoch, log.bounds().await.unwrap().epoch);
    assert_eq!(find(&copied, "x").await, Some(42));
    assert_eq!(repeated_seq(&append(&copied, keyed("k", "once")).await), 41);
}

/// A power cut while the write-ahead log is written leaves any part of it. What was committed before that part is there,
/// whole, and the log goes on.
#[tokio::test]
async fn a_torn_write_ahead_log_loses_only_what_was_torn() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let wal = dir.path().join("log.sqlite-wal");
    // How long the write-ahead log was when so many updates were acknowledged.
    let mut acked = vec![(0, 0)];
    for number in 1..=30_u64 {
        append_all(&log, vec![plain("t", format!("{number}")), plain("t", "x".repeat(3000))]).await;
        acked.push((fs::metadata(&wal).unwrap().len(), 2 * number));
    }
    let whole = copy(dir.path());
    drop(log);
    let length = fs::metadata(whole.path().join("log.sqlite-wal")).unwrap().len();
    let mut random = 1_u64;
    let mut cut = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % length
    };
    for torn_at in (0..25).map(|_| cut()).chain([0, 1, 31, 32, 33, length - 1]) {
        for garbles in [false, true] {
            let torn = copy(whole.path());
            let torn_wal = torn.path().join("log.sqlite-wal");
            let mut bytes = fs::read(&torn_wal).unwrap();
            if garbles {
                // The length is there, what was written is not.
                bytes[usize::try_from(torn_at).unwrap()..].fill(0x5a);
            } else {
                bytes.truncate(torn_at.try_into().unwrap());
            }
            fs::write(&torn_wal, bytes).unwrap();
            let log = open(torn.path()).unwrap();
            let least = acked.iter().rev().find(|(length, _)| *length <= torn_at).unwrap().1;
            let updates = read_all(&log).await;
            let count = updates.len() as u64;
            assert!(count >= least, "{count} of {least} at {torn_at}");
            assert_eq!(count % 2, 0, "half of a commit at {torn_at}");
            assert_eq!(seqs(&updates), (1..=count).collect::<Vec<_>>());
            assert_eq!(append_all(&log, vec![plain("t", "on")]).await, [count + 1]);
            assert_eq!(data(&read_all(&log).await).last(), Some(&"on"));
        }
    }
}

/// Without syncing each commit, a crash of the system may take acknowledged updates away, and others would get their seqs.
#[tokio::test]
async fn a_log_that_is_not_synced_is_another_one_after_a_crash_of_the_system() {
    let dir = TempDir::new().unwrap();
    let config = DiskConfig { retention: ROOMY, durability: Durability::Process };
    let epoch = async |log: &DiskLog| log.bounds().await.unwrap().epoch;
    let log = DiskLog::open(dir.path(), config).unwrap();
    let first = epoch(&log).await;
    let left_open = copy(dir.path());
    drop(log);
    // The process ended, or was killed: the system has everything.
    let log = DiskLog::open(dir.path(), config).unwrap();
    assert_eq!(epoch(&log).await, first);
    let killed = DiskLog::open(left_open.path(), config).unwrap();
    assert_eq!(epoch(&killed).await, first);
    drop(killed);
    // The system has been started anew since: it was open with another boot id.
    let crashed = copy(dir.path());
    let edit = rusqlite::Connection::open(crashed.path().join("log.sqlite")).unwrap();
    edit.execute("UPDATE meta SET value = 'earlier' WHERE name = 'boot'", []).unwrap();
    drop(edit);
    let log = DiskLog::open(crashed.path(), config).unwrap();
    assert_ne!(epoch(&log).await, first);
}
