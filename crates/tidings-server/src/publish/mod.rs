//! Publishing: what a request's body says, whatever its media type.

pub mod draft;
pub mod form;
pub mod json;
pub mod ndjson;
