//! Any operations in any order do on disk what they do in a vector.

use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use tidings_hub::{Entry, EventId, IdScope, Log, Logged, Mode, OwnId, Update, Wanted};
use tidings_store::Retention;
use tidings_store::disk::{DiskConfig, DiskLog, Durability};

use crate::contract::ROOMY;
use crate::contract::given::{Follower, entry};
use crate::naive::Naive;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Entry>, bool),
    Read { from: u64, length: u64, topics: Option<Vec<u8>>, max_updates: usize, max_bytes: usize },
    Find(u8, Option<u8>),
    Follow,
    Reopen,
}

fn entries() -> impl Strategy<Value = Entry> {
    let topics = proptest::collection::btree_set(0..6_u8, 1..4);
    let few = |many: u8| proptest::option::weighted(0.3, 0..many);
    (topics, 0..4_u8, few(4), any::<bool>(), few(8)).prop_map(|(topics, data, id, scoped, key)| {
        entry(Update {
            topics: topics.iter().map(|topic| format!("topic {topic}")).collect(),
            id: id.map(|id| EventId::new(id.to_string()).unwrap()),
            id_scope: if scoped { IdScope::Topic } else { IdScope::Hub },
            idempotency_key: key.map(|key| key.to_string().into()),
            ..Update::new("", data.to_string())
        })
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let topics = proptest::option::of(proptest::collection::vec(0..7_u8, 1..4));
    prop_oneof![
        6 => (proptest::collection::vec(entries(), 0..12), any::<bool>()).prop_map(|(entries, all)| Step::Append(entries, all)),
        4 => (1..80_u64, 0..80_u64, topics, 1..20_usize, 1..20_usize).prop_map(
            |(from, length, topics, max_updates, max_bytes)| Step::Read { from, length, topics, max_updates, max_bytes }
        ),
        3 => (0..4_u8, proptest::option::of(0..6_u8)).prop_map(|(id, topic)| Step::Find(id, topic)),
        1 => Just(Step::Follow),
        1 => Just(Step::Reopen),
    ]
}

async fn run(steps: Vec<Step>, max_updates: Option<u64>) {
    let dir = TempDir::new().unwrap();
    let retention = Retention { max_updates, ..ROOMY };
    let config = DiskConfig { retention, durability: Durability::Process };
    let open = || Arc::new(DiskLog::open(dir.path(), config).unwrap()) as Arc<dyn Log>;
    let mut log = open();
    let model = Naive::new(retention);
    for step in steps {
        match step {
            Step::Append(entries, all) => {
                let mode = if all { Mode::All } else { Mode::Each };
                let results = log.append(entries.clone(), mode).await;
                let expected = model.append(entries, mode).await;
                // The epochs are theirs, and so are the words of an error.
                let plain = |results: Vec<tidings_hub::Appending>| -> Vec<_> {
                    results
                        .into_iter()
                        .map(|result| result.ok().map(|at| (at.seq, at.repeated)))
                        .collect()
                };
                assert_eq!(plain(results), plain(expected));
            }
            Step::Read { from, length, topics, max_updates, max_bytes } => {
                let topics = topics.map(|topics| {
                    topics.iter().map(|topic| Arc::from(format!("topic {topic}"))).collect()
                });
                let end = model.bounds().await.unwrap().next;
                let until = (from + length).min(end).max(from);
                let wanted = Wanted { from, until, topics, max_updates, max_bytes };
                let page = log.read(wanted.clone()).await.unwrap();
                let expected = model.read(wanted.clone()).await.unwrap();
                assert_eq!((page.updates, page.oldest), (expected.updates, expected.oldest));
                // One may have looked further than the other, where nothing is.
                let between = (page.next.min(expected.next), page.next.max(expected.next));
                let passed = Wanted { from: between.0, until: between.1, ..wanted };
                assert_eq!(model.read(passed).await.unwrap().updates, Vec::<Logged>::new());
            }
            Step::Find(id, topic) => {
                let id = id.to_string();
                let id = match topic {
                    None => OwnId::Hub { id },
                    Some(topic) => OwnId::Topic { topic: format!("topic {topic}").into(), id },
                };
                assert_eq!(log.find(id.clone()).await, model.find(id).await);
            }
            Step::Follow => {
                let bounds = model.bounds().await.unwrap();
                let followed = Follower::new(&log, bounds.oldest).until(bounds.next - 1).await;
                let wanted = Wanted {
                    from: bounds.oldest,
                    until: bounds.next,
                    topics: None,
                    max_updates: 10_000,
                    max_bytes: 1 << 20,
                };
                assert_eq!(followed, model.read(wanted).await.unwrap().updates);
            }
            Step::Reopen => {
                drop(log);
                log = open();
            }
        }
        let (bounds, expected) = (log.bounds().await.unwrap(), model.bounds().await.unwrap());
        assert_eq!((bounds.oldest, bounds.next), (expected.oldest, expected.next));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_log_on_disk_is_a_log_in_a_vector(
        steps in proptest::collection::vec(steps(), 1..40),
        max_updates in proptest::option::of(1..40_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(run(steps, max_updates));
    }
}
