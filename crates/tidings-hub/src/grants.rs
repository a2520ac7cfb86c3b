//! Grants: the topics a token allows its bearer to publish, or to read private updates of.

use std::sync::Arc;

use crate::selector::Selector;

/// A set of selectors that says which topics are allowed. Clones share it.
#[derive(Debug, Clone)]
pub struct Grants {
    selectors: Arc<[Selector]>,
}

impl Grants {
    /// Makes the grants for the topics any of `selectors` matches.
    pub fn new(selectors: impl IntoIterator<Item = Selector>) -> Self {
        Self { selectors: selectors.into_iter().collect() }
    }

    /// Allows nothing.
    pub fn none() -> Self {
        Self::new([])
    }

    /// Allows every topic.
    pub fn all() -> Self {
        Self::new([Selector::all()])
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.selectors.is_empty()
    }

    /// Whether `topic` is allowed.
    pub fn allows(&self, topic: &str) -> bool {
        self.selectors.iter().any(|selector| selector.matches(topic))
    }

    /// Whether at least one of `topics` is allowed.
    pub fn allows_any<'a>(&self, topics: impl IntoIterator<Item = &'a str>) -> bool {
        topics.into_iter().any(|topic| self.allows(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_grants_allow_nothing() {
        let grants = Grants::none();
        assert!(grants.is_empty());
        assert!(!grants.allows("a"));
        assert!(!grants.allows_any(["a", "*"]));
    }

    #[test]
    fn all_grants_allow_every_topic() {
        let grants = Grants::all();
        assert!(!grants.is_empty());
        assert!(grants.allows("a"));
        assert!(grants.allows("/{b}"));
        assert!(!grants.allows_any([]), "no topic, nothing to allow");
    }

    #[test]
    fn one_matching_selector_is_enough() {
        let grants = Grants::new(["a", "/books/{id}"].map(Selector::new));
        assert!(grants.allows("a"));
        assert!(grants.allows("/books/1"));
        assert!(!grants.allows("b"));
        assert!(grants.allows_any(["b", "/books/1"]));
        assert!(!grants.allows_any(["b", "c"]));
    }
}
