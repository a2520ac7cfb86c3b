//! Which retained updates and which subscribers a selector has.
//!
//! A *node* stands for one selector: a topic, a template or `*`. A topic's node lists its retained updates; every node lists
//! its subscribers. So a publish touches the nodes of its topics and of the templates that match them, a replay of
//! topics reads their lists, and neither scans the log or the subscribers.
//!
//! A template's node lists no updates: whoever subscribes could make the hub hold a list of the whole log for each of many
//! templates. It costs nothing to subscribe to one. Which templates match a topic is worked out when the topic is published
//! to, among those only that begin as it does, and kept with the topic.

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
/// A shard's key in the hub.
pub(crate) type ShardKey = usize;

/// What a topic costs beside its name, in bytes: its node, and its places in the maps (measured, as those of updates).
const TOPIC_BYTES: usize = 340;
/// How many matching templates a topic remembers. One with more is compared anew at each publish: it has as many
/// subscribers at least, beside whose deliveries the comparing is little, and memory stays bounded.
const REMEMBERED_TEMPLATES: usize = 64;

/// One selector's updates and subscribers.
#[derive(Debug)]
pub(crate) struct Node {
    matcher: Matcher,
    /// A topic's retained updates, ascending. Empty for the others.
    updates: VecDeque<u64>,
    /// Who subscribed to this selector, in no order, without those in shards.
    pub(crate) subscribers: Vec<SubscriberKey>,
    /// The shards that have subscribers to this selector, and how many each.
    pub(crate) shards: Vec<(ShardKey, usize)>,
}

#[derive(Debug)]
enum Matcher {
    /// `*`.
    All,
    /// A topic, and the templates that are known to match it.
    Topic { name: Arc<str>, known: Known },
    /// A template, and when it came.
    Template { selector: Selector, serial: u64 },
}

/// The templates that a topic was compared with.
#[derive(Debug, Default)]
struct Known {
    /// Those that match, or none when they are too many to remember.
    matching: Vec<(u64, NodeKey)>,
    /// All templates up to this serial have been compared.
    compared: u64,
}

/// All nodes, found by selector.
#[derive(Debug)]
pub(crate) struct Index {
    nodes: Slab<Node>,
    all: NodeKey,
    topics: HashMap<Arc<str>, NodeKey>,
    templates: HashMap<Arc<str>, NodeKey>,
    /// The templates by the text before their first expression, so that a topic is compared only with those that begin as
    /// it does; then by age, so that it is compared with each once.
    templates_by_prefix: BTreeMap<Box<str>, BTreeMap<u64, NodeKey>>,
    /// The serial of the newest template.
    newest_template: u64,
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
            templates: HashMap::new(),
            templates_by_prefix: BTreeMap::new(),
            newest_template: 0,
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

    /// A topic's node, if it has one.
    pub(crate) fn topic(&self, topic: &str) -> Option<NodeKey> {
        self.topics.get(topic).copied()
    }

    /// How many subscribers the selector has.
    pub(crate) fn subscribers(&self, selector: &Selector) -> usize {
        let key = match selector.kind() {
            Kind::All => Some(&self.all),
            Kind::Exact => self.topics.get(selector.as_str()),
            Kind::Template => self.templates.get(selector.as_str()),
        };
        key.and_then(|key| self.nodes.get(*key)).map_or(0, Node::count)
    }

    /// The shared names of an update's topics, which are distinct, and which from now on have nodes.
    pub(crate) fn intern(&mut self, topics: &[String]) -> Box<[Arc<str>]> {
        let mut names: Vec<Arc<str>> = Vec::with_capacity(topics.len());
        for topic in topics {
            let key = self.topic_node(topic);
            if let Some(Node { matcher: Matcher::Topic { name, .. }, .. }) = self.nodes.get(key) {
                names.push(Arc::clone(name));
            }
        }
        names.into_boxed_slice()
    }

    /// Lists a new update under its topics, and calls `reached` with each node that matches.
    pub(crate) fn append(
        &mut self,
        update: &LoggedUpdate,
        mut reached: impl FnMut(NodeKey, &Node),
    ) {
        let seq = update.position.seq;
        for topic in &update.topics {
            let Some(&key) = self.topics.get(topic) else { continue };
            let Some(node) = self.nodes.get_mut(key) else { continue };
            if node.updates.is_empty() {
                self.retained_topics += 1;
                self.retained_bytes += Self::weight(topic);
            }
            node.updates.push_back(seq);
            reached(key, node);
            self.each_template(key, topic, &mut reached);
        }
        if let Some(node) = self.nodes.get(self.all) {
            reached(self.all, node);
        }
    }

    /// Forgets an update that left the log, and the topics that had no other.
    pub(crate) fn evict(&mut self, update: &LoggedUpdate) {
        for topic in &update.topics {
            let Some(&key) = self.topics.get(topic) else { continue };
            if let Some(node) = self.nodes.get_mut(key) {
                node.forget_through(update.position.seq);
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

    /// Removes a node that has neither updates nor subscribers.
    pub(crate) fn drop_if_unused(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get(key) else { return };
        if node.count() > 0 || !node.updates.is_empty() {
            return;
        }
        match &node.matcher {
            Matcher::All => return,
            Matcher::Topic { name, .. } => {
                self.topics.remove(name);
            }
            Matcher::Template { selector, serial } => {
                self.templates.remove(selector.as_str());
                if let Some(alike) = self.templates_by_prefix.get_mut(prefix(selector)) {
                    alike.remove(serial);
                    if alike.is_empty() {
                        self.templates_by_prefix.remove(prefix(selector));
                    }
                }
            }
        }
        self.nodes.remove(key);
    }

    /// The node of `*`.
    pub(crate) fn all(&self) -> NodeKey {
        self.all
    }

    fn topic_node(&mut self, topic: &str) -> NodeKey {
        if let Some(&key) = self.topics.get(topic) {
            return key;
        }
        let name: Arc<str> = topic.into();
        let matcher = Matcher::Topic { name: Arc::clone(&name), known: Known::default() };
        let key = self.nodes.insert(Node::new(matcher));
        self.topics.insert(name, key);
        key
    }

    fn template_node(&mut self, selector: &Selector) -> NodeKey {
        if let Some(&key) = self.templates.get(selector.as_str()) {
            return key;
        }
        self.newest_template += 1;
        let serial = self.newest_template;
        let matcher = Matcher::Template { selector: selector.clone(), serial };
        let key = self.nodes.insert(Node::new(matcher));
        self.templates.insert(selector.as_str().into(), key);
        self.templates_by_prefix.entry(prefix(selector).into()).or_default().insert(serial, key);
        key
    }

    /// Calls `visit` with the node of each template that matches a topic.
    fn each_template(&mut self, key: NodeKey, topic: &str, visit: &mut impl FnMut(NodeKey, &Node)) {
        // Taken out, for other nodes are looked at meanwhile, and put back.
        let Some(known) = self.nodes.get_mut(key).and_then(Node::known) else { return };
        let Known { mut matching, mut compared } = std::mem::take(known);
        // Templates that went are told by their serial: another one may have their place.
        matching.retain(|&(serial, key)| self.serial(key) == Some(serial));
        if compared < self.newest_template {
            let newer = self.templates_beginning(topic, compared);
            matching.extend(newer.filter(|&(_, key)| self.matches(key, topic)));
            compared = self.newest_template;
        }
        for &(_, key) in &matching {
            if let Some(node) = self.nodes.get(key) {
                visit(key, node);
            }
        }
        if matching.len() > REMEMBERED_TEMPLATES {
            (matching, compared) = (Vec::new(), 0);
        }
        if let Some(known) = self.nodes.get_mut(key).and_then(Node::known) {
            *known = Known { matching, compared };
        }
    }

    /// The templates that are newer than a serial and whose prefix a topic begins with. Between two such prefixes lie only
    /// texts that go on otherwise than the topic does, so that each step goes back to the next shorter prefix that can
    /// be one.
    fn templates_beginning(
        &self,
        topic: &str,
        compared: u64,
    ) -> impl Iterator<Item = (u64, NodeKey)> {
        let mut shorter = Bound::Included(topic);
        std::iter::from_fn(move || {
            loop {
                let range = (Bound::Unbounded, shorter);
                let (prefix, alike) =
                    self.templates_by_prefix.range::<str, _>(range).next_back()?;
                let common = common_prefix(prefix, topic);
                if common.len() == prefix.len() {
                    shorter = Bound::Excluded(common);
                    return Some(alike.range((Bound::Excluded(compared), Bound::Unbounded)));
                }
                shorter = Bound::Included(common);
            }
        })
        .flatten()
        .map(|(&serial, &key)| (serial, key))
    }

    fn serial(&self, key: NodeKey) -> Option<u64> {
        match self.nodes.get(key)?.matcher {
            Matcher::Template { serial, .. } => Some(serial),
            Matcher::All | Matcher::Topic { .. } => None,
        }
    }

    fn matches(&self, template: NodeKey, topic: &str) -> bool {
        let Some(Node { matcher: Matcher::Template { selector, .. }, .. }) =
            self.nodes.get(template)
        else {
            return false;
        };
        selector.matches(topic)
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
        Self { matcher, updates: VecDeque::new(), subscribers: Vec::new(), shards: Vec::new() }
    }

    /// How many subscribers there are.
    fn count(&self) -> usize {
        self.subscribers.len() + self.shards.iter().map(|(_, count)| count).sum::<usize>()
    }

    /// Counts one more subscriber in a shard.
    pub(crate) fn enter_shard(&mut self, shard: ShardKey) {
        match self.shards.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, count)) => *count += 1,
            None => self.shards.push((shard, 1)),
        }
    }

    /// Counts one subscriber less in a shard.
    pub(crate) fn leave_shard(&mut self, shard: ShardKey) {
        let Some(at) = self.shards.iter().position(|(known, _)| *known == shard) else { return };
        if let Some((_, count)) = self.shards.get_mut(at) {
            *count -= 1;
            if *count == 0 {
                self.shards.swap_remove(at);
            }
        }
    }

    /// The templates that match, where the node is a topic's.
    fn known(&mut self) -> Option<&mut Known> {
        match &mut self.matcher {
            Matcher::Topic { known, .. } => Some(known),
            Matcher::All | Matcher::Template { .. } => None,
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
    pub(crate) fn updates_from(&self, seq: u64) -> impl DoubleEndedIterator<Item = u64> + '_ {
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
                + self.templates.len()
                + self.templates_by_prefix.len()
                + self.retained_topics
                + self.retained_bytes
                // Without the node of `*`, which is always there.
                + (self.nodes.len() - 1)
        }

        /// How many subscribers the nodes list or count for shards, each once for each node.
        pub(crate) fn listed_subscribers(&self) -> usize {
            self.nodes.iter().map(|(_, node)| node.count()).sum()
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
            own_id: None,
            idempotency: None,
        }
    }

    /// What a publish touches: templates that are compared with a new topic, nodes, and subscribers.
    fn touched(index: &mut Index, topic: &str) -> (usize, usize, usize) {
        let compared = index.templates_beginning(topic, 0).count();
        let topics = index.intern(&[topic.to_owned()]);
        let (mut nodes, mut subscribers) = (0, 0);
        index.append(&update(&topics[0]), |_, reached| {
            nodes += 1;
            subscribers += reached.subscribers.len();
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
    fn a_template_costs_the_same_to_subscribe_to_whatever_it_matches() {
        // A template without a prefix used to be compared with every topic under the lock, and a list of the whole log was
        // kept for it: one request with 900 of them stopped the hub for half a minute.
        let mut index = Index::new();
        let topics: Vec<_> = (0..1_000).map(|n| format!("{n}")).collect();
        for topic in &index.intern(&topics) {
            index.append(&update(topic), |_, _| {});
        }
        for n in 0..1_000 {
            let key = index.enter(&Selector::new(format!("{{a{n}}}")));
            index.node_mut(key).unwrap().subscribers.push(n);
        }
        let listed: usize = index.nodes.iter().map(|(_, node)| node.updates.len()).sum();
        assert_eq!(listed, topics.len(), "only topics list updates");
        let remembered = |index: &Index| -> usize {
            let known = |node: &Node| match &node.matcher {
                Matcher::Topic { known, .. } => known.matching.len(),
                _ => 0,
            };
            index.nodes.iter().map(|(_, node)| known(node)).sum()
        };
        assert_eq!(remembered(&index), 0, "nothing was compared yet");
        assert_eq!(touched(&mut index, "7"), (1_000, 1_002, 1_000));
        assert_eq!(remembered(&index), 0, "too many to remember");
        assert_eq!(touched(&mut index, "7"), (1_000, 1_002, 1_000), "and found again");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_topic_finds_every_template_that_begins_as_it_does(
            topic in "[abéè]{0,8}",
            prefixes in prop::collection::btree_set("[abéè]{0,6}", 0..40),
        ) {
            let index = index(prefixes.iter().map(|prefix| format!("{prefix}{{x}}")));
            let mut found: Vec<_> = index
                .templates_beginning(&topic, 0)
                .map(|(_, key)| match &index.node(key).unwrap().matcher {
                    Matcher::Template { selector, .. } => prefix(selector).to_owned(),
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
