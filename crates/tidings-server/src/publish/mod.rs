//! `POST` on the hub: one update as a form or JSON, several as a JSON array, or any number as NDJSON.

mod bulk;
mod draft;
mod form;
mod json;
mod ndjson;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use tidings_hub::{Grants, Receipt, Update};
use tidings_wire::EventId;
use tokio::time::Instant;

#[cfg(test)]
pub(crate) use draft::IdFault;
pub(crate) use draft::{DraftError, DraftLimits};
use json::JsonUpdates;

use crate::auth::kicks::Standing;
use crate::auth::{Identity, Role};
use crate::body::Body;
use crate::reject::Refusal;
use crate::server::{Call, Shared};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How long an idempotency key may be, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// Publishes what the body holds.
pub(crate) async fn answer<B>(call: &Call<'_>, body: B) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let identity = call.identify(Role::Publisher).await?;
    let publisher = Publisher::new(call, identity)?;
    match media_type(call) {
        MediaType::Ndjson => Ok(bulk::answer(call, publisher, body)),
        MediaType::Json => {
            let body = whole(call, body).await?;
            match json::parse_json(&body, &publisher.limits)? {
                JsonUpdates::One(update) => {
                    let receipt = publisher.publish(call.shared(), update, None).await?;
                    Ok(json_response(&Published { id: &receipt.id }))
                }
                JsonUpdates::Many(updates) => publisher.publish_array(call.shared(), updates).await,
            }
        }
        // Whatever else it is, an update without a topic is what the publisher is told, as by other hubs (PUB-2).
        MediaType::Form => {
            let body = whole(call, body).await?;
            let update = form::parse_form(&body, &publisher.limits)?;
            let receipt = publisher.publish(call.shared(), update, None).await?;
            let mut response = Response::new(receipt.id.as_str().to_owned().into());
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, text);
            Ok(response)
        }
        MediaType::Other => Err(Refusal::UnsupportedMediaType),
    }
}

enum MediaType {
    Form,
    Json,
    Ndjson,
    Other,
}

fn media_type(call: &Call<'_>) -> MediaType {
    let Some(value) = call.parts.headers.get(CONTENT_TYPE) else { return MediaType::Other };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => MediaType::Form,
        "application/json" => MediaType::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => MediaType::Ndjson,
        _ => MediaType::Other,
    }
}

/// Reads a whole body, within its limits of size and time.
async fn whole<B>(call: &Call<'_>, body: B) -> Result<Bytes, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let limits = &call.shared().config.requests;
    let limit = limits.body_bytes;
    let read = Limited::new(body.map_err(|_| Broken), limit).collect();
    match tokio::time::timeout(limits.body_timeout, read).await {
        Err(_) => Err(Refusal::BodyTimeout),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge { limit }),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

/// Stands for whatever broke the body off: the client learns no more than that.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for Broken {}

/// Who publishes, and what goes for all updates of one request.
struct Publisher {
    grants: Grants,
    limits: DraftLimits,
    /// When the token expires, if it does.
    expires_at: Option<Instant>,
    /// The request's idempotency key, within its scope: the token's `sub`. Users cannot use up one another's keys. All
    /// who have a token without `sub`, or none, share one scope. A key that is used again for another update is refused.
    key: Option<String>,
    standing: Standing,
}

impl Publisher {
    fn new(call: &Call<'_>, identity: Identity) -> Result<Self, Refusal> {
        let what = "publish";
        let expires_at = identity.expiry();
        let standing = call.standing(&identity);
        let grants = identity.publish.ok_or(Refusal::Forbidden { what })?;
        let requests = &call.shared().config.requests;
        let limits = DraftLimits {
            max_topics: requests.topics_per_update,
            max_data_bytes: requests.update_bytes,
            ..DraftLimits::default()
        };
        let key = idempotency_key(call)?;
        let user = identity.user.as_deref().unwrap_or_default();
        let key = key.map(|key| format!("{user}\n{key}"));
        Ok(Self { grants, limits, expires_at, key, standing })
    }

    /// Every topic must be granted, or nothing is published (PUB-7).
    fn check(&self, update: &Update) -> Result<(), Refusal> {
        if update.topics.iter().all(|topic| self.grants.allows(topic)) {
            Ok(())
        } else {
            Err(Refusal::Forbidden { what: "publish to one of these topics" })
        }
    }

    /// Of several updates in one request each has a key of its own, made from its place.
    fn keyed(&self, update: Update, place: Option<usize>) -> Update {
        match (&self.key, place) {
            (None, _) => update,
            (Some(key), None) => update.with_idempotency_key(key.as_str()),
            (Some(key), Some(place)) => update.with_idempotency_key(format!("{key}\n{place}")),
        }
    }

    async fn publish(
        &self,
        shared: &Shared,
        update: Update,
        place: Option<usize>,
    ) -> Result<Receipt, Refusal> {
        self.check(&update)?;
        // The body has taken its time.
        self.standing.check()?;
        Ok(shared.hub.publish(self.keyed(update, place)).await?)
    }

    /// Publishes all, with no other publisher's update between them, or, where one is refused, none.
    async fn publish_array(
        &self,
        shared: &Shared,
        updates: Vec<Update>,
    ) -> Result<Response<Body>, Refusal> {
        for update in &updates {
            self.check(update)?;
        }
        let keyed =
            updates.into_iter().enumerate().map(|(place, update)| self.keyed(update, Some(place)));
        self.standing.check()?;
        let receipts = shared.hub.publish_batch(keyed).await?;
        let published: Vec<Published<'_>> =
            receipts.iter().map(|receipt| Published { id: &receipt.id }).collect();
        Ok(json_response(&published))
    }
}

fn idempotency_key(call: &Call<'_>) -> Result<Option<String>, Refusal> {
    let mut values = call.parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().map_err(|_| Refusal::BadIdempotencyKey)?.trim();
    let good = !key.is_empty() && key.len() <= MAX_KEY_BYTES && values.next().is_none();
    if good { Ok(Some(key.to_owned())) } else { Err(Refusal::BadIdempotencyKey) }
}

/// The answer to one update as JSON.
#[derive(Serialize)]
struct Published<'a> {
    #[serde(serialize_with = "as_text")]
    id: &'a EventId,
}

fn as_text<S: serde::Serializer>(id: &EventId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

fn json_response(document: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(serde_json::to_vec(document).unwrap_or_default().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
