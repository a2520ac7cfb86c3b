//! The event-stream format of Server-Sent Events, sans-I/O.
