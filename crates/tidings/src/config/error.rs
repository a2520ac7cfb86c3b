//! Why a configuration cannot be used: what is wrong, where it was said, and what to write instead.

use std::{error::Error, fmt, io, net::SocketAddr, path::PathBuf};

use super::layers::Origin;

/// Why no configuration could be made.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file could not be read.
    ReadFile { path: PathBuf, source: io::Error },
    /// The file is not TOML. The offending line itself is not kept: it may hold a key.
    Syntax { origin: Origin, message: String },
    /// No setting has this name.
    UnknownKey { name: String, origin: Origin, nearest: Option<String> },
    /// No setting has this variable.
    UnknownVariable { name: String, nearest: Option<String> },
    /// The value is not what the setting takes. `found` is absent where it may be a secret.
    WrongValue { name: &'static str, origin: Origin, expected: &'static str, found: Option<String> },
    /// A variable of the hub is not UTF-8.
    NotUtf8 { variable: String },
    /// The Mercure image's extra directives hold one that no Mercure hub has.
    UnknownDirective { name: String, line: usize, nearest: Option<&'static str> },
    /// A directive is not followed by what it takes.
    WrongDirective { name: &'static str, line: usize, expected: &'static str },
    /// A quote or a block in the extra directives has no end.
    UnclosedDirective { line: usize },
    /// A setting without default was never set: the embedded defaults are incomplete.
    Missing { name: &'static str },
    /// Nothing says who may publish.
    NoPublisherKey,
    /// Nothing says who may subscribe.
    NoSubscriberKey,
    /// Development mode was asked for on an address that others can reach.
    DevNotLoopback { name: &'static str, address: SocketAddr },
    /// Two settings contradict each other.
    Conflict { name: &'static str, other: &'static str, rule: &'static str },
    /// A relay that all its subscribers share, on a log that several hubs share.
    RelayOnSharedLog { path: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadFile { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Syntax { origin, message } => write!(f, "{origin}: {message}"),
            Self::UnknownKey { name, origin, nearest } => {
                write!(f, "{origin}: unknown setting `{name}`")?;
                suggest(f, nearest.as_deref())
            }
            Self::UnknownVariable { name, nearest } => {
                write!(f, "{name} is no setting's variable")?;
                suggest(f, nearest.as_deref())
            }
            Self::WrongValue { name, origin, expected, found } => {
                write!(f, "{origin}: `{name}` must be {expected}")?;
                found.as_ref().map_or(Ok(()), |found| write!(f, ", not {found}"))
            }
            Self::NotUtf8 { variable } => write!(f, "{variable} is not valid UTF-8"),
            Self::UnknownDirective { name, line, nearest } => {
                write!(f, "MERCURE_EXTRA_DIRECTIVES line {line}: unknown directive `{name}`")?;
                suggest(f, *nearest)
            }
            Self::WrongDirective { name, line, expected } => {
                write!(f, "MERCURE_EXTRA_DIRECTIVES line {line}: `{name}` must be followed by {expected}")
            }
            Self::UnclosedDirective { line } => {
                write!(f, "MERCURE_EXTRA_DIRECTIVES line {line}: a quote or a block is not closed")
            }
            Self::Missing { name } => write!(f, "`{name}` has no value"),
            Self::NoPublisherKey => f.write_str(
                "nothing says who may publish: set TIDINGS_AUTH_PUBLISHER_KEY (or auth.publisher_key or \
                 auth.publisher_jwks_url, or auth.authorize_url), or run with --dev on your own machine",
            ),
            Self::NoSubscriberKey => f.write_str(
                "nothing says who may subscribe: set TIDINGS_AUTH_SUBSCRIBER_KEY (or auth.subscriber_key or \
                 auth.subscriber_jwks_url, or auth.authorize_url), or TIDINGS_AUTH_ANONYMOUS=true to let everyone read what is public; a hub that only relays may have \
                 access = \"anyone\" at each relay",
            ),
            Self::DevNotLoopback { name, address } => write!(
                f,
                "--dev lets anyone publish, so it only listens on loopback: `{name}` is {address}; use \
                 127.0.0.1, or set keys and leave --dev out"
            ),
            Self::Conflict { name, other, rule } => write!(f, "`{name}` {rule} `{other}`"),
            Self::RelayOnSharedLog { path } => write!(
                f,
                "the relay at {path} cannot put its events into a log that several hubs share, because each of them \
                 would: relay with a hub whose `log.store` is disk or memory, or set `mode = \"per-client\"`"
            ),
        }
    }
}

fn suggest(f: &mut fmt::Formatter<'_>, nearest: Option<&str>) -> fmt::Result {
    nearest.map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ReadFile { source, .. } => Some(source),
            _ => None,
        }
    }
}
