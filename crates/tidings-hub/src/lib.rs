//! The core of the hub.
