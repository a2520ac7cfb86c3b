//! The `[[relay]]` tables: each is one relay, with settings of its own.

use std::collections::BTreeMap;

use http::header::{HeaderName, HeaderValue};
use tidings_server::{RelayAccess, RelayConfig, RelayMode};
use toml::de::{DeTable, DeValue};

use super::{
    error::ConfigError,
    key::{Key, Kind, nearest},
    layers::{Layers, Origin, Setting},
    resolve::Reader,
    settings::{Relay, RelayHeader},
    value::Value,
};

/// The tables' name in the file.
pub(super) const TABLE: &str = "relay";
/// The setting that is a table itself: names of headers and their values.
const HEADERS: &str = "relay.headers";
/// What a header's value is.
const HEADER_VALUE: &str = "text, or { env = \"NAME\" } for what that variable holds";

/// Every setting of a relay but its headers.
pub(super) const KEYS: [Key; 13] = [
    key("relay.url", Kind::Url),
    key("relay.path", Kind::Text),
    key("relay.mode", Kind::Text),
    key("relay.access", Kind::Text),
    key("relay.query", Kind::Switch),
    key("relay.snapshot", Kind::Count),
    key("relay.snapshot_replay", Kind::Switch),
    key("relay.linger", Kind::Text),
    key("relay.connect_timeout", Kind::Text),
    key("relay.answer_timeout", Kind::Text),
    key("relay.event_bytes", Kind::Size),
    key("relay.upstreams", Kind::Count),
    key("relay.certificates", Kind::Text),
];

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// One relay as written.
#[derive(Clone, Debug)]
pub(crate) struct RelayTable {
    pub(super) origin: Origin,
    settings: BTreeMap<&'static str, Setting>,
    pub(super) headers: Vec<WrittenHeader>,
}

/// One header as written.
#[derive(Clone, Debug)]
pub(super) struct WrittenHeader {
    pub(super) name: String,
    pub(super) value: RelayHeader,
    origin: Origin,
}

impl RelayTable {
    /// A relay without settings.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, settings: BTreeMap::new(), headers: Vec::new() }
    }

    /// Reads a table of the file; `at` tells where an offset in the file is.
    pub(super) fn read(
        table: &DeTable<'_>,
        origin: Origin,
        at: impl Fn(usize) -> Origin,
    ) -> Result<Self, ConfigError> {
        let mut read = Self::new(origin);
        for (name, value) in table {
            let origin = at(name.span().start);
            let full_name = format!("{TABLE}.{}", name.get_ref());
            if full_name == HEADERS {
                let DeValue::Table(headers) = value.get_ref() else {
                    return Err(wrong(HEADERS, origin, "a table of names and values"));
                };
                for (name, value) in headers {
                    let origin = at(name.span().start);
                    let value = header(value.get_ref())
                        .ok_or_else(|| wrong(HEADERS, origin.clone(), HEADER_VALUE))?;
                    read.headers.push(WrittenHeader {
                        name: name.get_ref().to_string(),
                        value,
                        origin,
                    });
                }
                continue;
            }
            let key = named(&full_name).ok_or_else(|| unknown(full_name, origin.clone()))?;
            let value = Value::from_toml(key.kind, value.get_ref())
                .ok_or_else(|| wrong(key.name, origin.clone(), Value::expected(key.kind)))?;
            read.settings.insert(key.name, Setting { value, origin });
        }
        Ok(read)
    }

    /// Adds a setting that a flag gives.
    ///
    /// # Errors
    /// When the text is not of the setting's kind.
    pub(crate) fn set(
        &mut self,
        name: &'static str,
        text: &str,
        flag: &'static str,
    ) -> Result<(), ConfigError> {
        let Some(key) = named(name) else { return Err(ConfigError::Missing { name }) };
        let origin = Origin::Flag(flag);
        let value = Value::from_text(key.kind, text)
            .ok_or_else(|| wrong(key.name, origin.clone(), Value::expected(key.kind)))?;
        self.settings.insert(key.name, Setting { value, origin });
        Ok(())
    }

    /// Adds a header that a flag gives, as `Name: value`.
    ///
    /// # Errors
    /// When it has no colon.
    pub(crate) fn add_header(&mut self, text: &str, flag: &'static str) -> Result<(), ConfigError> {
        let origin = Origin::Flag(flag);
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| wrong(HEADERS, origin.clone(), "a header, such as 'Name: value'"))?;
        let (name, value) = (name.trim().to_owned(), RelayHeader::Text(value.trim().to_owned()));
        self.headers.push(WrittenHeader { name, value, origin });
        Ok(())
    }

    pub(super) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// The relay, typed. What is not said is as by default; `event_bytes` is that for its events.
    pub(super) fn resolve(
        &self,
        layers: &Layers,
        event_bytes: usize,
    ) -> Result<Relay, ConfigError> {
        let read = Reader::of_relay(layers, self);
        if self.setting("relay.url").is_none() {
            return Err(wrong("relay.url", self.origin.clone(), "set: what is to be relayed"));
        }
        let mut config = RelayConfig::new(read.text("relay.url")?);
        config.event_bytes = event_bytes;
        let has = |name| self.setting(name).is_some();
        if has("relay.path") {
            read.text("relay.path")?.clone_into(&mut config.path);
        }
        if has("relay.mode") {
            config.mode = match read.text("relay.mode")? {
                "shared" => RelayMode::Shared,
                "per-client" => RelayMode::PerClient,
                _ => return Err(read.wrong("relay.mode", "\"shared\" or \"per-client\"")),
            };
        }
        // Who a per-client stream is for the upstream decides, which gets the client's credentials.
        if config.mode == RelayMode::PerClient {
            config.access = RelayAccess::Anyone;
        }
        if has("relay.access") {
            config.access = match read.text("relay.access")? {
                "anyone" => RelayAccess::Anyone,
                "subscribers" => RelayAccess::Subscribers,
                "granted" => RelayAccess::Granted,
                _ => {
                    let expected = "\"anyone\", \"subscribers\" or \"granted\"";
                    return Err(read.wrong("relay.access", expected));
                }
            };
        }
        if has("relay.query") {
            config.query = read.switch("relay.query")?;
        }
        if has("relay.snapshot") {
            config.snapshot = read.limit("relay.snapshot")?.map_or(0, usize::from);
        }
        if has("relay.snapshot_replay") {
            config.snapshot_replay = read.switch("relay.snapshot_replay")?;
        }
        for (name, time) in [
            ("relay.linger", &mut config.linger),
            ("relay.connect_timeout", &mut config.connect_timeout),
            ("relay.answer_timeout", &mut config.answer_timeout),
        ] {
            if has(name) {
                *time = read.duration(name)?;
            }
        }
        if has("relay.event_bytes") {
            config.event_bytes = read.at_least_one("relay.event_bytes")?.get();
        }
        if has("relay.upstreams") {
            config.upstreams = read.at_least_one("relay.upstreams")?.get();
        }
        let certificates = has("relay.certificates").then(|| read.text("relay.certificates"));
        Ok(Relay {
            certificates: certificates.transpose()?.map(Into::into),
            headers: self.headers.iter().map(typed).collect::<Result<_, _>>()?,
            config,
        })
    }
}

/// A header whose name and value are ones.
fn typed(header: &WrittenHeader) -> Result<(HeaderName, RelayHeader), ConfigError> {
    let WrittenHeader { name, value, origin } = header;
    let not = |expected| wrong(HEADERS, origin.clone(), expected);
    let name = name.parse().map_err(|_| not("headers with names of letters, digits and -"))?;
    if let RelayHeader::Text(text) = value
        && HeaderValue::from_str(text).is_err()
    {
        return Err(not("headers with values of one line of ASCII text"));
    }
    Ok((name, value.clone()))
}

fn header(value: &DeValue<'_>) -> Option<RelayHeader> {
    match value {
        DeValue::String(text) => Some(RelayHeader::Text(text.to_string())),
        DeValue::Table(table) if table.len() == 1 => {
            let name = table.get("env")?.get_ref().as_str()?;
            Some(RelayHeader::Variable(name.to_owned()))
        }
        _ => None,
    }
}

pub(super) fn named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn unknown(name: String, origin: Origin) -> ConfigError {
    let names = KEYS.iter().map(|key| key.name).chain([HEADERS]);
    let nearest = nearest(&name, names).map(str::to_owned);
    ConfigError::UnknownKey { name, origin, nearest }
}

fn wrong(name: &'static str, origin: Origin, expected: &'static str) -> ConfigError {
    ConfigError::WrongValue { name, origin, expected, found: None }
}
