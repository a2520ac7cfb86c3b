//! What is particular to the Mercure protocol as its 0.x hubs speak it.
//!
//! Names, shapes and rules of the protocol stay in here, so that a second dialect can stand beside
//! it.

pub(crate) mod claims;
pub(crate) mod credentials;
