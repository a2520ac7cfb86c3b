//! The HTTP edge of the hub.
