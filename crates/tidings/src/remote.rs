//! A hub reached over HTTP: its address, the token shown to it, and how its refusals look.

use std::{error::Error, fmt};

use anyhow::Context as _;
use reqwest::Url;
use tidings_client::Refusal;

use crate::args::RemoteArgs;

/// Where a Mercure hub is found below its origin.
const HUB_PATH: &str = "/.well-known/mercure";

/// What the program says it is.
pub(crate) const USER_AGENT: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));

/// A hub, and as whom to ask it.
pub(crate) struct Remote {
    pub(crate) url: Url,
    /// The value of an `Authorization` header.
    pub(crate) authorization: Option<String>,
}

impl Remote {
    /// A hub at the given address.
    ///
    /// # Errors
    /// When the address is no HTTP URL, or the token no token.
    pub(crate) fn new(arguments: &RemoteArgs) -> anyhow::Result<Self> {
        let url = hub_url(&arguments.url)?;
        let token = arguments.token.as_deref().filter(|token| !token.is_empty());
        Ok(Self { url, authorization: token.map(bearer).transpose()? })
    }
}

fn hub_url(text: &str) -> anyhow::Result<Url> {
    let mut url = Url::parse(text).context("--url is no URL")?;
    anyhow::ensure!(matches!(url.scheme(), "http" | "https"), "--url is no http or https URL");
    if url.path() == "/" {
        url.set_path(HUB_PATH);
    }
    Ok(url)
}

fn bearer(token: &str) -> anyhow::Result<String> {
    let token = token.trim();
    // The token is left out on purpose.
    anyhow::ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
        "the token holds characters that no token has"
    );
    Ok(format!("Bearer {token}"))
}

/// The hub's answer to a request it turned away.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(refusal) = self;
        write!(f, "refused: {refusal}")?;
        if refusal.reason.as_deref() == Some("missing_token") {
            write!(f, " (set TIDINGS_TOKEN or --token)")?;
        }
        match refusal.retry_after {
            Some(after) => write!(f, " (try again in {} s)", after.as_secs()),
            None => Ok(()),
        }
    }
}

impl Error for Refused {}
