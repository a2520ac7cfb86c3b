//! The core of the Tidings hub: a log of updates, and subscriptions that are cursors over it.
//!
//! *History is the queue.* A hub keeps one log; a subscription is a place in it. Being up to date, being behind and
//! resuming after a reconnect are one thing, so there is no queue per subscriber to grow, to overflow or to leave a
//! seam between replay and live.
//!
//! This crate knows no sockets, no HTTP and no JSON.

mod admission;
mod appending;
mod behind;
mod close;
mod config;
mod digest;
mod elsewhere;
mod ending;
mod entering;
mod error;
mod fetch;
mod grants;
mod hub;
mod inbox;
mod index;
mod log;
mod position;
mod presence;
mod publishing;
mod read;
mod replays;
mod resuming;
mod selector;
mod served;
mod shard;
mod state;
mod stats;
mod subscriber;
mod subscription;
mod tail;
mod template;
mod update;

/// What an event's id and type may be, checked when they are made.
pub use tidings_wire::{EventId, EventType, InvalidField};

pub use close::CloseReason;
pub use config::{HubConfig, Limits, Retention};
pub use ending::Ending;
pub use error::{BatchError, PublishError, SubscribeError};
pub use grants::Grants;
pub use hub::Hub;
pub use log::{
    AppendError, Appended, Appending, Bounds, Entry, Follow, Log, Logged, Mode, News, OwnId, Page,
    Unavailable, Wanted,
};
pub use position::{Epoch, InvalidPosition, Position};
pub use presence::Announcer;
pub use publishing::Publishing;
pub use selector::{Kind, Selector};
pub use shard::{Next, SeatKey, Shard};
pub use stats::Stats;
pub use subscriber::{NoSubscriberId, Start, Subscriber, SubscriberId};
pub use subscription::{Delivery, Gap, Resume, Subscription};
pub use update::{IdScope, LoggedUpdate, Receipt, Update};
