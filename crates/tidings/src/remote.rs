//! A hub reached over HTTP: its address, the token shown to it, and how its refusals look.

use std::{error::Error, fmt};

use anyhow::anyhow;
use reqwest::Url;
use tidings_client::Refusal;

use crate::args::RemoteArgs;

/// Where a Mercure hub is found below its origin.
const HUB_PATH: &str = "/.well-known/mercure";

/// A hub's URL, for those whose own is none.
const EXAMPLE: &str = "http://127.0.0.1:3000";

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
    match Url::parse(text) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            if url.path() == "/" {
                url.set_path(HUB_PATH);
            }
            Ok(url)
        }
        other => Err(no_url(text, other.err())),
    }
}

/// What is wrong with the address, and what to write instead.
fn no_url(text: &str, cause: Option<impl Error + Send + Sync + 'static>) -> anyhow::Error {
    let shown = without_secrets(text);
    if let Some(meant) = meant(&shown) {
        return anyhow!("--url or TIDINGS_URL: {shown:?} is no URL: write {meant}");
    }
    let what = format!(
        "--url or TIDINGS_URL: {shown:?} is no http or https URL: write one such as {EXAMPLE}"
    );
    match cause {
        Some(cause) => anyhow::Error::new(cause).context(what),
        None => anyhow!(what),
    }
}

/// The text of a URL, or of what is none, without user, password, query and fragment. As nobody knows where these are in
/// what is no URL, all before the last `@` goes but a scheme.
fn without_secrets(text: &str) -> String {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let split = text.split_once("://").filter(|(scheme, _)| scheme.chars().all(of_scheme));
    let (scheme, rest) = split.unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// What a text without a scheme is most likely meant to be.
fn meant(shown: &str) -> Option<String> {
    let url = format!("http://{shown}");
    (!shown.contains("://") && Url::parse(&url).is_ok()).then_some(url)
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
