//! Which retained updates and which subscribers a selector has.
//!
//! A *node* stands for one selector: a topic, a template or `*`. It lists the retained updates that match and the
//! subscribers that asked. So a publish touches the nodes of its topics, a replay reads the nodes of its selectors, and
//! neither scans the log or the subscribers. Which templates match a topic is worked out once and kept with the topic.

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
    /// A topic, and the templates that are known to match it.
    Topic { name: Arc<str>, templates: Vec<TemplateRef>, tested: u64 },
    /// A template.
    Template { selector: Selector, serial: u64 },
}

/// A template as a topic remembers it. The serial shows whether the node still is that template.
#[derive(Clone, Copy, Debug)]
struct TemplateRef {
    node: NodeKey,
    serial: u64,
}

/// All nodes, found by selector.
#[derive(Debug)]
pub(crate) struct Index {
    nodes: Slab<Node>,
    all: NodeKey,
    topics: HashMap<Arc<str>, NodeKey>,
    templates: HashMap<Arc<str>, NodeKey>,
    /// The templates by age, so that a topic tests only those that are newer than its last test.
    by_serial: BTreeMap<u64, NodeKey>,
    next_serial: u64,
    /// How many topics have a retained update.
    retained_topics: usize,
}

impl Index {
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        let all = nodes.insert(Node {
            matcher: Matcher::All,
            updates: VecDeque::new(),
            subscribers: Vec::new(),
        });
        Self {
            nodes,
            all,
            topics: HashMap::new(),
            templates: HashMap::new(),
            by_serial: BTreeMap::new(),
            next_serial: 1,
            retained_topics: 0,
        }
    }

    /// How many topics have a retained update.
    pub(crate) fn retained_topics(&self) -> usize {
        self.retained_topics
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
            self.test_new_templates(key);
            let templates = self.templates_of(key);
            let Some(node) = self.nodes.get_mut(key) else { continue };
            self.retained_topics += usize::from(node.updates.is_empty());
            node.list(seq);
            reached(&node.subscribers);
            for template in &templates {
                if let Some(node) = self.nodes.get_mut(template.node) {
                    node.list(seq);
                    reached(&node.subscribers);
                }
            }
            self.keep_templates(key, templates);
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
            self.test_new_templates(key);
            let templates = self.templates_of(key);
            for template in &templates {
                if let Some(node) = self.nodes.get_mut(template.node) {
                    node.forget_through(seq);
                }
            }
            self.keep_templates(key, templates);
            if let Some(node) = self.nodes.get_mut(key) {
                node.forget_through(seq);
                self.retained_topics -= usize::from(node.updates.is_empty());
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
            }
            Matcher::Template { selector, serial } => {
                self.by_serial.remove(serial);
                self.templates.remove(selector.as_str());
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
        let matcher = Matcher::Topic { name: Arc::clone(&name), templates: Vec::new(), tested: 0 };
        let key =
            self.nodes.insert(Node { matcher, updates: VecDeque::new(), subscribers: Vec::new() });
        self.topics.insert(name, key);
        key
    }

    fn template_node(&mut self, selector: &Selector) -> NodeKey {
        if let Some(&key) = self.templates.get(selector.as_str()) {
            return key;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let updates = self.updates_matching(selector);
        let matcher = Matcher::Template { selector: selector.clone(), serial };
        let key = self.nodes.insert(Node { matcher, updates, subscribers: Vec::new() });
        self.templates.insert(selector.as_str().into(), key);
        self.by_serial.insert(serial, key);
        key
    }

    /// The retained updates of all topics that a template matches: once for each template that comes new.
    fn updates_matching(&self, selector: &Selector) -> VecDeque<u64> {
        let mut seqs: Vec<u64> = self
            .topics
            .iter()
            .filter(|(topic, _)| selector.matches(topic))
            .filter_map(|(_, key)| self.nodes.get(*key))
            .flat_map(|node| node.updates.iter().copied())
            .collect();
        seqs.sort_unstable();
        seqs.dedup();
        seqs.into()
    }

    fn test_new_templates(&mut self, key: NodeKey) {
        let Some(Node { matcher: Matcher::Topic { name, templates, tested }, .. }) =
            self.nodes.get_mut(key)
        else {
            return;
        };
        if *tested + 1 == self.next_serial {
            return;
        }
        let (name, known) = (Arc::clone(name), *tested);
        *tested = self.next_serial - 1;
        let mut matching = std::mem::take(templates);
        for (&serial, &node) in self.by_serial.range((Bound::Excluded(known), Bound::Unbounded)) {
            if let Some(Node { matcher: Matcher::Template { selector, .. }, .. }) =
                self.nodes.get(node)
                && selector.matches(&name)
            {
                matching.push(TemplateRef { node, serial });
            }
        }
        self.keep_templates(key, matching);
    }

    /// Takes out a topic's templates, less those that are gone; `keep_templates` puts them back.
    fn templates_of(&mut self, key: NodeKey) -> Vec<TemplateRef> {
        let Some(Node { matcher: Matcher::Topic { templates, .. }, .. }) = self.nodes.get_mut(key)
        else {
            return Vec::new();
        };
        let mut templates = std::mem::take(templates);
        templates.retain(|template| self.by_serial.contains_key(&template.serial));
        templates
    }

    fn keep_templates(&mut self, key: NodeKey, kept: Vec<TemplateRef>) {
        if let Some(Node { matcher: Matcher::Topic { templates, .. }, .. }) =
            self.nodes.get_mut(key)
        {
            *templates = kept;
        }
    }
}

impl Node {
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
