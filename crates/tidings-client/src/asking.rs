//! What a request is made of: the URL, the headers, and the HTTP client, made sure of at each attempt.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::source::{Attempt, BoxError, Source};

/// Whom to ask, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) url: Source,
    pub(crate) headers: Vec<(String, Source)>,
    /// The client that was given, or else the one that the first attempt made.
    http_client: Arc<OnceLock<reqwest::Client>>,
}

/// What one attempt asks, and as whom.
pub(crate) struct Question {
    /// Without user, password and fragment.
    pub(crate) url: Url,
    pub(crate) login: Option<Login>,
    pub(crate) headers: HeaderMap,
}

/// The user and the password that stood in a URL.
pub(crate) struct Login {
    user: String,
    password: Option<String>,
}

/// Why there is nothing to ask.
pub(crate) struct AskError {
    /// The URL that would have been asked, as it may be shown; empty if there is none.
    pub(crate) url: String,
    pub(crate) why: AskFault,
}

pub(crate) enum AskFault {
    BadUrl,
    BadHeader { name: String },
    Asked(BoxError),
}

impl Asking {
    pub(crate) fn new(url: Source) -> Self {
        Self { url, headers: Vec::new(), http_client: Arc::default() }
    }

    pub(crate) fn use_client(&mut self, client: reqwest::Client) {
        self.http_client = Arc::new(OnceLock::from(client));
    }

    /// Whether asking once more may bring something else.
    pub(crate) fn has_functions(&self) -> bool {
        let headers = self.headers.iter().map(|(_, source)| source);
        headers.chain([&self.url]).any(|source| matches!(source, Source::Function(_)))
    }

    /// The names of the headers, which are no secret.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The question of this attempt.
    pub(crate) async fn question(&self, attempt: &Attempt) -> Result<Question, AskError> {
        let nowhere = |why| AskError { url: String::new(), why };
        let url = self.url.text(attempt).await.map_err(AskFault::Asked).map_err(nowhere)?;
        let mut url = Url::parse(&url).map_err(|_| nowhere(AskFault::BadUrl))?;
        url.set_fragment(None);
        let login = take_login(&mut url);
        if !can_be_asked(&url) {
            return Err(nowhere(AskFault::BadUrl));
        }
        match self.header_map(attempt).await {
            Ok(headers) => Ok(Question { url, login, headers }),
            Err(why) => Err(AskError { url: shown(&url), why }),
        }
    }

    async fn header_map(&self, attempt: &Attempt) -> Result<HeaderMap, AskFault> {
        let mut headers = HeaderMap::new();
        for (name, source) in &self.headers {
            let value = source.text(attempt).await.map_err(AskFault::Asked)?;
            let (Ok(header), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
            else {
                return Err(AskFault::BadHeader { name: name.clone() });
            };
            value.set_sensitive(true);
            headers.append(header, value);
        }
        Ok(headers)
    }

    /// The client to ask this URL with.
    pub(crate) fn client(&self, url: &Url) -> Result<reqwest::Client, BoxError> {
        if let Some(client) = self.http_client.get() {
            return Ok(client.clone());
        }
        let client = match http_client().build() {
            // A small container has no certificates, and plain HTTP needs none.
            Err(_) if url.scheme() == "http" => http_client().tls_certs_only([]).build(),
            built => built,
        };
        let client = client.map_err(|error| BoxError::from(error.without_url()))?;
        Ok(self.http_client.get_or_init(|| client).clone())
    }
}

/// What a caller's own HTTP client is best made from. It follows no redirects, since [`Subscribe`](crate::Subscribe) does
/// that itself, and asks for no compression. Add proxies, certificates and so on; set no timeout for whole requests, as a
/// stream is one that has no end.
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Another crate may turn on reqwest's features for these.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .user_agent(concat!("tidings-client/", env!("CARGO_PKG_VERSION")))
}

impl Login {
    pub(crate) fn apply(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.basic_auth(&self.user, self.password.as_ref())
    }
}

/// Whether a request can be made to this URL: over HTTP, and not longer than 64 KiB, which is what the HTTP client takes.
pub(crate) fn can_be_asked(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.as_str().parse::<Uri>().is_ok()
}

/// Takes user and password out of a URL.
pub(crate) fn take_login(url: &mut Url) -> Option<Login> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = Login { user: decode(url.username()), password: url.password().map(decode) };
    // Every http URL has a host, and where there is one, neither fails.
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    Some(login)
}

/// A URL as it may be shown: without user, password, query and fragment, where secrets are.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_header_is_marked_as_a_secret() {
        let mut asking = Asking::new(Source::Value("http://a.example/".to_owned()));
        asking.headers.push(("x-key".to_owned(), Source::Value("1".to_owned())));
        let Ok(question) = asking.question(&Attempt::default()).await else { panic!() };
        assert!(question.headers["x-key"].is_sensitive(), "debug output and HTTP/2 go by it");
    }
}
