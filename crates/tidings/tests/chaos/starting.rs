//! What a hub finds when it starts again, and what it says when its log cannot be used.

use std::{fs, net::SocketAddr, process::Output, time::Duration};

use tokio::{
    process::Command,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    asking::Asking,
    engine::{Redis, TempDir},
    hub::{Hub, PROGRAM},
    ledger::Place,
    node::{Node, free_address},
    stream::Stream,
    turn::alone,
};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a hub waits for an engine that is away when it starts, and the time for all else.
const CONNECTED: Duration = Duration::from_secs(15);

#[test]
fn history_is_there_after_a_restart_before_anything_is_published() {
    alone(async {
        let data = TempDir::new("restart");
        let mut node = Node::new(&["--data", data.path().to_str().unwrap()], &[]);
        let asking = Asking::new();
        node.start().await;
        let mut ids = Vec::new();
        for number in ["one", "two", "three"] {
            ids.push(asking.publish_until_taken(node.address, number).await);
        }
        for signal in ["KILL", "TERM"] {
            node.end(signal).await;
            // What is closed in order leaves its file alone; it was not, once, because the admin listener held the hub.
            let leaves_file_alone = !data.path().join("log.sqlite-wal").exists();
            assert_eq!(leaves_file_alone, signal == "TERM", "after {signal}");
            node.start().await;
            assert_eq!(read(node.address, "earliest", 3).await, ids, "after {signal}");
            assert_eq!(read(node.address, &ids[0], 2).await, ids[1..], "after {signal}");
            // Said again with its key, it is the same update.
            assert_eq!(asking.publish_until_taken(node.address, "two").await, ids[1]);
        }
        let next = asking.publish_until_taken(node.address, "four").await;
        let (next, first) = (Place::parse(&next).unwrap(), Place::parse(&ids[0]).unwrap());
        assert_eq!(next, Place { epoch: first.epoch, seq: 4 });
    });
}

#[test]
fn a_second_hub_on_the_same_directory_is_refused_and_the_first_goes_on() {
    alone(async {
        let data = TempDir::new("two");
        let data = data.path().to_str().unwrap();
        let hub = Hub::dev(&[&format!("log.data={data}")]).await;
        let said = refused(&["--data", data]).await;
        let pid = hub.pid().to_string();
        assert!(
            said.contains(data) && said.contains(&format!("in use by process {pid}")),
            "{said}"
        );
        let id = Asking::new().publish_until_taken(hub.address, "it goes on").await;
        assert_eq!(read(hub.address, "earliest", 1).await, [id]);
    });
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    alone(async {
        let dir = TempDir::new("file");
        let file = dir.path().join("file");
        fs::write(&file, "no directory").unwrap();
        // Nobody, not even root, can make a directory in `/proc`.
        for path in [file.to_str().unwrap(), "/proc/tidings"] {
            let said = refused(&["--data", path]).await;
            assert!(said.contains(path) && said.contains("may write to"), "{said}");
        }
        let garbled = dir.path().join("garbled");
        fs::create_dir(&garbled).unwrap();
        fs::write(garbled.join("log.sqlite"), "no database ".repeat(1000)).unwrap();
        let said = refused(&["--data", garbled.to_str().unwrap()]).await;
        assert!(said.contains("log.sqlite") && said.contains("damaged"), "{said}");
    });
}

/// A limit on the length of files, which can be taken off from outside, is as good as a full disk.
#[test]
fn on_a_full_disk_publishing_is_refused_until_there_is_room() {
    alone(async {
        let data = TempDir::new("full");
        let limited = r#"trap "" XFSZ; ulimit -S -f 2000; exec "$0" "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", limited, PROGRAM, "serve", "--dev", "--listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
        let hub = Hub::start(command, &[]).await;
        let asking = Asking::new();
        let large = |number: usize| format!("{number} {}", "x".repeat(50_000));
        let mut ids = Vec::new();
        let refusal = loop {
            assert!(ids.len() < 1000, "there is no end to the room");
            let answer = asking.publish(hub.address, &large(ids.len())).await;
            if answer.status != 200 {
                break answer;
            }
            ids.push(answer.text);
        };
        assert!(refusal.status == 503 && refusal.retry_after > Some(0), "{refusal:?}");
        assert!(ids.len() > 5, "{refusal:?}");
        assert_eq!(read(hub.address, "earliest", ids.len()).await, ids);
        let unlimited = ["--fsize=unlimited", "--pid", &hub.pid().to_string()];
        assert!(Command::new("prlimit").args(unlimited).status().await.unwrap().success());
        ids.push(asking.publish_until_taken(hub.address, &large(ids.len())).await);
        assert_eq!(read(hub.address, "earliest", ids.len()).await, ids);
    });
}

#[test]
fn an_engine_that_cannot_be_used_is_named_and_no_password_is_shown() {
    alone(async {
        let redis = tokio::task::block_in_place(|| Redis::with(&["requirepass a-good-one"]));
        let place = redis.url().replace("redis://", "");
        let nowhere = free_address().to_string();
        let engines = [
            (format!("redis://:opensesame@{place}"), place, "password"),
            (format!("redis://u:opensesame@{nowhere}"), nowhere.clone(), "refused"),
            (format!("nats://u:opensesame@{nowhere}"), nowhere, "refused"),
            wrong("redis://:opensesame@no.such.host.invalid", "no.such.host.invalid", ""),
            wrong("http://u:opensesame@127.0.0.1", "log.store", "redis://"),
            wrong("redis://u:opensesame@", "log.store", "redis://"),
        ];
        // At the same time: for an engine that is not there a hub waits a while.
        let mut hubs = JoinSet::new();
        for (store, place, why) in engines {
            hubs.spawn(async move {
                let said = refused(&["--store", &store]).await;
                assert!(!said.contains("opensesame"), "{store}: {said}");
                assert!(said.contains(&place) && said.contains(why), "{store}: {said}");
            });
        }
        hubs.join_all().await;
    });
}

fn wrong(store: &str, place: &str, why: &'static str) -> (String, String, &'static str) {
    (store.to_owned(), place.to_owned(), why)
}

/// Runs a hub that cannot start to its end, and gives what it said.
async fn refused(log: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let begun = Instant::now();
    let ended = timeout(PATIENCE, command.args(log).kill_on_drop(true).output()).await;
    let Output { status, stderr, .. } = ended.expect("the hub runs").unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(begun.elapsed() < CONNECTED, "{:?}: {said}", begun.elapsed());
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// Reads so many updates after an id, and gives their ids.
async fn read(hub: SocketAddr, last_id: &str, count: usize) -> Vec<String> {
    let stream = Stream::open(hub, "topic=a", &[("Last-Event-ID", last_id)]).await;
    let mut stream = stream.unwrap();
    let mut ids = Vec::new();
    for _ in 0..count {
        let event = timeout(PATIENCE, stream.next()).await.expect("nothing came").unwrap();
        assert_eq!(event.kind, "message", "{event:?}");
        ids.push(event.id);
    }
    ids
}
