//! How long something takes: rounds in which every contender has its turn, so that what disturbs
//! the machine disturbs them alike, and medians over the rounds.

use std::{hint::black_box, time::Duration};

use anyhow::Result;

use crate::sys;

/// How long one contender is measured in one round. Whatever is faster is repeated.
const SAMPLE: Duration = Duration::from_millis(20);

/// Beyond this a contender has had its one round with the first look at it.
const TOO_SLOW: Duration = Duration::from_secs(2);

/// What is timed: everything once, from the beginning.
pub(super) type Work<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// One contender's times for one pass, in seconds.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) rounds: Vec<f64>,
}

/// Teaches the C library's allocator to give no pages back between two passes. Otherwise what is
/// measured on large events is the kernel clearing the pages of whoever comes next.
pub(super) fn keep_pages() {
    // It learns from the largest block freed, up to 32 MiB with what it adds.
    const LARGE_BYTES: usize = 31 << 20;
    drop(black_box(vec![1_u8; LARGE_BYTES]));
}

/// Times the contenders in turn. With `once` every one has a single pass.
///
/// # Errors
///
/// The first error of a contender.
pub(super) fn race(contenders: &mut [Work<'_>], rounds: usize, once: bool) -> Result<Vec<Times>> {
    let mut lanes = Vec::with_capacity(contenders.len());
    for work in contenders {
        let first = passes(work, 1)?;
        let is_done = once || first > TOO_SLOW.as_secs_f64();
        // The first pass warms up what the later ones use.
        let again = if is_done { first } else { passes(work, 1)? };
        let mut repeats = 1;
        while !is_done && again * f64::from(repeats) < SAMPLE.as_secs_f64() {
            repeats += 1;
        }
        lanes.push((work, is_done, repeats, Times { rounds: vec![again] }));
    }
    for round in 0..rounds {
        for (work, is_done, repeats, times) in &mut lanes {
            if *is_done {
                continue;
            }
            if round == 0 {
                times.rounds.clear();
            }
            times.rounds.push(passes(work, *repeats)?);
        }
    }
    Ok(lanes.into_iter().map(|(.., times)| times).collect())
}

/// The seconds that one of so many passes takes of this thread's CPU, whoever else is on the machine.
fn passes(work: &mut Work<'_>, repeats: u32) -> Result<f64> {
    let start = sys::thread_cpu_nanos();
    for _ in 0..repeats {
        work()?;
    }
    let nanos = sys::thread_cpu_nanos().saturating_sub(start).max(1);
    Ok(nanos as f64 / 1e9 / f64::from(repeats))
}
