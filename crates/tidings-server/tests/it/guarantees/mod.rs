//! One test for each line of `docs/guarantees.md`, named there.

mod access;
mod drain;
mod limits;
mod log;
mod resume;
pub(crate) mod slow;
// What stands in for a cut cable is Linux's.
#[cfg(target_os = "linux")]
mod vanished;
