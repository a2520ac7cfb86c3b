//! The core of the hub.

mod grants;
mod selector;
mod template;

pub use grants::Grants;
pub use selector::{Kind, Selector};
pub use template::Template;
