//! How a hub reaches its NATS servers, and what stream it wants there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Retention;

/// How to reach NATS, and which stream holds the log.
#[derive(Clone)]
pub struct NatsConfig {
    /// One or more servers of one cluster: `nats://host:port`, or `tls://host:port` for TLS, separated by commas. A user and
    /// a password in one of them (`nats://user:password@host`), or a token in the place of the user, count for all.
    pub url: String,
    /// What to log in with instead: a `.creds` file, an nkey's seed, `user:password`, or a token. It is read again whenever the
    /// connection is made again.
    pub credentials_file: Option<PathBuf>,
    /// PEM certificates of the authorities that the servers' certificates are checked with, in place of the system's. With
    /// one, the connection is always TLS.
    pub ca_file: Option<PathBuf>,
    /// The name of the stream, and what all subjects begin with: letters, digits, `-` and `_`. Hubs with the same name on the
    /// same account share the log. `tidings` unless said otherwise.
    pub name: String,
    /// On how many servers of a cluster each update is kept: 1 unless said otherwise; 3 survives the loss of any one.
    pub replicas: usize,
    /// Where the servers keep the updates: on disk unless said otherwise.
    pub storage: Storage,
    /// How much the stream retains.
    pub retention: Retention,
    /// For how long an idempotency key is known, 2 minutes unless said otherwise; never longer than the retention's age. The
    /// servers hold the keys of that time in memory.
    pub keys_for: Duration,
    /// For how long an append waits for the servers' answer, 5 seconds unless said otherwise.
    pub ack_timeout: Duration,
    /// For how long the first connection is tried, 30 seconds unless said otherwise.
    pub connect_within: Duration,
}

/// Where the servers keep the updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk: they survive a restart.
    #[default]
    File,
    /// In memory: they are lost when the server, or more than half of the replicas, are stopped.
    Memory,
}

impl Storage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

impl NatsConfig {
    /// The usual settings.
    pub fn new(url: impl Into<String>, retention: Retention) -> Self {
        Self {
            url: url.into(),
            credentials_file: None,
            ca_file: None,
            name: "tidings".into(),
            replicas: 1,
            storage: Storage::File,
            retention,
            keys_for: Duration::from_mins(2),
            ack_timeout: Duration::from_secs(5),
            connect_within: Duration::from_secs(30),
        }
    }
}

/// The address without its password: whoever prints the settings does not print that.
impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("url", &without_secrets(&self.url))
            .field("credentials_file", &self.credentials_file)
            .field("ca_file", &self.ca_file)
            .field("name", &self.name)
            .field("replicas", &self.replicas)
            .field("storage", &self.storage)
            .field("retention", &self.retention)
            .field("keys_for", &self.keys_for)
            .field("ack_timeout", &self.ack_timeout)
            .field("connect_within", &self.connect_within)
            .finish()
    }
}

/// A list of addresses as it may be shown: without users, passwords and tokens.
pub(super) fn without_secrets(urls: &str) -> String {
    // What stands before an `@` is left out even where the rest is no address.
    let shown = urls.split(',').map(|url| {
        let url = url.trim();
        let (scheme, rest) =
            url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
    });
    shown.collect::<Vec<_>>().join(",")
}

/// Why a hub has no log on NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The settings cannot be used.
    Config(String),
    /// The servers answer, but do not give what is asked for: the login is refused, JetStream is off, the stream is another
    /// program's. To try again helps only once that is mended.
    Refused(String),
    /// The servers were not reached in time.
    Away(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) | Self::Refused(why) | Self::Away(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_logs_in() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://u:p@h:1,tls://token@g", "nats://h:1,tls://g"),
            ("u:p@h", "h"),
            ("nats://u:p@ss@h", "nats://h"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
        let none = Retention { max_updates: None, max_bytes: None, max_age: None };
        assert!(!format!("{:?}", NatsConfig::new("nats://u:secret@h", none)).contains("secret"));
    }
}
