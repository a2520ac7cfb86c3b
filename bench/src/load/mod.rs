//! The generator: one thread that holds many streams, publishes, and checks every delivery.

mod bulk;
mod driver;
mod ledger;
mod publisher;
mod reply;
mod response;
mod stream;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    bulk::Bulk,
    driver::{Burst, Done, Load, Pace, topic_name},
    stream::Plan,
};
