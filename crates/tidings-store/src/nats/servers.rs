//! Which servers to connect to, and as whom.

use std::path::Path;

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use super::config::{NatsConfig, without_secrets};
use super::trouble::Trouble;

/// Servers of one cluster, and what they are told.
#[derive(Debug)]
pub(super) struct Servers {
    /// As configured, without users and passwords: the client writes addresses to its log.
    addresses: Vec<ServerAddr>,
    /// Those that the servers have told of since.
    discovered: Vec<ServerAddr>,
    login: Login,
    config: NatsConfig,
}

/// How many servers that others told of are remembered.
const MAX_DISCOVERED: usize = 64;

/// As whom a hub connects.
enum Login {
    Nobody,
    User { user: String, password: String },
    Token(String),
}

/// Without what is secret.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Servers {
    pub(super) fn new(config: &NatsConfig) -> Result<Self, Trouble> {
        let mut addresses = Vec::new();
        let mut login = Login::Nobody;
        for url in config.url.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            let bad = |why: &str| {
                let shown = without_secrets(url);
                Trouble::Config(format!(
                    "{shown} is no address of a NATS server: {why}; write nats://host:port or tls://host:port"
                ))
            };
            // What the parser says may hold the address with its password.
            let address: ServerAddr = url.parse().map_err(|_| bad("it cannot be read"))?;
            if !matches!(address.scheme(), "nats" | "tls") {
                return Err(bad("the scheme is another"));
            }
            if address.host().is_empty() {
                return Err(bad("it has no host"));
            }
            if let (Some(user), Login::Nobody) = (address.username(), &login) {
                login = Login::from_url(user, address.password());
            }
            addresses.push(anonymous(address).ok_or_else(|| bad("it cannot be read"))?);
        }
        if addresses.is_empty() {
            return Err(Trouble::Config(
                "there is no address of a NATS server: write nats://host:port".into(),
            ));
        }
        Ok(Self { addresses, discovered: Vec::new(), login, config: config.clone() })
    }

    /// All servers that are known.
    pub(super) fn addresses(&self) -> Vec<ServerAddr> {
        self.addresses.iter().chain(&self.discovered).cloned().collect()
    }

    /// Remembers servers that others have told of.
    pub(super) fn discovered(&mut self, pool: impl Iterator<Item = ServerAddr>) {
        let of_others =
            pool.filter_map(anonymous).filter(|address| !self.addresses.contains(address));
        self.discovered = of_others.take(MAX_DISCOVERED).collect();
    }

    /// What a connection is made with. Reads the files that the configuration names.
    pub(super) async fn options(&self) -> Result<ConnectOptions, Trouble> {
        let mut options = ConnectOptions::new();
        if let Some(file) = &self.config.credentials_file {
            options = from_file(options, file).await?;
        } else {
            options = match &self.login {
                Login::Nobody => options,
                Login::User { user, password } => {
                    options.user_and_password(user.clone(), password.clone())
                }
                Login::Token(token) => options.token(token.clone()),
            };
        }
        if let Some(file) = &self.config.ca_file {
            // The client would tell of a missing file only as a connection that failed.
            if let Err(why) = read(file).await {
                return Err(Trouble::Config(format!(
                    "cannot read the certificates in {}: {why}",
                    file.display()
                )));
            }
            options = options.add_root_certificates(file.clone());
        }
        let wants_tls =
            self.config.ca_file.is_some() || self.addresses.iter().any(ServerAddr::tls_required);
        Ok(options.require_tls(wants_tls))
    }
}

impl Login {
    fn from_url(user: &str, password: Option<&str>) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        match password {
            Some(password) => Self::User { user: decoded(user), password: decoded(password) },
            None => Self::Token(decoded(user)),
        }
    }
}

/// An address without what logs in.
fn anonymous(address: ServerAddr) -> Option<ServerAddr> {
    let mut url = address.into_inner();
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    ServerAddr::from_url(url).ok()
}

/// Logs in with what a file says.
async fn from_file(options: ConnectOptions, file: &Path) -> Result<ConnectOptions, Trouble> {
    // The client's own errors may quote the file.
    let bad = |why: &str| {
        Trouble::Config(format!(
            "cannot log in with {}: {why}; it holds a .creds file, an nkey's seed, user:password or a token",
            file.display()
        ))
    };
    let text = read(file).await.map_err(|why| bad(&why))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    if text.contains("-----BEGIN") {
        // The client wants the last line to end.
        return options
            .credentials(&format!("{text}\n"))
            .map_err(|_| bad("it is no .creds file with a JWT and a seed"));
    }
    let is_seed = text.len() == 58 && text.starts_with("SU");
    Ok(match text.split_once(':') {
        _ if is_seed => options.nkey(text.into()),
        Some((user, password)) => options.user_and_password(user.into(), password.into()),
        None => options.token(text.into()),
    })
}

/// Reads a small file away from the runtime's threads.
async fn read(file: &Path) -> Result<String, String> {
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || std::fs::read_to_string(file));
    reading.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retention;

    fn servers(url: &str) -> Result<Servers, Trouble> {
        Servers::new(&NatsConfig::new(
            url,
            Retention { max_updates: None, max_bytes: None, max_age: None },
        ))
    }

    #[test]
    fn the_login_is_taken_out_of_the_addresses() {
        let servers = servers("nats://alice:s%40cret@127.0.0.1:4222, tls://h").unwrap();
        let shown: Vec<_> =
            servers.addresses().iter().map(|address| address.as_url_str().to_owned()).collect();
        assert_eq!(shown, ["nats://127.0.0.1:4222", "tls://h"]);
        assert!(
            matches!(servers.login, Login::User { user, password } if user == "alice" && password == "s@cret")
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for url in [
            "",
            " , ",
            "http://u:secret@h",
            "nats://u:secret@",
            "nats://u:secret@h:99999",
            "nats://u:se cret@h h",
        ] {
            let why = servers(url).unwrap_err().to_string();
            assert!(!why.contains("cret") && why.contains("nats://host:port"), "{url}: {why}");
        }
    }
}
