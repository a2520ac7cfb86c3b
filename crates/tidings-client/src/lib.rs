//! A client for Server-Sent Events: it reads streams of any server, and publishes to a Tidings or Mercure hub.
//!
//! ```no_run
//! # async fn run() {
//! let mut events = tidings_client::subscribe("https://example.com/events?topic=news");
//! while let Some(event) = events.next().await {
//!     match event {
//!         Ok(event) => println!("{}: {}", event.last_event_id, event.data),
//!         Err(error) => eprintln!("no more events: {error:#}"),
//!     }
//! }
//! # }
//! ```
//! That connects, reads exactly as the WHATWG standard says, and connects again, after the last event that came, whenever
//! the stream ends, breaks or falls silent, until the server says that there is no more (204) or that asking is in
//! vain (404, 403, …). [`Subscribe`] sets everything that this leaves to defaults:
//!
//! ```no_run
//! # async fn fresh_token() -> Result<String, std::io::Error> { Ok(String::new()) }
//! # async fn run() {
//! use std::time::Duration;
//! use tidings_client::{Backoff, HubEvent, Signal, Subscribe};
//!
//! let mut events = Subscribe::new("https://example.com/events?topic=news")
//!     .with_header_from("authorization", |_attempt| async {
//!         Ok::<_, std::io::Error>(format!("Bearer {}", fresh_token().await?))
//!     })
//!     .with_last_event_id("#4hz0k7wq-17")
//!     .with_backoff(Backoff::default().with_cap(Duration::from_secs(10)))
//!     .with_idle_timeout(Duration::from_secs(45))
//!     .open();
//! while let Some(signal) = events.next_signal().await {
//!     match signal {
//!         Signal::Opened(opened) => println!("open: {}", opened.status),
//!         Signal::Event(event) => match event.from_hub() {
//!             Some(HubEvent::Gap(gap)) => println!("missed {:?} updates", gap.missed),
//!             _ => println!("{}", event.data),
//!         },
//!         Signal::Comment(_) => {}
//!         Signal::Retrying(retrying) => println!("{:#}; again in {:?}", retrying.error, retrying.wait),
//!         Signal::Stopped(why) => println!("stopped: {why:?}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//! Nothing runs in the background: the stream is read when it is asked, so a slow reader slows the server down instead of
//! filling memory. It needs a Tokio runtime with time and I/O. HTTP and TLS are reqwest's: it heeds the proxies of the
//! environment, and speaks HTTP/2 over TLS where the program turns reqwest's feature `http2` on.
//!
//! [`Publisher`] is the other half.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use tidings_client::{Publisher, Update};
//!
//! let publisher = Publisher::new("https://example.com/events").with_header("authorization", "Bearer …");
//! let id = publisher.publish(&Update::new("news", "hello")).await?;
//! let many = (0..10_000).map(|n| Update::new("numbers", n.to_string()));
//! let mut results = publisher.publish_all(many);
//! while let Some(result) = results.next().await {
//!     println!("{}", result?);
//! }
//! # Ok(())
//! # }
//! ```
//! What is retried is not published twice, where the hub knows idempotency keys, as Tidings does.
//!
//! The page `docs/client-rust.md` has what is retried and when, and how other crates differ.

/// The code of the pages about this crate has to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client-rust.md")]
#[doc = include_str!("../README.md")]
struct Pages;

mod asking;
mod attempt;
mod backoff;
mod causes;
mod connection;
mod event;
mod events;
mod failure;
mod hub_event;
mod policy;
mod publish;
mod redirect;
mod refusal;
mod retry_after;
mod signal;
mod source;
mod subscribe;
mod watchdog;

pub use crate::asking::http_client;
pub use crate::backoff::Backoff;
pub use crate::event::Event;
pub use crate::events::Events;
pub use crate::failure::{Failure, RedirectFault, SubscribeError};
pub use crate::hub_event::{Drain, Expired, Gap, HubEvent, Refused};
pub use crate::policy::{Verdict, default_policy};
pub use crate::publish::{Publish, PublishError, PublishFailure, Publisher, Results, Update};
pub use crate::refusal::Refusal;
pub use crate::signal::{Opened, Retrying, Signal};
pub use crate::source::{Attempt, BoxError};
pub use crate::subscribe::{Subscribe, subscribe};
pub use tidings_wire::{DecodeError, Limits};
