//! Which retained updates and which subscribers a selector has.
//!
//! A *node* stands for one selector: a topic, a template or `*`. It lists the retained updates that match and the
//! subscribers that asked. So a publish touches the nodes of its topics, a replay reads the nodes of its selectors, and
//! neither scans the log or the subscribers. Which templates match a topic is worked out when one of the two comes new,
//! among those only that begin with the same text, and kept with the topic.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use crate::selector::{Kind, Selector};
use crate::update::LoggedUpdate;

/// A node's key, valid while the node has updates or subscribers.
pub(crate) type NodeKey = usize;
/// A subscriber's key in the registry.
pub(crate) type SubscriberKey = usize;

/// What a topic costs beside its name, in bytes: its node, and its places in the maps (measured, as those of updates).
const TOPIC_BYTES: usize = 300;

/// One selector's updates and subscribers.
#[derive(Debug)]
pub(crate) struct Node {
    matcher: Matcher,
    /// The retained updates that match, ascending. Not kept for `*`, which has them all.
    updates: VecDeque<u64>,
    /// Who subscribed to this selector, in no order.
    pub(crate) subscribers: Vec<SubscriberKey>,
}

#[derive(Debug)]
enum Matcher {
    /// `*`.
    All,
    /// A topic, and the nodes of the templates that match it.
    Topic { name: Arc<str>, templates: Vec<NodeKey> },
    /// A template.
    Template(Selector),
}

/// All nodes, found by selector.
#[derive(Debug)]
pub(crate) struct Index {
    nodes: Slab<Node>,
    all: NodeKey,
    topics: HashMap<Arc<str>, NodeKey>,
    /// The same in order, so that a template looks only at the topics that begin as it does.
    sorted_topics: BTreeMap<Arc<str>, NodeKey>,
    templates: HashMap<Arc<str>, NodeKey>,
    /// The templates by the text before their first expression, so that a new topic looks only at those that begin as
    /// it does.
    templates_by_prefix: BTreeMap<Box<str>, Vec<NodeKey>>,
    /// How many topics have a retained update, and what they weigh.
    retained_topics: usize,
    retained_bytes: usize,
}

impl Index {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        let all = nodes.insert(Node::new(Matcher::All));
        Self {
            nodes,
            all,
            topics: HashMap::new(),
            sorted_topics: BTreeMap::new(),
            templates: HashMap::new(),
            templates_by_prefix: BTreeMap::new(),
            retained_topics: 0,
            retained_bytes: 0,
        }
    }

    /// How many topics have a retained update.
    pub(crate) fn retained_topics(&self) -> usize {
        self.retained_topics
    }

    /// What the topics that have a retained update weigh against the log's limit, in bytes.
    pub(crate) fn retained_bytes(&self) -> usize {
        self.retained_bytes
    }

    /// What a topic weighs, however many updates it has.
    pub(crate) fn weight(topic: &str) -> usize {
        TOPIC_BYTES + topic.len()
    }

    pub(crate) fn node(&self, key: NodeKey) -> Option<&Node> {
        self.nodes.get(key)
    }

    pub(crate) fn node_mut(&mut self, key: NodeKey) -> Option<&mut Node> {
        self.nodes.get_mut(key)
    }

    /// How many subscribers the selector has.
    pub(crate) fn subscribers(&self, selector: &Selector) -> usize {
        let key = match selector.kind() {
            Kind::All => Some(&self.all),
            Kind::Exact => self.topics.get(selector.as_str()),
            Kind::Template => self.templates.get(selector.as_str()),
        };
        key.and_then(|key| self.nodes.get(*key)).map_or(0, |node| node.subscribers.len())
    }

    /// The shared names of an update's topics, which from now on have nodes. A topic named twice counts once.
    pub(crate) fn intern(&mut self, topics: &[String]) -> Box<[Arc<str>]> {
        let mut names: Vec<Arc<str>> = Vec::with_capacity(topics.len());
        for topic in topics {
            let key = self.topic_node(topic);
            if let Some(Node { matcher: Matcher::Topic { name, .. }, .. }) = self.nodes.get(key)
                && !names.contains(name)
            {
                names.push(Arc::clone(name));
            }
        }
        names.into_boxed_slice()
    }

    /// Lists a new update under every node that matches, and calls `reached` with the subscribers of each.
    pub(crate) fn append(
        &mut self,
        update: &LoggedUpdate,
        mut reached: impl FnMut(&[SubscriberKey]),
    ) {
        let seq = update.position.seq;
        for topic in &update.topics {
            let Some(&key) = self.topics.get(topic) else { continue };
            let Some(node) = self.nodes.get_mut(key) else { continue };
            if node.updates.is_empty() {
                self.retained_topics += 1;
                self.retained_bytes += Self::weight(topic);
            }
            node.list(seq);
            reached(&node.subscribers);
            self.each_template(key, |node| {
                node.list(seq);
                reached(&node.subscribers);
            });
        }
        if let Some(node) = self.nodes.get(self.all) {
            reached(&node.subscribers);
        }
    }

    /// Forgets an update that left the log, and the topics that had no other.
    pub(crate) fn evict(&mut self, update: &LoggedUpdate) {
        let seq = update.position.seq;
        for topic in &update.topics {
            let Some(&key) = self.topics.get(topic) else { continue };
            self.each_template(key, |node| node.forget_through(seq));
            if let Some(node) = self.nodes.get_mut(key) {
                node.forget_through(seq);
                if node.updates.is_empty() {
                    self.retained_topics -= 1;
                    self.retained_bytes -= Self::weight(topic);
                }
            }
            self.drop_if_unused(key);
        }
    }

    /// The node of a selector, made where there is none.
    pub(crate) fn enter(&mut self, selector: &Selector) -> NodeKey {
        match selector.kind() {
            Kind::All => self.all,
            Kind::Exact => self.topic_node(selector.as_str()),
            Kind::Template => self.template_node(selector),
        }
    }

    /// Removes a node that has neither updates nor subscribers. A template's goes with its last subscriber.
    pub(crate) fn drop_if_unused(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get(key) else { return };
        if !node.subscribers.is_empty() {
            return;
        }
        match &node.matcher {
            Matcher::Topic { name, .. } if node.updates.is_empty() => {
                self.topics.remove(name);
                self.sorted_topics.remove(name);
            }
            Matcher::Template(selector) => {
                let selector = selector.clone();
                self.forget_template(key, &selector);
            }
            Matcher::All | Matcher::Topic { .. } => return,
        }
        self.nodes.remove(key);
    }

    /// Whether a node has every update of the log.
    pub(crate) fn is_all(&self, key: NodeKey) -> bool {
        key == self.all
    }

    fn topic_node(&mut self, topic: &str) -> NodeKey {
        if let Some(&key) = self.topics.get(topic) {
            return key;
        }
        let name: Arc<str> = topic.into();
        let templates = self.templates_beginning(topic).filter(|&key| self.matches(key, topic));
        let templates = templates.collect();
        let matcher = Matcher::Topic { name: Arc::clone(&name), templates };
        let key = self.nodes.insert(Node::new(matcher));
        self.topics.insert(Arc::clone(&name), key);
        self.sorted_topics.insert(name, key);
        key
    }

    fn template_node(&mut self, selector: &Selector) -> NodeKey {
        if let Some(&key) = self.templates.get(selector.as_str()) {
            return key;
        }
        let key = self.nodes.insert(Node::new(Matcher::Template(selector.clone())));
        self.templates.insert(selector.as_str().into(), key);
        self.templates_by_prefix.entry(prefix(selector).into()).or_default().push(key);
        let mut updates = Vec::new();
        for topic in self.topics_beginning(prefix(selector)) {
            if let Some(node) = self.nodes.get_mut(topic)
                && let Matcher::Topic { name, templates } = &mut node.matcher
                && selector.matches(name)
            {
                templates.push(key);
                updates.extend(&node.updates);
            }
        }
        updates.sort_unstable();
        updates.dedup();
        if let Some(node) = self.nodes.get_mut(key) {
            node.updates = updates.into();
        }
        key
    }

    fn forget_template(&mut self, key: NodeKey, selector: &Selector) {
        self.templates.remove(selector.as_str());
        if let Some(keys) = self.templates_by_prefix.get_mut(prefix(selector)) {
            keys.retain(|&other| other != key);
            if keys.is_empty() {
                self.templates_by_prefix.remove(prefix(selector));
            }
        }
        for topic in self.topics_beginning(prefix(selector)) {
            if let Some(templates) = self.nodes.get_mut(topic).and_then(Node::templates) {
                templates.retain(|&other| other != key);
            }
        }
    }

    /// The topics that begin with a text.
    fn topics_beginning(&self, prefix: &str) -> Vec<NodeKey> {
        self.sorted_topics
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .map(|(_, &key)| key)
            .collect()
    }

    /// The templates whose prefix a topic begins with. Between two such prefixes lie only texts that go on otherwise
    /// than the topic does, so that each step goes back to the next shorter prefix that can be one.
    fn templates_beginning(&self, topic: &str) -> impl Iterator<Item = NodeKey> {
        let mut shorter = Bound::Included(topic);
        std::iter::from_fn(move || {
            loop {
                let range = (Bound::Unbounded, shorter);
                let (prefix, keys) = self.templates_by_prefix.range::<str, _>(range).next_back()?;
                let common = common_prefix(prefix, topic);
                if common.len() == prefix.len() {
                    shorter = Bound::Excluded(common);
                    return Some(keys.iter().copied());
                }
                shorter = Bound::Included(common);
            }
        })
        .flatten()
    }

    fn matches(&self, template: NodeKey, topic: &str) -> bool {
        let Some(Node { matcher: Matcher::Template(selector), .. }) = self.nodes.get(template)
        else {
            return false;
        };
        selector.matches(topic)
    }

    /// Calls `visit` with the node of each template that matches a topic.
    fn each_template(&mut self, topic: NodeKey, mut visit: impl FnMut(&mut Node)) {
        // Taken out, for the nodes are changed meanwhile, and put back.
        let Some(templates) = self.nodes.get_mut(topic).and_then(Node::templates) else { return };
        let kept = std::mem::take(templates);
        for &template in &kept {
            if let Some(node) = self.nodes.get_mut(template) {
                visit(node);
            }
        }
        if let Some(templates) = self.nodes.get_mut(topic).and_then(Node::templates) {
            *templates = kept;
        }
    }
}

/// A template's text before its first expression. Whatever it matches begins with it.
fn prefix(template: &Selector) -> &str {
    template.as_str().split('{').next().unwrap_or_default()
}

/// The longest text that both begin with.
fn common_prefix<'a>(text: &str, topic: &'a str) -> &'a str {
    let common = text.bytes().zip(topic.bytes()).take_while(|(a, b)| a == b).count();
    topic.get(..topic.floor_char_boundary(common)).unwrap_or_default()
}

impl Node {
    fn new(matcher: Matcher) -> Self {
        Self { matcher, updates: VecDeque::new(), subscribers: Vec::new() }
    }

    /// The templates that match, where the node is a topic's.
    fn templates(&mut self) -> Option<&mut Vec<NodeKey>> {
        match &mut self.matcher {
            Matcher::Topic { templates, .. } => Some(templates),
            Matcher::All | Matcher::Template(_) => None,
        }
    }

    /// Lists an update; one with two topics that match is listed once.
    fn list(&mut self, seq: u64) {
        if self.updates.back() != Some(&seq) {
            self.updates.push_back(seq);
        }
    }

    fn forget_through(&mut self, seq: u64) {
        while self.updates.front().is_some_and(|&first| first <= seq) {
            self.updates.pop_front();
        }
        // A topic's burst must not pin its memory for ever.
        if self.updates.capacity() > 64 && self.updates.len() * 4 < self.updates.capacity() {
            self.updates.shrink_to(self.updates.len() * 2);
        }
    }

    /// The listed updates from a seq on.
    pub(crate) fn updates_from(&self, seq: u64) -> impl Iterator<Item = u64> + '_ {
        let start = self.updates.partition_point(|&listed| listed < seq);
        self.updates.range(start..).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Index {
        /// How many topics, templates and other entries there are; none when nobody needs any.
        pub(crate) fn entries(&self) -> usize {
            self.topics.len()
                + self.sorted_topics.len()
                + self.templates.len()
                + self.templates_by_prefix.len()
                + self.retained_topics
                + self.retained_bytes
                // Without the node of `*`, which is always there.
                + (self.nodes.len() - 1)
        }

        /// How many subscribers the nodes list, each once for each node.
        pub(crate) fn listed_subscribers(&self) -> usize {
            self.nodes.iter().map(|(_, node)| node.subscribers.len()).sum()
        }
    }

    fn index(selectors: impl IntoIterator<Item = String>) -> Index {
        let mut index = Index::new();
        for (subscriber, selector) in selectors.into_iter().enumerate() {
            let key = index.enter(&Selector::new(selector));
            index.node_mut(key).unwrap().subscribers.push(subscriber);
        }
        index
    }

    fn update(topic: &Arc<str>) -> LoggedUpdate {
        let epoch = "abcdefgh".parse().unwrap();
        LoggedUpdate {
            position: crate::Position { epoch, seq: 1 },
            id: tidings_wire::EventId::default(),
            frame: bytes::Bytes::new(),
            logged_at: tokio::time::Instant::now(),
            topics: [Arc::clone(topic)].into(),
            private: false,
            has_own_id: false,
            idempotency: None,
        }
    }

    /// What a publish touches: templates that are compared with a new topic, nodes, and subscribers.
    fn touched(index: &mut Index, topic: &str) -> (usize, usize, usize) {
        let compared = index.templates_beginning(topic).count();
        let topics = index.intern(&[topic.to_owned()]);
        let (mut nodes, mut subscribers) = (0, 0);
        index.append(&update(&topics[0]), |reached| {
            nodes += 1;
            subscribers += reached.len();
        });
        (compared, nodes, subscribers)
    }

    #[test]
    fn a_publish_touches_the_same_nodes_however_many_subscribe_to_other_topics() {
        let ours = ["a/1", "a/{x}", "*"].map(str::to_owned);
        for others in [0, 10, 10_000] {
            let theirs = (0..others).flat_map(|n| [format!("b/{n}"), format!("b/{n}/{{x}}")]);
            let mut index = index(ours.iter().cloned().chain(theirs));
            assert_eq!(touched(&mut index, "a/1"), (1, 3, 3), "with {others} others");
            assert_eq!(touched(&mut index, "a/new"), (1, 3, 2), "with {others} others");
        }
    }

    #[test]
    fn a_new_template_looks_only_at_the_topics_that_begin_as_it_does() {
        let index = index((0..10_000).map(|n| format!("{n}/x")));
        assert_eq!(index.topics_beginning("123/").len(), 1);
        assert_eq!(index.topics_beginning("12").len(), 111);
    }

    proptest! {
        #[test]
        fn a_topic_finds_every_template_that_begins_as_it_does(
            topic in "[abéè]{0,8}",
            prefixes in prop::collection::btree_set("[abéè]{0,6}", 0..40),
        ) {
            let index = index(prefixes.iter().map(|prefix| format!("{prefix}{{x}}")));
            let mut found: Vec<_> = index
                .templates_beginning(&topic)
                .map(|key| match &index.node(key).unwrap().matcher {
                    Matcher::Template(selector) => prefix(selector).to_owned(),
                    other => panic!("{other:?} is no template"),
                })
                .collect();
            found.sort();
            let mut expected = prefixes;
            expected.retain(|prefix| topic.starts_with(prefix));
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
