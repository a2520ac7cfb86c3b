//! Selectors: what a subscriber asks for, and what a grant covers.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::template::Template;

/// The selector that matches every topic.
const ALL: &str = "*";

/// A pattern over topics, known by its text: `*`, a topic, or a URI template (RFC 6570).
///
/// Any text is a selector: one that is not a valid template matches only itself. Clones share the
/// text and the template. Equality, order and hash are those of the text.
#[derive(Clone)]
pub struct Selector {
    text: Arc<str>,
    template: Option<Arc<Template>>,
}

/// How a selector matches, for an index that keeps each kind apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Matches every topic.
    All,
    /// Matches the topic that equals its text, byte for byte.
    Exact,
    /// Matches the topics its template expands to, and its own text.
    Template,
}

impl Selector {
    /// Makes the selector written as `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let template = if text.contains('{') { Template::parse(&text).map(Arc::new) } else { None };
        Self { text, template }
    }

    /// The selector that matches every topic: `*`.
    pub fn all() -> Self {
        Self::new(ALL)
    }

    /// The text as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it matches.
    pub fn kind(&self) -> Kind {
        match &self.template {
            Some(_) => Kind::Template,
            None if &*self.text == ALL => Kind::All,
            None => Kind::Exact,
        }
    }

    /// Whether `topic` is covered. Another selector's text can stand as the topic too.
    pub fn matches(&self, topic: &str) -> bool {
        &*self.text == ALL
            || &*self.text == topic
            || self.template.as_ref().is_some_and(|template| template.matches(topic))
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Selector {}

impl PartialOrd for Selector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Selector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for Selector {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check(text: &str, kind: Kind, topics: &[&str], others: &[&str]) {
        let selector = Selector::new(text);
        assert_eq!(selector.kind(), kind, "{text}");
        assert_eq!(selector.as_str(), text);
        for topic in topics {
            assert!(selector.matches(topic), "{text} matches {topic:?}");
        }
        for topic in others {
            assert!(!selector.matches(topic), "{text} does not match {topic:?}");
        }
    }

    #[test]
    fn the_star_matches_every_topic() {
        check("*", Kind::All, &["", "*", "a", "https://e.com/{id}"], &[]);
    }

    #[test]
    fn a_topic_matches_itself_byte_for_byte() {
        check("https://e.com/é", Kind::Exact, &["https://e.com/é"], &["https://e.com/%C3%A9", ""]);
        check("", Kind::Exact, &[""], &["a"]);
        check("a*", Kind::Exact, &["a*"], &["ab"]);
    }

    #[test]
    fn a_template_matches_its_expansions_and_its_own_text() {
        check("/books/{id}", Kind::Template, &["/books/1", "/books/", "/books/{id}"], &["/books"]);
    }

    #[test]
    fn an_invalid_template_is_a_plain_string() {
        check("/books/{id", Kind::Exact, &["/books/{id"], &["/books/1"]);
        check("a b {id}", Kind::Exact, &["a b {id}"], &["a b 1"]);
    }

    #[test]
    fn a_selector_can_cover_another_selector() {
        check("/books/{id}", Kind::Template, &["/books/{id}"], &["/books/{other}", "*"]);
        check("*", Kind::All, &["/books/{id}"], &[]);
    }

    #[test]
    fn selectors_are_known_by_their_text() {
        let set: HashSet<Selector> = ["a", "a", "/{b}", "/{b}"].map(Selector::new).into();
        assert_eq!(set.len(), 2);
        assert!(set.contains("/{b}"));
        assert!(Selector::new("a") < Selector::new("b"));
        assert_eq!(Selector::new("a").cmp(&Selector::new("a")), Ordering::Equal);
    }
}
