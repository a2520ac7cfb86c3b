//! The names a setting may have: the one table that the file, the environment and the flags are
//! checked against.

/// What a setting's text in the environment or on the command line is read as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count,
    /// A size: a whole number of bytes, or text with a unit.
    Size,
    /// Text: addresses, durations, names.
    Text,
    /// Text that is never shown.
    Secret,
    /// A URL, shown without its password.
    Url,
    /// `disk`, `memory`, or URLs separated by commas, shown without their passwords.
    Store,
    /// A list of text, separated by commas or white space.
    List,
}

/// One setting's name and kind.
#[derive(Debug)]
pub(super) struct Key {
    /// The name as written after `--set`: `section.name`, or `name` for those without section.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// Every setting, in the order of the default file.
pub(super) const KEYS: [Key; 49] = [
    key("listen", Kind::Text),
    key("admin_listen", Kind::Text),
    key("dev", Kind::Switch),
    key("log.store", Kind::Store),
    key("log.data", Kind::Text),
    key("log.durability", Kind::Text),
    key("log.memory", Kind::Size),
    key("log.max_updates", Kind::Count),
    key("log.max_bytes", Kind::Size),
    key("log.max_age", Kind::Text),
    key("log.name", Kind::Text),
    key("log.credentials_file", Kind::Text),
    key("log.ca_file", Kind::Text),
    key("log.wait_replicas", Kind::Count),
    key("log.replicas", Kind::Count),
    key("auth.publisher_key", Kind::Secret),
    key("auth.publisher_alg", Kind::Text),
    key("auth.publisher_jwks_url", Kind::Url),
    key("auth.subscriber_key", Kind::Secret),
    key("auth.subscriber_alg", Kind::Text),
    key("auth.subscriber_jwks_url", Kind::Url),
    key("auth.anonymous", Kind::Switch),
    key("auth.cookie_name", Kind::Text),
    key("auth.publish_origins", Kind::List),
    key("auth.authorize_url", Kind::Url),
    key("auth.authorize_cache", Kind::Text),
    key("auth.authorize_timeout", Kind::Text),
    key("cors.origins", Kind::List),
    key("stream.keep_alive", Kind::Text),
    key("stream.retry", Kind::Text),
    key("stream.max_age", Kind::Text),
    key("stream.peer_timeout", Kind::Text),
    key("stream.lane", Kind::Text),
    key("limits.streams", Kind::Count),
    key("limits.per_user", Kind::Count),
    key("limits.per_address", Kind::Count),
    key("limits.per_topic", Kind::Count),
    key("limits.selectors", Kind::Count),
    key("limits.topics_per_update", Kind::Count),
    key("limits.update_bytes", Kind::Size),
    key("limits.request_bytes", Kind::Size),
    key("limits.header_bytes", Kind::Size),
    key("limits.connections", Kind::Count),
    key("proxies.trusted", Kind::List),
    key("drain.time", Kind::Text),
    key("mercure.subscriptions", Kind::Switch),
    key("dashboard.enabled", Kind::Switch),
    key("telemetry.log", Kind::Text),
    key("telemetry.log_format", Kind::Text),
];

/// Variables with the hub's prefix that belong to the command line, not to the configuration.
pub(super) const COMMAND_VARIABLES: [&str; 4] =
    ["TIDINGS_CONFIG", "TIDINGS_KEY", "TIDINGS_TOKEN", "TIDINGS_URL"];

/// What every variable of the hub starts with.
pub(super) const PREFIX: &str = "TIDINGS_";

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

impl Key {
    /// The setting called `name`.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The setting whose variable is called `variable`.
    pub(super) fn of_variable(variable: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.variable() == variable)
    }

    /// The setting's environment variable.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The section the setting is in, and its name there.
    pub(super) fn section_and_name(&self) -> (Option<&'static str>, &'static str) {
        match self.name.split_once('.') {
            Some((section, name)) => (Some(section), name),
            None => (None, self.name),
        }
    }
}

/// Whether `name` is a section of the file.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section_and_name().0 == Some(name))
}

/// The setting a reader most likely meant by `name`, if one is near.
pub(super) fn nearest_key(name: &str) -> Option<&'static str> {
    let names = KEYS.iter().map(|key| key.name);
    let sections = KEYS.iter().filter_map(|key| key.section_and_name().0);
    // A right name in the wrong section is nearer than any misspelling.
    let last = name.rsplit('.').next()?;
    let misplaced = || KEYS.iter().find(|key| key.section_and_name().1 == last).map(|key| key.name);
    let near = if name.contains('.') {
        nearest(name, names)
    } else {
        nearest(name, names.chain(sections))
    };
    near.or_else(misplaced)
}

/// The one of `known` that differs least from `name`, when it differs by a third of its letters or
/// less.
pub(super) fn nearest<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let (distance, best) = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate.as_ref()), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= name.chars().count().max(best.as_ref().chars().count())).then_some(best)
}
