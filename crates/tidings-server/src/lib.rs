//! The HTTP edge of the hub.

pub mod auth;
mod mercure;
