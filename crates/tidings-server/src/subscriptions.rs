//! Mercure's API of active subscriptions (ACT-5, ACT-6): who is subscribed now, to whom may know.

use http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::mercure::{EARLIEST, presence};
use crate::reject::{MISSING_HUBS, Refusal};
use crate::server::Call;

/// Answers for the whole list, for one selector (`/{topic}`), or for one subscription (`/{topic}/{subscriber}`).
pub(crate) async fn answer(call: &Call<'_>, rest: &str) -> Result<Response<Body>, Refusal> {
    let shared = call.shared();
    let identity = call.identify_watcher().await?;
    call.standing(&identity).check()?;
    let path = call.parts.uri.path();
    if !identity.subscribe.is_some_and(|grants| grants.allows(path)) {
        return Err(Refusal::Forbidden { what: "see active subscriptions at this path" });
    }
    // A selector may be empty, and so is its segment then; a slash alone names the whole list.
    let rest = rest.strip_prefix('/').filter(|rest| !rest.is_empty());
    let mut segments = rest.into_iter().flat_map(|rest| rest.split('/'));
    let topic = segments.next().map(|segment| presence::unescape(segment).ok_or(Refusal::NotFound));
    let subscriber =
        segments.next().map(|segment| presence::unescape(segment).ok_or(Refusal::NotFound));
    let (topic, subscriber) = (topic.transpose()?, subscriber.transpose()?);
    if segments.next().is_some() {
        return Err(Refusal::NotFound);
    }
    // The newest update's position, not its id: that may be a private update's own (REC-8), or one that an older
    // update has, too. It is looked up before the list, so that who resumes from it misses no change to the list.
    let stats = shared.hub.stats();
    let newest = stats.newest;
    let last_event_id = newest.map_or_else(|| EARLIEST.to_owned(), |position| position.to_string());
    let last_event_id = last_event_id.as_str();
    // Without the tag while the list may change, or has changed, though nothing is published.
    let is_announced = !stats.log_is_away && !stats.is_unannounced;
    let etag =
        is_announced.then(|| HeaderValue::from_bytes(last_event_id.as_bytes()).ok()).flatten();
    if etag.is_some() && call.parts.headers.get(IF_NONE_MATCH) == etag.as_ref() {
        return Ok(document(StatusCode::NOT_MODIFIED, etag, Vec::new()));
    }
    let mut found =
        presence::open(&shared.hub.subscribers(), topic.as_deref(), subscriber.as_deref());
    let mut missing = 0;
    // A subscriber is at one hub.
    if let Some(cluster) = &shared.cluster
        && (subscriber.is_none() || found.is_empty())
    {
        let elsewhere = cluster.subscriptions(topic.as_deref(), subscriber.as_deref()).await;
        found.extend(elsewhere.open);
        missing = elsewhere.missing.len() + usize::from(elsewhere.is_unasked);
    }
    let body = if subscriber.is_some() {
        let none =
            if missing == 0 { Refusal::NotFound } else { Refusal::HubsMissing { count: missing } };
        let only = found.pop().ok_or(none)?;
        missing = 0;
        presence::single(only, last_event_id)
    } else {
        presence::collection(path, last_event_id, found)
    };
    if missing == 0 {
        return Ok(document(StatusCode::OK, etag, body));
    }
    // Without the tag: the list may be another the next time, though nothing was published.
    let mut response = document(StatusCode::OK, None, body);
    response.headers_mut().insert(MISSING_HUBS, HeaderValue::from(missing));
    Ok(response)
}

fn document(status: StatusCode, etag: Option<HeaderValue>, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = (CONTENT_TYPE, HeaderValue::from_static("application/ld+json"));
    let tag = etag.map(|tag| (ETAG, tag));
    let headers: [Option<(HeaderName, HeaderValue)>; 2] = [Some(content_type), tag];
    response.headers_mut().extend(headers.into_iter().flatten());
    response
}
