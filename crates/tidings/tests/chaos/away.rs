//! What two hubs do while their engine is away, and when the log has been taken out of it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::{
    asking::Asking,
    engine::Engine,
    ledger::Place,
    node::Node,
    stream::{Event, Stream},
    turn::alone,
};

/// How long a publisher waits at the most to be told that the engine is away.
const TOLD: Duration = Duration::from_secs(6);
/// How long an event may take, once all is well again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How an engine can be away.
#[derive(Clone, Copy, Debug)]
enum Absence {
    Stopped,
    Killed,
    Stalled,
}

#[test]
fn while_redis_is_away_publishing_is_refused_and_streams_stay_open() {
    alone(async { stays_open(Engine::redis()).await });
}

#[test]
fn while_nats_is_away_publishing_is_refused_and_streams_stay_open() {
    alone(async { stays_open(Engine::nats()).await });
}

async fn stays_open(mut engine: Engine) {
    let nodes = two(&engine).await;
    let asking = Asking::new();
    let mut streams = streams(&nodes, "earliest").await;
    for absence in [Absence::Stopped, Absence::Killed, Absence::Stalled] {
        let name = |what: &str| format!("{absence:?}: {what}");
        // What is acknowledged last before the engine is gone.
        let mut wanted = vec![name("before")];
        asking.publish_until_taken(nodes[0].address, &wanted[0]).await;
        match absence {
            Absence::Stopped => engine.stop(),
            Absence::Killed => engine.kill(),
            Absence::Stalled => engine.stall(),
        }
        let refused = [name("refused by one"), name("refused by the other")];
        for (node, data) in nodes.iter().zip(&refused) {
            let answer = asking.publish(node.address, data).await;
            assert!(
                answer.status == 503 && answer.retry_after > Some(0),
                "{absence:?}: {answer:?}"
            );
            assert!(answer.text.contains("log_unavailable"), "{absence:?}: {answer:?}");
            assert!(answer.took < TOLD, "{absence:?}: {answer:?}");
        }
        match absence {
            Absence::Stopped | Absence::Killed => engine.start(),
            Absence::Stalled => engine.go_on(),
        }
        // Each is tried again at the other hub: whether it came through the first time or not, it is there once.
        for (node, data) in nodes.iter().rev().zip(&refused) {
            asking.publish_until_taken(node.address, data).await;
            wanted.push(data.clone());
        }
        wanted.push(name("after"));
        asking.publish_until_taken(nodes[1].address, &wanted[3]).await;
        let mut first = Vec::new();
        for stream in &mut streams {
            let mut came = Vec::new();
            for _ in &wanted {
                came.push(next(stream, &absence).await);
            }
            let mut data: Vec<_> = came.iter().map(|event| event.data.clone()).collect();
            assert_eq!((&data[0], &data[3]), (&wanted[0], &wanted[3]), "{data:?}");
            data[1..3].sort();
            let mut sorted = wanted.clone();
            sorted[1..3].sort();
            assert_eq!(data, sorted);
            if first.is_empty() {
                first.clone_from(&came);
            }
            assert_eq!(came, first, "the same at both hubs");
        }
    }
}

#[test]
fn a_log_that_is_gone_from_redis_is_told_as_a_gap_and_begun_anew() {
    alone(async { begins_anew(Engine::redis()).await });
}

#[test]
fn a_log_that_is_gone_from_nats_is_told_as_a_gap_and_begun_anew() {
    alone(async { begins_anew(Engine::nats()).await });
}

async fn begins_anew(engine: Engine) {
    let nodes = two(&engine).await;
    let asking = Asking::new();
    let mut streams = streams(&nodes, "earliest").await;
    let old = asking.publish_until_taken(nodes[0].address, "before").await;
    for stream in &mut streams {
        assert_eq!(next(stream, &"before").await.data, "before");
    }
    engine.lose_everything();
    let new = asking.publish_until_taken(nodes[1].address, "after").await;
    let epoch = |id: &str| Place::parse(id).unwrap().epoch;
    assert_ne!(epoch(&new), epoch(&old), "another log");
    // Whoever comes back with an id of the old log hears of it, too.
    streams.extend(self::streams(&nodes, &old).await);
    for stream in &mut streams {
        let gap = next(stream, &"a gap").await;
        assert_eq!(gap.kind, "gap", "{gap:?}");
        assert_eq!(epoch(&gap.id), epoch(&new), "{gap:?}");
        let told: Value = serde_json::from_str(&gap.data).unwrap();
        assert_eq!(told["resumed_after"], gap.id, "{gap:?}");
        let after = next(stream, &"after").await;
        assert_eq!((after.data.as_str(), &after.id), ("after", &new));
    }
    let last = asking.publish_until_taken(nodes[0].address, "last").await;
    for stream in &mut streams {
        let event = next(stream, &"last").await;
        assert_eq!((event.data.as_str(), &event.id), ("last", &last));
    }
}

/// Two hubs on an engine.
async fn two(engine: &Engine) -> [Node; 2] {
    let mut nodes = [(); 2].map(|()| Node::new(&["--store", &engine.url()], &[]));
    for node in &mut nodes {
        node.start().await;
    }
    nodes
}

/// A stream at each.
async fn streams(nodes: &[Node], last_id: &str) -> Vec<Stream> {
    let mut streams = Vec::new();
    for node in nodes {
        let stream = Stream::open(node.address, "topic=a", &[("Last-Event-ID", last_id)]).await;
        streams.push(stream.unwrap());
    }
    streams
}

async fn next(stream: &mut Stream, when: &dyn std::fmt::Debug) -> Event {
    let event = timeout(PATIENCE, stream.next()).await;
    let event = event.unwrap_or_else(|_| panic!("{when:?}: nothing came for {PATIENCE:?}"));
    event.unwrap_or_else(|| panic!("{when:?}: the stream has ended"))
}
