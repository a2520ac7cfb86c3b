//! Publishing: one update, or any number of them.

mod batch;
mod bulk;
mod error;
mod exchange;
mod iter;
mod key;
mod one;
mod publisher;
mod update;

pub use self::bulk::Results;
pub use self::error::{PublishError, PublishFailure};
pub use self::one::Publish;
pub use self::publisher::Publisher;
pub use self::update::Update;
