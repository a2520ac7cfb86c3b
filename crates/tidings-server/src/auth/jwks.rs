//! A key set at a URL, kept up to date so that issuers can rotate their keys.
//!
//! A task fetches the set; requests only look at the newest one. A token that names an unknown key
//! asks the task for a fetch and awaits it, together with all others that do.

use std::error::Error;
use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::{Client, Url, redirect};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::jwk::{Jwks, Lookup};
use super::token::Token;
use super::{AuthError, VerificationKey};
use crate::http_client;

/// The largest document that is read.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// How long a fetch may take, from the connection to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Tokens that name unknown keys cause at most one fetch in this time: anybody can send them.
const DEMAND_INTERVAL: Duration = Duration::from_secs(10);

/// When to try again after a fetch that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How many redirects a fetch follows.
const MAX_REDIRECTS: usize = 3;

/// The newest keys of a URL. Clones share them; the task ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct KeySet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    newest: watch::Receiver<Newest>,
    /// Wakes the task for a fetch out of turn.
    wanted: Arc<Notify>,
    demand: Mutex<Option<Demand>>,
    task: JoinHandle<()>,
}

/// What the last fetch that succeeded gave.
#[derive(Debug, Clone)]
struct Newest {
    /// How many fetches have ended, well or not.
    fetches: u64,
    /// `None` until one succeeds.
    keys: Option<Arc<Jwks>>,
}

/// The last fetch out of turn.
#[derive(Debug)]
struct Demand {
    /// How many fetches had ended when it was asked for.
    fetches: u64,
    at: Instant,
}

impl KeySet {
    /// Fetches the set, and goes on doing so every `refresh`. A server that does not answer is
    /// not an error: it is asked again.
    ///
    /// # Errors
    /// The URL cannot be used, or names a file that cannot be read, or `refresh` is zero.
    pub(super) async fn open(url: &str, refresh: Duration) -> Result<Self, KeySetError> {
        if refresh.is_zero() {
            return Err(KeySetError::new(Cause::Refresh));
        }
        let source = Source::parse(url)?;
        let keys = match source.fetch().await {
            Ok(keys) => {
                source.log_success(&keys);
                Some(Arc::new(keys))
            }
            Err(error) if matches!(source, Source::File(_)) => return Err(error),
            Err(error) => {
                source.log_failure(&error);
                None
            }
        };
        let (sender, newest) = watch::channel(Newest { fetches: 1, keys });
        let wanted = Arc::new(Notify::new());
        let task = tokio::spawn(keep_fresh(source, refresh, sender, wanted.clone()));
        let shared = Shared { newest, wanted, demand: Mutex::new(None), task };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Finds the key a token names, after a fetch if it is not known yet.
    ///
    /// # Errors
    /// [`AuthError::UnknownKey`], [`AuthError::WrongAlgorithm`], and
    /// [`AuthError::KeysUnavailable`] while no fetch has succeeded.
    pub(super) async fn key(&self, token: &Token<'_>) -> Result<Arc<VerificationKey>, AuthError> {
        let known = self.shared.newest.borrow().clone();
        if let Some(Lookup::Found(key)) = known.find(token)? {
            return Ok(key);
        }
        match self.newer_than(known).await.find(token)? {
            Some(Lookup::Found(key)) => Ok(key),
            Some(Lookup::Unknown) => Err(AuthError::UnknownKey),
            None => Err(AuthError::KeysUnavailable),
        }
    }

    /// Awaits the fetch after `known`, or gives `known` back when it is too early for another.
    async fn newer_than(&self, known: Newest) -> Newest {
        let mut newest = self.shared.newest.clone();
        if newest.borrow().fetches == known.fetches && !self.demand(known.fetches) {
            return known;
        }
        newest
            .wait_for(|newest| newest.fetches > known.fetches)
            .await
            .map_or(known, |newest| newest.clone())
    }

    /// Asks for a fetch. False when it is too early.
    fn demand(&self, fetches: u64) -> bool {
        let mut last = self.shared.demand.lock();
        let now = Instant::now();
        match &*last {
            Some(demand) if demand.fetches == fetches => return true,
            Some(demand) if now.duration_since(demand.at) < DEMAND_INTERVAL => return false,
            _ => {}
        }
        *last = Some(Demand { fetches, at: now });
        self.shared.wanted.notify_one();
        true
    }
}

impl Newest {
    fn find(&self, token: &Token<'_>) -> Result<Option<Lookup>, AuthError> {
        self.keys.as_ref().map(|keys| keys.find(token)).transpose()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_fresh(
    source: Source,
    refresh: Duration,
    newest: watch::Sender<Newest>,
    wanted: Arc<Notify>,
) {
    let retry = refresh.min(RETRY_INTERVAL);
    let mut delay = if newest.borrow().keys.is_some() { refresh } else { retry };
    loop {
        tokio::select! {
            () = wanted.notified() => {}
            () = sleep(delay) => {}
        }
        let fetched = source.fetch().await;
        delay = if fetched.is_ok() { refresh } else { retry };
        match &fetched {
            Ok(keys) => source.log_success(keys),
            Err(error) => source.log_failure(error),
        }
        newest.send_modify(|newest| {
            newest.fetches += 1;
            if let Ok(keys) = fetched {
                newest.keys = Some(Arc::new(keys));
            }
        });
    }
}

/// Where the document is.
enum Source {
    Http { client: Client, url: Url },
    File(PathBuf),
}

impl Source {
    fn parse(text: &str) -> Result<Self, KeySetError> {
        let url = Url::parse(text).map_err(|_| KeySetError::new(Cause::Url))?;
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| KeySetError::new(Cause::Url))?;
                Ok(Self::File(path))
            }
            "http" | "https" => {
                let client = http_client::build(url.scheme(), Vec::new(), |builder| {
                    builder
                        .redirect(redirect::Policy::limited(MAX_REDIRECTS))
                        .https_only(url.scheme() == "https")
                        // The next fetch is minutes away.
                        .pool_max_idle_per_host(0)
                });
                let client = client.map_err(|error| KeySetError::new(Cause::Http(error)))?;
                Ok(Self::Http { client, url })
            }
            _ => Err(KeySetError::new(Cause::Url)),
        }
    }

    async fn fetch(&self) -> Result<Jwks, KeySetError> {
        let document = timeout(FETCH_TIMEOUT, self.read())
            .await
            .map_err(|_| KeySetError::new(Cause::Timeout))??;
        Jwks::parse(&document).map_err(|error| KeySetError::new(Cause::Json(error)))
    }

    async fn read(&self) -> Result<Vec<u8>, KeySetError> {
        match self {
            Self::Http { client, url } => read_url(client, url).await,
            Self::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || read_file(&path))
                    .await
                    .map_err(|_| KeySetError::new(Cause::Timeout))?
            }
        }
    }

    /// The place without what may be secret in a URL.
    fn place(&self) -> String {
        match self {
            Self::Http { url, .. } => {
                format!("{}{}", url.origin().ascii_serialization(), url.path())
            }
            Self::File(path) => path.display().to_string(),
        }
    }

    fn log_success(&self, keys: &Jwks) {
        if keys.is_empty() {
            tracing::warn!(place = self.place(), "the key set has no key that can verify tokens");
        } else {
            tracing::debug!(place = self.place(), "key set fetched");
        }
    }

    fn log_failure(&self, error: &KeySetError) {
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(place = self.place(), %error, cause, "key set not fetched");
    }
}

async fn read_url(client: &Client, url: &Url) -> Result<Vec<u8>, KeySetError> {
    // Without the URL, which may hold a secret.
    let http = |error: reqwest::Error| KeySetError::new(Cause::Http(error.without_url()));
    let response = client.get(url.clone()).send().await.map_err(http)?;
    let mut response = response.error_for_status().map_err(http)?;
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http)? {
        if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(KeySetError::new(Cause::TooLarge));
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, KeySetError> {
    let io = |error| KeySetError::new(Cause::File(error));
    let limit = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX);
    let mut document = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(limit + 1).read_to_end(&mut document).map_err(io)?;
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(KeySetError::new(Cause::TooLarge));
    }
    Ok(document)
}

/// Why a key set could not be fetched.
#[derive(Debug)]
pub struct KeySetError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Url,
    Refresh,
    Http(reqwest::Error),
    File(std::io::Error),
    Timeout,
    TooLarge,
    Json(serde_json::Error),
}

impl KeySetError {
    fn new(cause: Cause) -> Self {
        Self { cause }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            Cause::Url => "the URL is not one of http, https or file",
            Cause::Refresh => "the time between fetches is zero",
            Cause::Http(_) => "the server did not give the document",
            Cause::File(_) => "the file cannot be read",
            Cause::Timeout => "the document did not come in time",
            Cause::TooLarge => "the document is larger than 256 KiB",
            Cause::Json(_) => "the document is not a JSON Web Key Set",
        })
    }
}

impl Error for KeySetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Http(error) => Some(error),
            Cause::File(error) => Some(error),
            Cause::Json(error) => Some(error),
            Cause::Url | Cause::Refresh | Cause::Timeout | Cause::TooLarge => None,
        }
    }
}
