//! `tidings subscribe`: events as they come, over as many connections as it takes.

mod print;
mod session;

pub(crate) use self::session::subscribe;
