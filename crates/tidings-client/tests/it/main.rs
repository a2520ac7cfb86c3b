//! The client against servers that do what a script says, over real sockets, with a clock that the tests turn.
//!
//! - `parsing`: the shared streams, and the id over several connections
//! - `request`: what is asked, anew at each attempt
//! - `answers`: what each answer means
//! - `redirects`: which are followed, and what goes along
//! - `waiting`: how long until the next attempt, and when there is none
//! - `silence`: the watchdog, and the time for connecting
//! - `bounds`: limits, memory, and that nothing is read unasked
//! - `signals`: who is told what, and that dropping a future loses nothing
//! - `causes`: what an error says on one line
//! - `secrets`: what errors and debug output do not show
//! - `publish`: one update
//! - `bulk`: many updates
//! - `server`: the scripted server
//! - `told`: signals as short texts
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helper functions of the tests fail by panicking"
)]

mod answers;
mod bounds;
mod bulk;
mod causes;
mod parsing;
mod publish;
mod redirects;
mod request;
mod secrets;
mod server;
mod signals;
mod silence;
mod told;
mod waiting;
