//! The generator: one thread that holds many streams, publishes, and checks every delivery.

mod bulk;
mod burst;
mod driver;
mod ledger;
mod publisher;
mod reply;
mod request;
mod response;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod watched;

pub(crate) use self::{
    bulk::Bulk,
    burst::{Burst, Done, Pace},
    driver::Load,
    request::topic_name,
    stream::Plan,
};
