//! The authorize callback: an application with sessions of its own is asked whether a client may do what it asks for.
//!
//! Allowances are kept for a short time, so that a storm of reconnects does not become one of questions; refusals and
//! failures are not. Nothing of a question reaches the log.

mod answer;
mod question;

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::request::Parts;
use moka::Expiry;
use moka::future::Cache;
use reqwest::{Client, Url, redirect};
use tidings_hub::{Grants, Selector};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use self::answer::{Answer, AnswerError};
use self::question::{Digest, Question};
use super::kicks::{Kicks, Moment};
use super::{AuthConfigError, AuthError, AuthorizeConfig, Identity, Role};
use crate::http_client;
use crate::told::Told;

/// The longest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How many questions may be with the application at once. Others wait, and give up with them.
const MAX_QUESTIONS: usize = 64;
/// For how long a connection to the application may be idle: less than its server's patience, which is seldom below 5 s,
/// so that no question is sent on a connection that is just being closed.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// How many bytes of answers are kept, as they weigh in memory, and what an answer weighs beside its text.
const MAX_KEPT_BYTES: u64 = 32 * 1024 * 1024;
const KEPT_ANSWER_BYTES: usize = 512;
/// How many times an answer's text its selectors and grants weigh.
const KEPT_PER_TEXT_BYTE: usize = 4;
/// How often a question is asked whose answer is out of date as it comes.
const MAX_ATTEMPTS: usize = 3;

/// Asks the application.
pub(super) struct Authorizer {
    client: Client,
    url: Url,
    timeout: Duration,
    /// One permit for each question that may be under way.
    room: Semaphore,
    /// None where nothing is kept.
    kept: Option<Cache<Digest, Arc<Allowance>>>,
    kicks: Arc<Kicks>,
    /// Why it gave no answer, as the log was told.
    told: Told,
}

/// What the application allows.
struct Allowance {
    identity: Identity,
    /// When it was asked.
    asked: Moment,
    /// How long its answer's text was.
    text_bytes: usize,
}

/// Keeps each answer for the configured time, or for as long as it is good for.
struct UntilItEnds(Duration);

impl Authorizer {
    /// Checks the settings. Nothing is asked yet.
    ///
    /// # Errors
    /// When the URL is not one, or TLS is not to be had.
    pub(super) fn new(
        config: &AuthorizeConfig,
        kicks: Arc<Kicks>,
    ) -> Result<Self, AuthConfigError> {
        let url = Url::parse(&config.url).map_err(|_| AuthConfigError::AuthorizeUrl)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        // The client's own credentials would be replaced by those of the URL.
        if !matches!(url.scheme(), "http" | "https") || has_credentials {
            return Err(AuthConfigError::AuthorizeUrl);
        }
        if config.timeout.is_zero() {
            return Err(AuthConfigError::AuthorizeTimeout);
        }
        let client = http_client::build(url.scheme(), Vec::new(), |builder| {
            builder
                // Another place must not get the client's credentials.
                .redirect(redirect::Policy::none())
                .no_proxy()
                .https_only(url.scheme() == "https")
                .pool_max_idle_per_host(MAX_QUESTIONS)
                .pool_idle_timeout(MAX_IDLE)
        });
        let client = client.map_err(AuthConfigError::AuthorizeClient)?;
        let kept = (!config.cache.is_zero()).then(|| {
            Cache::builder()
                .max_capacity(MAX_KEPT_BYTES)
                .weigher(|_, allowance: &Arc<Allowance>| allowance.weight())
                .expire_after(UntilItEnds(config.cache))
                .build()
        });
        let room = Semaphore::new(MAX_QUESTIONS);
        Ok(Self { client, url, timeout: config.timeout, room, kept, kicks, told: Told::default() })
    }

    /// Asks whether a client may do what it asks for, and who it is. `has_keys` says whether the hub has tokens of its own.
    ///
    /// # Errors
    /// The application's refusal, or that there is no telling.
    ///
    /// # Cancel safety
    /// Cancel safe: of several that wait for the same answer another one asks.
    pub(super) async fn authorize(
        &self,
        role: Role,
        request: &Parts,
        address: Option<IpAddr>,
        has_keys: bool,
    ) -> Result<Identity, AuthError> {
        let question = Question { role, request, address, has_keys };
        let identity = self.allowance(question).await?.identity.clone();
        match role {
            Role::Publisher if identity.publish.is_none() => Err(AuthError::NoPublishList),
            Role::Subscriber if identity.topics.as_ref().is_some_and(Vec::is_empty) => {
                Err(AuthError::NoTopics)
            }
            Role::Publisher | Role::Subscriber => Ok(identity),
        }
    }

    async fn allowance(&self, question: Question<'_>) -> Result<Arc<Allowance>, AuthError> {
        let Some(kept) = &self.kept else { return self.ask(question).await };
        let digest = question.digest();
        for _ in 0..MAX_ATTEMPTS {
            let allowance = kept
                .try_get_with(digest, self.ask(question))
                .await
                .map_err(|error| AuthError::clone(&error))?;
            if self.counts(&allowance) {
                return Ok(allowance);
            }
            kept.invalidate(&digest).await;
        }
        Err(AuthError::Kicked)
    }

    /// Whether an answer still counts. One that has come to its end is kept no longer.
    fn counts(&self, allowance: &Allowance) -> bool {
        let Allowance { identity, asked, .. } = allowance;
        let (user, session) = (identity.user.as_deref(), identity.session.as_deref());
        !self.kicks.concern(*asked, user, session)
    }

    /// Asks, and says in the log why there is no answer.
    async fn ask(&self, question: Question<'_>) -> Result<Arc<Allowance>, AuthError> {
        let asked = self.kicks.now();
        let exchanged = timeout(self.timeout, self.exchange(question)).await;
        let exchanged = exchanged.unwrap_or(Err(Fault::Timeout(self.timeout)));
        if exchanged.is_ok() {
            // The next failure is news.
            self.told.forget();
        }
        match exchanged {
            Ok(Verdict::Allowed(answer, text_bytes)) => {
                Ok(Arc::new(Allowance { identity: identity(answer), asked, text_bytes }))
            }
            Ok(Verdict::Unauthorized) => Err(AuthError::CallbackUnauthorized),
            Ok(Verdict::Forbidden) => Err(AuthError::CallbackForbidden),
            Err(fault) => {
                if self.told.is_news(&fault.to_string()) {
                    warn!(place = self.place(), %fault, "the authorize callback gave no answer: requests are refused for now");
                }
                Err(AuthError::CallbackFailed)
            }
        }
    }

    async fn exchange(&self, question: Question<'_>) -> Result<Verdict, Fault> {
        let _permit = self.room.acquire().await;
        let headers = question.headers().map_err(|_| Fault::Question)?;
        let request = self.client.get(self.url.clone()).headers(headers);
        let mut response = request.send().await.map_err(Fault::http)?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED => return Ok(Verdict::Unauthorized),
            StatusCode::FORBIDDEN => return Ok(Verdict::Forbidden),
            status if status.is_redirection() => return Err(Fault::Redirect(status)),
            status => return Err(Fault::Status(status)),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Fault::http)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(Fault::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer::read(response.headers(), &body).map_err(Fault::Answer)?;
        let headers = response.headers().values().map(http::HeaderValue::len).sum::<usize>();
        Ok(Verdict::Allowed(answer, body.len() + headers))
    }

    /// The URL without what may be secret in it.
    fn place(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Allowance {
    fn weight(&self) -> u32 {
        let bytes = KEPT_ANSWER_BYTES + KEPT_PER_TEXT_BYTE * self.text_bytes;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Expiry<Digest, Arc<Allowance>> for UntilItEnds {
    #[expect(
        clippy::disallowed_types,
        reason = "the cache goes by the system's clock, and here it is not looked at"
    )]
    fn expire_after_create(
        &self,
        _: &Digest,
        allowance: &Arc<Allowance>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        let end = allowance.identity.expires_at;
        let left = end.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        Some(left.map_or(self.0, |left| left.min(self.0)))
    }
}

/// Who the client is, by the application's word.
fn identity(answer: Answer) -> Identity {
    let Answer { user, session, topics, subscribe, publish, expires_in, payload } = answer;
    let selectors = |texts: Vec<String>| texts.into_iter().map(Selector::new).collect::<Vec<_>>();
    let (topics, subscribe) = (topics.map(selectors), subscribe.map(selectors));
    // To be given a topic is to be given its private updates, too.
    let granted = topics.iter().chain(&subscribe).flatten().cloned().collect::<Vec<_>>();
    let grants_any = topics.is_some() || subscribe.is_some();
    Identity {
        user,
        session,
        topics,
        subscribe: grants_any.then(|| Grants::new(granted)),
        publish: publish.map(|publish| Grants::new(selectors(publish))),
        payload,
        // An end that no clock reaches is none.
        expires_at: expires_in.and_then(|left| SystemTime::now().checked_add(left)),
    }
}

enum Verdict {
    /// With the length of the answer's text.
    Allowed(Answer, usize),
    Unauthorized,
    Forbidden,
}

/// Why the application's answer is none. It holds nothing of the question, and no value of the answer.
enum Fault {
    Question,
    Timeout(Duration),
    Http(reqwest::Error),
    Redirect(StatusCode),
    Status(StatusCode),
    TooLong,
    Answer(AnswerError),
}

impl Fault {
    fn http(error: reqwest::Error) -> Self {
        // Without the URL, which may hold a secret.
        Self::Http(error.without_url())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question => f.write_str(
                "it could not be asked for: the request has bytes that no header can carry",
            ),
            Self::Timeout(patience) => write!(f, "it did not come within {patience:?}"),
            Self::Http(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::Redirect(status) => {
                write!(
                    f,
                    "it is {status}, and redirects are not followed: name the final URL, or answer 401"
                )
            }
            Self::Status(status) => {
                write!(f, "it is {status}: answer 2xx to allow, 401 or 403 to refuse")
            }
            Self::TooLong => write!(f, "its body is longer than {MAX_BODY_BYTES} bytes"),
            Self::Answer(error) => write!(f, "it is not understood: {error}"),
        }
    }
}
