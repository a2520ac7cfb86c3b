//! A request that is made until it is answered: what goes for one update and for many.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::time::{Instant, sleep, timeout};

use super::error::{PublishError, PublishFailure};
use super::publisher::Publisher;
use crate::asking::{AskError, shown};
use crate::policy::{Verdict, default_policy};
use crate::refusal::Refusal;
use crate::source::Attempt;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Asks a hub the same with the same key, again and again, with waits between.
pub(super) struct Exchange {
    publisher: Publisher,
    content_type: &'static str,
    key: String,
    /// The URL that was last asked, as it may be shown.
    url: String,
    /// Failed attempts in a row.
    failures: u32,
    /// When the first of them began.
    since: Instant,
    /// The answer to the last attempt, if it was 401 or 403.
    denied: Option<StatusCode>,
    /// Whether an attempt was repeated for that.
    asked_again: bool,
}

/// An attempt that has failed.
pub(super) struct Failed {
    failure: PublishFailure,
    next: Next,
}

/// What comes after a failed attempt.
enum Next {
    /// Nothing.
    GiveUp,
    /// Another one, after what the hub asked for and a wait.
    Again { asked: Duration },
    /// Another one at once, if what proves who asks can be renewed.
    Renewed { status: StatusCode },
}

impl Failed {
    pub(super) fn for_good(failure: PublishFailure) -> Self {
        Self { failure, next: Next::GiveUp }
    }

    pub(super) fn again(failure: PublishFailure) -> Self {
        Self { failure, next: Next::Again { asked: Duration::ZERO } }
    }

    /// Whether there is no point in another attempt.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.next, Next::GiveUp)
    }
}

impl Exchange {
    pub(super) fn new(publisher: Publisher, content_type: &'static str, key: String) -> Self {
        Self {
            publisher,
            content_type,
            key,
            url: String::new(),
            failures: 0,
            since: Instant::now(),
            denied: None,
            asked_again: false,
        }
    }

    /// How long an attempt may go without a word of the hub.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.publisher.answer_timeout
    }

    /// The hub does its work: what failed before counts no more.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.since = Instant::now();
        self.asked_again = false;
    }

    /// Makes one attempt: the answer, if it is one of success.
    pub(super) async fn ask(&mut self, body: Bytes) -> Result<Response, Failed> {
        let within = self.answer_timeout();
        match timeout(within, self.send(body)).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => Err(judge(response).await),
            Ok(Err(failed)) => Err(failed),
            Err(_) => Err(Failed::again(PublishFailure::NoAnswer { within })),
        }
    }

    async fn send(&mut self, body: Bytes) -> Result<Response, Failed> {
        let (failures, refused) = (self.failures, self.denied.take());
        let attempt = Attempt { failures, refused, ..Attempt::default() };
        let asking = &self.publisher.asking;
        let question = match asking.question(&attempt).await {
            Ok(question) => question,
            Err(AskError { url, why }) => {
                self.url = url;
                let failure = PublishFailure::from(why);
                let mends = matches!(failure, PublishFailure::Asked(_));
                return Err(if mends { Failed::again(failure) } else { Failed::for_good(failure) });
            }
        };
        self.url = shown(&question.url);
        let key = HeaderValue::from_bytes(self.key.as_bytes()).map_err(|_| {
            let name = IDEMPOTENCY_KEY.as_str().to_owned();
            Failed::for_good(PublishFailure::BadHeader { name })
        })?;
        let client = asking.client(&question.url);
        let client = client.map_err(|cause| Failed::for_good(PublishFailure::NoClient(cause)))?;
        let mut request = client.post(question.url.clone());
        if let Some(login) = &question.login {
            request = login.apply(request);
        }
        // They stand instead of the caller's: the body is of this type, and each publish has a key of its own.
        let mut headers = question.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(IDEMPOTENCY_KEY, key);
        let response = request.headers(headers).body(body).send().await.map_err(|error| {
            let no_connection = error.is_connect();
            let cause = Box::new(error.without_url());
            Failed::again(if no_connection {
                PublishFailure::Unreachable(cause)
            } else {
                PublishFailure::Broken(cause)
            })
        })?;
        if *response.url() != question.url {
            return Err(Failed::for_good(PublishFailure::ClientFollowsRedirects));
        }
        Ok(response)
    }

    /// Waits until the next attempt may be made.
    ///
    /// # Errors
    /// When there will be none.
    pub(super) async fn wait_after(&mut self, failed: Failed) -> Result<(), PublishError> {
        let Failed { failure, next } = failed;
        let asked = match next {
            Next::Renewed { status }
                if !self.asked_again && self.publisher.asking.has_functions() =>
            {
                self.asked_again = true;
                self.denied = Some(status);
                return Ok(());
            }
            Next::GiveUp | Next::Renewed { .. } => return Err(self.error(failure)),
            Next::Again { asked } => asked,
        };
        self.failures = self.failures.saturating_add(1);
        let backoff = self.publisher.backoff;
        let wait = backoff.wait(self.failures, asked, fastrand::f64());
        let in_time = self.since.elapsed().saturating_add(wait) <= self.publisher.retry_for;
        if !in_time || !backoff.allows_another(self.failures) {
            let (attempts, last) = (self.failures, Box::new(failure));
            return Err(self.error(PublishFailure::GaveUp { attempts, last }));
        }
        sleep(wait).await;
        Ok(())
    }

    /// The error that this failure is at the hub that was asked.
    pub(super) fn error(&self, failure: PublishFailure) -> PublishError {
        PublishError { url: self.url.clone(), failure }
    }
}

/// What an answer means that is none of success. A redirect is an answer like any other: followed, it could become a GET,
/// which subscribes.
async fn judge(response: Response) -> Failed {
    let status = response.status();
    let refusal = Refusal::read(response).await;
    let asked = refusal.retry_after.unwrap_or_default();
    let next = match default_policy(status) {
        Verdict::Retry => Next::Again { asked },
        Verdict::Renew => Next::Renewed { status },
        Verdict::Stop => Next::GiveUp,
    };
    Failed { failure: PublishFailure::Refused(refusal), next }
}
