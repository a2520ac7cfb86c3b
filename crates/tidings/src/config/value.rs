//! One setting's value before it is typed, from TOML or from text.

use std::fmt;

use toml::de::DeValue;

use super::{
    key::Kind,
    units::{parse_count, parse_size},
};

/// A value as it was written, known to be of its key's kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Switch(bool),
    Count(u64),
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// What a TOML file says, if it is of the kind.
    pub(super) fn from_toml(kind: Kind, value: &DeValue<'_>) -> Option<Self> {
        match (kind, value) {
            (Kind::Switch, DeValue::Boolean(on)) => Some(Self::Switch(*on)),
            (Kind::Count | Kind::Size, DeValue::Integer(number)) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().map(Self::Count)
            }
            (Kind::Size, DeValue::String(text)) => parse_size(text).map(Self::Count),
            (Kind::Text | Kind::Secret | Kind::Url | Kind::Store, DeValue::String(text)) => {
                Some(Self::Text(text.to_string()))
            }
            (Kind::List, DeValue::Array(items)) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Self::List),
            _ => None,
        }
    }

    /// What a variable or a flag says, if it can be read as the kind.
    pub(super) fn from_text(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Switch => match text {
                "true" | "1" => Some(Self::Switch(true)),
                "false" | "0" => Some(Self::Switch(false)),
                _ => None,
            },
            Kind::Count => parse_count(text).map(Self::Count),
            Kind::Size => parse_size(text).map(Self::Count),
            Kind::Text | Kind::Secret | Kind::Url | Kind::Store => {
                Some(Self::Text(text.to_owned()))
            }
            Kind::List => {
                let items = text.split([',', ' ', '\t', '\n']).filter(|item| !item.is_empty());
                Some(Self::List(items.map(str::to_owned).collect()))
            }
        }
    }

    /// How a value of the kind is written, for an error that asks for one.
    pub(super) fn expected(kind: Kind) -> &'static str {
        match kind {
            Kind::Switch => "true or false",
            Kind::Count => "a whole number",
            Kind::Size => "a size such as 65536 or \"64KiB\"",
            Kind::Text | Kind::Secret | Kind::Url | Kind::Store => "text in quotes",
            Kind::List => "a list of text in quotes",
        }
    }
}

/// As TOML writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{on}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) => write!(f, "{}", toml::Value::from(text.as_str())),
            Self::List(items) => write!(f, "{}", toml::Value::from(items.clone())),
        }
    }
}
