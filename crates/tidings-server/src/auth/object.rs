//! JSON objects, and nothing else, as structures.

use serde::Deserialize;

/// Reads a JSON object; `None` for anything else. A derived structure would take an array, too, with its members in the
/// order of their declaration: a claim of the wrong shape would pass for a grant.
pub(crate) fn read_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}
