//! The guarantees of the format, one file for each.

mod encode;
