//! The guarantees of the format, one file for each.

#![expect(clippy::unwrap_used, reason = "helper functions of tests may fail the test")]

mod cuts;
mod encode;
mod limits;
mod oracle;
mod roundtrip;
mod stream;
mod vectors;
