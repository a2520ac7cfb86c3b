//! Connections to a Redis server: where it is, who we are, and how TLS is checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, TlsCertificates, Value,
};
use tokio::sync::mpsc;

use super::config::{ConnectError, RedisConfig};
use super::fault::{Done, Fault};

/// No file of credentials and no list of authorities is larger, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Where a server is and how to connect to it.
#[derive(Debug)]
pub(super) struct Engine {
    info: ConnectionInfo,
    credentials_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    place: Arc<str>,
}

impl Engine {
    /// Checks what the configuration says. Nothing is connected yet.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        let wrong = |what: &str| {
            ConnectError::Config(format!("the URL of the Redis server is not right: {what}"))
        };
        let url = redis::parse_redis_url(&config.url).ok_or_else(|| {
            wrong("expected redis://[user:password@]host[:port][/database], or rediss://")
        })?;
        // The parser's own words could repeat a part of the URL, and so a password.
        let info = url
            .into_connection_info()
            .map_err(|_| wrong("its host, port, database or credentials cannot be read"))?;
        let (scheme, host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => ("redis", host, port),
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(wrong(
                    "#insecure would take any certificate: name its authority in a CA file",
                ));
            }
            ConnectionAddr::TcpTls { host, port, .. } => ("rediss", host, port),
            _ => return Err(wrong("expected redis:// or rediss://")),
        };
        if config.ca_file.is_some() && scheme == "redis" {
            return Err(wrong("there is a CA file, but redis:// does not use TLS: use rediss://"));
        }
        let place = format!("{scheme}://{host}:{port}/{}", info.redis_settings().db()).into();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Self {
            info: info.set_redis_settings(settings),
            credentials_file: config.credentials_file.clone(),
            ca_file: config.ca_file.clone(),
            timeout: config.timeout,
            place,
        })
    }

    /// Where it is, without secrets.
    pub(super) fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// How long an answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes a connection. An answer on it may take the timeout and `more`. Messages of the channel that it listens to
    /// go to `pushed` as far as there is room for them; when the connection ends, that is closed.
    pub(super) async fn open(
        &self,
        more: Duration,
        pushed: mpsc::Sender<Vec<u8>>,
    ) -> Result<MultiplexedConnection, OpenError> {
        let client = self.client().map_err(OpenError::Config)?;
        let push = move |info: PushInfo| match (info.kind, info.data.into_iter().nth(1)) {
            (PushKind::Message, Some(Value::BulkString(message))) => {
                pushed.try_send(message).map_err(drop)
            }
            _ => Ok(()),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout.saturating_add(more)))
            .set_push_sender(push);
        let made = client.get_multiplexed_async_connection_with_config(&config).await;
        made.map_err(|error| OpenError::Fault(self.fault("connect", &error)))
    }

    /// What an error means.
    pub(super) fn fault(&self, doing: &str, error: &redis::RedisError) -> Fault {
        Fault::new(&self.place, doing, error)
    }

    fn client(&self) -> Result<Client, ConnectError> {
        let mut info = self.info.clone();
        if let Some(path) = &self.credentials_file {
            let text = String::from_utf8(read(path)?).unwrap_or_default();
            let line = text.lines().next().unwrap_or_default().trim();
            if line.is_empty() {
                let what = format!(
                    "the credentials file {} has no password in its first line",
                    path.display()
                );
                return Err(ConnectError::Config(what));
            }
            let (user, password) = line.split_once(':').unwrap_or(("", line));
            let mut settings = info.redis_settings().clone().set_password(password);
            if !user.is_empty() {
                settings = settings.set_username(user);
            }
            info = info.set_redis_settings(settings);
        }
        let refused =
            |error: redis::RedisError| ConnectError::Server(self.fault("connect", &error).why);
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(refused);
        }
        // Without this a program with two kinds of cryptography built in would have to choose, or panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        let root_cert = self.ca_file.as_deref().map(read).transpose()?;
        Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
            .map_err(refused)
    }
}

/// Why a connection was not made.
pub(super) enum OpenError {
    /// By what the operator said.
    Config(ConnectError),
    /// By the server, or by what is in between.
    Fault(Fault),
}

impl OpenError {
    /// For who only wants to know why.
    pub(super) fn into_fault(self, place: &str) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Config(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let mut fault = Fault::strange(
                    place,
                    "connect",
                    format_args!("{error}{}", cause.unwrap_or_default()),
                );
                fault.done = Done::No;
                fault
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    let error = match read {
        Ok(_) if bytes.len() as u64 <= MAX_FILE_BYTES => return Ok(bytes),
        Ok(_) => io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"),
        Err(error) => error,
    };
    Err(ConnectError::File { path: path.to_owned(), error })
}
