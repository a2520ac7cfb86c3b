//! A hub reached over HTTP: its address, the token shown to it, and what it says when it refuses.

use std::{error::Error, fmt, time::Duration};

use anyhow::Context as _;
use reqwest::{
    Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue, RETRY_AFTER},
};
use serde::Deserialize;

use crate::args::RemoteArgs;

/// Where a Mercure hub is found below its origin.
const HUB_PATH: &str = "/.well-known/mercure";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a refusal is read.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// A hub and how to reach it.
#[derive(Debug)]
pub(crate) struct Remote {
    client: Client,
    url: Url,
    /// Marked sensitive, so that it is never shown.
    authorization: Option<HeaderValue>,
}

impl Remote {
    /// A hub at the given address. `configure` sets the timeouts and redirects that fit the
    /// request.
    ///
    /// # Errors
    /// When the address is no HTTP URL, or the token no token.
    pub(crate) fn new(
        arguments: &RemoteArgs,
        configure: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> anyhow::Result<Self> {
        let url = hub_url(&arguments.url)?;
        let authorization =
            arguments.token.as_deref().filter(|token| !token.is_empty()).map(bearer).transpose()?;
        let build = |builder: ClientBuilder| {
            let builder = configure(builder).connect_timeout(CONNECT_TIMEOUT);
            builder.user_agent(concat!("tidings/", env!("CARGO_PKG_VERSION"))).build()
        };
        let client = match build(Client::builder()) {
            // A small container has no certificates, and plain HTTP needs none.
            Err(_) if url.scheme() == "http" => build(Client::builder().tls_certs_only([])),
            built => built,
        };
        let client = client.context("cannot start the HTTP client")?;
        Ok(Self { client, url, authorization })
    }

    /// The hub's address for people, without what may be secret.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }

    /// A request to the hub with these query parameters.
    pub(crate) fn request<'a>(
        &self,
        method: Method,
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> RequestBuilder {
        let mut url = self.url.clone();
        let mut parameters = parameters.peekable();
        if parameters.peek().is_some() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request = self.client.request(method, url);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
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

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        // The cause is left out on purpose: it could show the token.
        .map_err(|_| anyhow::anyhow!("the token holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What an exchange failed of at bottom, without the URL, which may hold a password.
pub(crate) fn root_cause(error: reqwest::Error) -> String {
    anyhow::Error::new(error.without_url()).root_cause().to_string()
}

/// The hub's answer to a request it turned away.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// The stable reason of a problem document, or the first line of any other body.
    reason: Option<String>,
    detail: Option<String>,
    /// When to come back, if the hub said so.
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    /// Reads why the hub turned a request away.
    pub(crate) async fn read(mut response: Response) -> Self {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        // A body that breaks off still says something.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_REFUSAL_BYTES {
                break;
            }
        }
        let (reason, detail) = if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            (problem.reason.or(problem.title), problem.detail)
        } else {
            let text = String::from_utf8_lossy(&body);
            let line = text.lines().map(str::trim).find(|line| !line.is_empty());
            (line.map(str::to_owned), None)
        };
        Self { status, reason, detail, retry_after }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.status)?;
        for part in [&self.reason, &self.detail].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        if self.reason.as_deref() == Some("missing_token") {
            write!(f, " (set TIDINGS_TOKEN or --token)")?;
        }
        match self.retry_after {
            Some(after) => write!(f, " (try again in {} s)", after.as_secs()),
            None => Ok(()),
        }
    }
}

impl Error for Refused {}

/// What is read of a problem document (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    reason: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}
