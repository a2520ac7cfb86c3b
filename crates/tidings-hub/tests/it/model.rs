//! The hub against a model of it: every update ever published in one list, and matching by brute force.
//!
//! Whatever is done in whatever order, each subscriber, served alone or in a shard, gets exactly what matches and it may
//! receive, from where it began, in order, each once, except what a gap told of; and a gap is told only when something it
//! was owed is lost or when the id that it came back with is.

mod listener;
mod naive;
mod operation;
mod turns;

use std::time::Duration;

use proptest::prelude::*;
use tidings_hub::{CloseReason, Retention};

use naive::Model;
use operation::{Operation, operation};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_does_what_the_model_does(
        max_updates in 1..12_usize,
        max_bytes in prop_oneof![Just(usize::MAX), 2_500..8_000_usize],
        max_age in prop::option::of(1..20_u64),
        operations in prop::collection::vec(operation(), 1..80),
    ) {
        let max_age = max_age.map(Duration::from_secs);
        run(Retention { max_updates, max_bytes, max_age }, operations);
    }
}

fn run(retention: Retention, operations: Vec<Operation>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
        let mut model = Model::new(retention);
        for operation in operations {
            match operation {
                Operation::Publish(drafts) => model.publish(&drafts),
                Operation::Subscribe { selectors, grants, start } => {
                    model.subscribe(&selectors, &grants, start);
                }
                Operation::Read { who, times } => {
                    for _ in 0..times {
                        model.read(who);
                    }
                }
                Operation::Leave(who) => model.leave(who),
                Operation::CloseAll => model.close_all(CloseReason::Drain),
                Operation::Adopt { who, shard, room } => model.adopt(who, shard, room),
                Operation::Turn { shard, count, times } => model.turn(shard, count, times),
                Operation::MakeRoom { who, room } => model.make_room(who, room),
                Operation::DropShard(shard) => model.drop_shard(shard),
                Operation::Advance(time) => tokio::time::advance(time).await,
            }
            model.check();
        }
        model.finish();
    });
}
