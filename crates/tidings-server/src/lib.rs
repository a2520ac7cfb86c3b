//! The HTTP edge of the hub.

pub mod address;
pub mod cors;
pub mod headers;
pub mod publish;
