//! One attempt: from the question to the head of an answer that is an event stream, over redirects.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use crate::asking::{Question, shown};
use crate::failure::{Failure, RedirectFault, SubscribeError};
use crate::policy::Verdict;
use crate::redirect::{Hop, MAX_REDIRECTS, is_redirect};
use crate::refusal::Refusal;
use crate::source::Attempt;
use crate::subscribe::Subscribe;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Stands for a time that never ends: what is added to a point in time must fit.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// How much of a content type is shown.
const MAX_SHOWN_TYPE_CHARS: usize = 100;

/// What an attempt has come to.
pub(crate) enum Outcome {
    /// A stream is open at this URL, as it may be shown.
    Open { url: String, response: Response },
    /// The server says that there is no more.
    Done,
    /// It has failed, and another one may do better.
    Retry { error: SubscribeError, asked: Duration },
    /// It was answered with this status, 401 say: what proves who asks may have to be renewed.
    Denied { error: SubscribeError, status: StatusCode },
    /// It has failed, and so would any other.
    Stop(SubscribeError),
}

/// Makes an attempt.
pub(crate) async fn make(subscribe: Arc<Subscribe>, attempt: Attempt) -> Outcome {
    let within = subscribe.connect_timeout;
    let now = Instant::now();
    let deadline = now.checked_add(within).unwrap_or(now + FAR);
    let question = match timeout_at(deadline, subscribe.asking.question(&attempt)).await {
        Ok(Ok(question)) => question,
        Ok(Err(error)) => return failed(error.url, error.why.into()),
        Err(_) => {
            let late = format!("there was no answer within {:.1} s", within.as_secs_f64());
            return failed(String::new(), Failure::Asked(late.into()));
        }
    };
    let Question { url, login, headers } = question;
    let (method, body) = (subscribe.method.clone(), subscribe.body.clone());
    let mut hop = Hop { url, method, body, headers, login };
    for _ in 0..=MAX_REDIRECTS {
        let url = shown(&hop.url);
        let response = match timeout_at(deadline, send(&subscribe, &attempt, &hop)).await {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) => return failed(url, failure),
            Err(_) => return failed(url, Failure::NoAnswer { within }),
        };
        if *response.url() != hop.url {
            return failed(url, Failure::ClientFollowsRedirects);
        }
        if !is_redirect(response.status()) {
            return judge(&subscribe, url, response).await;
        }
        hop = match hop.follow(response.status(), response.headers().get(LOCATION)) {
            Ok(next) => next,
            Err(fault) => return failed(url, Failure::Redirected(fault)),
        };
    }
    let fault = RedirectFault::TooMany { limit: MAX_REDIRECTS };
    failed(shown(&hop.url), Failure::Redirected(fault))
}

/// Sends the request of one hop, and waits for the head of the answer.
async fn send(subscribe: &Subscribe, attempt: &Attempt, hop: &Hop) -> Result<Response, Failure> {
    let client = subscribe.asking.client(&hop.url).map_err(Failure::NoClient)?;
    let mut request = client.request(hop.method.clone(), hop.url.clone());
    if let Some(login) = &hop.login {
        request = login.apply(request);
    }
    let mut headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    // A header of the caller's stands instead of ours, and may have several values.
    for name in hop.headers.keys() {
        headers.remove(name);
    }
    headers.extend(hop.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    // An id with control characters fits in no header; who expects such ids sends them in the URL.
    if let Ok(id) = HeaderValue::from_bytes(attempt.last_event_id.as_bytes())
        && !id.is_empty()
    {
        headers.insert(LAST_EVENT_ID, id);
    }
    request = request.headers(headers);
    if let Some(body) = &hop.body {
        request = request.body(body.clone());
    }
    request.send().await.map_err(|error| {
        let no_connection = error.is_connect();
        let cause = Box::new(error.without_url());
        if no_connection { Failure::Unreachable(cause) } else { Failure::NoHttp(cause) }
    })
}

/// What an answer means that is no redirect.
async fn judge(subscribe: &Subscribe, url: String, response: Response) -> Outcome {
    let status = response.status();
    if status == StatusCode::OK {
        return match check_type(response.headers()) {
            Ok(()) => Outcome::Open { url, response },
            Err(failure) => failed(url, failure),
        };
    }
    let verdict = (subscribe.policy)(status);
    if verdict == Verdict::Stop && status == StatusCode::NO_CONTENT {
        return Outcome::Done;
    }
    let refusal = Refusal::read(response).await;
    let asked = refusal.retry_after.unwrap_or_default();
    let error = SubscribeError { url, failure: Failure::Refused(refusal) };
    match verdict {
        Verdict::Retry => Outcome::Retry { error, asked },
        Verdict::Renew => Outcome::Denied { error, status },
        Verdict::Stop => Outcome::Stop(error),
    }
}

/// Whether the answer is an event stream that can be read.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let found = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = found.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("text/event-stream") {
        let cut = |text: &str| text.trim().chars().take(MAX_SHOWN_TYPE_CHARS).collect();
        let content_type = found.as_ref().map(|_| cut(essence));
        return Err(Failure::NotEventStream { content_type });
    }
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    let mut encodings = encodings.map(|value| value.as_bytes().trim_ascii());
    if encodings.any(|it| !it.is_empty() && !it.eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::Compressed);
    }
    Ok(())
}

/// The attempt has failed in a way that its kind says whether to try again.
fn failed(url: String, failure: Failure) -> Outcome {
    let may_mend = matches!(
        failure,
        Failure::Asked(_) | Failure::Unreachable(_) | Failure::NoHttp(_) | Failure::NoAnswer { .. }
    );
    let error = SubscribeError { url, failure };
    if may_mend { Outcome::Retry { error, asked: Duration::ZERO } } else { Outcome::Stop(error) }
}
