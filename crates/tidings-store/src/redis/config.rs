//! What an operator says about a log on Redis, and what may be wrong with it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tidings_hub::Unavailable;

use crate::Retention;

/// Where a log on Redis is, and how it is used.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`; `rediss://` for TLS, `valkey://` and `valkeys://` mean the
    /// same. The port is 6379 and the database 0 unless said.
    pub url: String,
    /// A file with `user:password`, or with a password alone, in its first line. It comes before what the URL says, and
    /// is read anew for every connection, so that a password can be changed. None by default.
    pub credentials_file: Option<PathBuf>,
    /// A PEM file with the authorities that the server's certificate is checked by, with `rediss://`. By default those
    /// of the system.
    pub ca_file: Option<PathBuf>,
    /// What the log is called: hubs with the same name on the same database share it. `tidings` by default.
    pub name: String,
    /// How much the log retains. Hubs that share it should say the same; the smallest counts.
    pub retention: Retention,
    /// How long the server may take to answer, and a connection to be made. 5 seconds by default.
    pub timeout: Duration,
    /// For how long [`RedisLog::connect`](super::RedisLog::connect) tries while the server is away. 10 seconds by
    /// default.
    pub patience: Duration,
    /// How many replicas must have an update before it is acknowledged. 0 by default: the server alone. Fewer than that
    /// within the timeout: the append fails, and the update may be in the log all the same.
    pub wait_replicas: u32,
}

impl RedisConfig {
    /// With the defaults for everything but the URL; the log retains everything.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials_file: None,
            ca_file: None,
            name: "tidings".to_owned(),
            retention: Retention { max_updates: None, max_bytes: None, max_age: None },
            timeout: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            wait_replicas: 0,
        }
    }
}

/// Without the URL: there may be a password in it.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("name", &self.name)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection to a log on Redis.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL, the name or the credentials cannot be used; what is wrong with them.
    Config(String),
    /// A file cannot be read.
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The server cannot be reached, or does not take us.
    Server(Unavailable),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::File { path, .. } => write!(f, "the file {} cannot be read", path.display()),
            Self::Server(why) => fmt::Display::fmt(why, f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Config(_) | Self::Server(_) => None,
        }
    }
}
