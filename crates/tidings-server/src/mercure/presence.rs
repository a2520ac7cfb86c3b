//! Active subscriptions in their 0.x shape: the updates that announce them and the documents that list them
//! (Mercure ACT-1, ACT-2, ACT-6).

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_hub::{Announcer, Selector, Subscriber, SubscriberId, Update};

use super::{CONTEXT, SUBSCRIPTIONS_PATH};
use crate::cluster::OpenSubscription;

/// All but what a template's variable leaves as it is (RFC 6570, 3.2.2).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Announces each selector of a subscription as a private update of its own.
#[derive(Debug)]
pub(crate) struct PresenceAnnouncer;

impl Announcer for PresenceAnnouncer {
    fn joined(&self, subscriber: &Subscriber) -> Vec<Update> {
        announcements(subscriber, true)
    }

    fn left(&self, subscriber: &Subscriber) -> Vec<Update> {
        announcements(subscriber, false)
    }
}

fn announcements(subscriber: &Subscriber, active: bool) -> Vec<Update> {
    let announcement = |selector: &Selector| {
        let open = open_subscription(subscriber, selector);
        let document = SubscriptionDocument::new(open, active).with_context();
        let data = serde_json::to_string_pretty(&document).ok()?;
        // Not the document's id for the event's: beginning and end of a subscription share it, and an event's id is a
        // place in the log.
        Some(Update::new(document.id, data).private())
    };
    subscriber.selectors.iter().filter_map(announcement).collect()
}

/// One selector of one subscription.
#[derive(Debug, Serialize)]
struct SubscriptionDocument {
    #[serde(rename = "@context", skip_serializing_if = "Option::is_none")]
    context: Option<&'static str>,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subscriber: String,
    topic: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(rename = "lastEventID", skip_serializing_if = "Option::is_none")]
    last_event_id: Option<String>,
}

impl SubscriptionDocument {
    fn new(open: OpenSubscription, active: bool) -> Self {
        let OpenSubscription { subscriber, topic, payload } = open;
        Self {
            context: None,
            id: format!("{SUBSCRIPTIONS_PATH}/{}/{}", escape(&topic), escape(&subscriber)),
            kind: "Subscription",
            subscriber,
            topic,
            active,
            payload: payload.and_then(|json| RawValue::from_string(json).ok()),
            last_event_id: None,
        }
    }

    fn with_context(self) -> Self {
        Self { context: Some(CONTEXT), ..self }
    }
}

/// The open subscriptions to one selector, or to any, of one subscriber, or of any.
pub(crate) fn open(
    subscribers: &[Arc<Subscriber>],
    topic: Option<&str>,
    subscriber: Option<&str>,
) -> Vec<OpenSubscription> {
    // What is no URN names nobody.
    let subscriber = subscriber.map(|urn| urn.parse::<SubscriberId>().ok());
    subscribers
        .iter()
        .filter(|open| subscriber.is_none_or(|wanted| wanted == Some(open.id)))
        .flat_map(|open| open.selectors.iter().map(move |selector| (open, selector)))
        .filter(|(_, selector)| topic.is_none_or(|wanted| selector.as_str() == wanted))
        .map(|(open, selector)| open_subscription(open, selector))
        .collect()
}

fn open_subscription(subscriber: &Subscriber, selector: &Selector) -> OpenSubscription {
    OpenSubscription {
        subscriber: subscriber.id.to_string(),
        topic: selector.as_str().to_owned(),
        payload: subscriber.payload.as_deref().map(str::to_owned),
    }
}

/// The list of open subscriptions.
pub(crate) fn collection(
    request_uri: &str,
    last_event_id: &str,
    open: Vec<OpenSubscription>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Collection<'a> {
        #[serde(rename = "@context")]
        context: &'static str,
        id: &'a str,
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(rename = "lastEventID")]
        last_event_id: &'a str,
        subscriptions: Vec<SubscriptionDocument>,
    }
    let collection = Collection {
        context: CONTEXT,
        id: request_uri,
        kind: "Subscriptions",
        last_event_id,
        subscriptions: open.into_iter().map(|open| SubscriptionDocument::new(open, true)).collect(),
    };
    serde_json::to_vec_pretty(&collection).unwrap_or_default()
}

/// One open subscription on its own.
pub(crate) fn single(open: OpenSubscription, last_event_id: &str) -> Vec<u8> {
    let last_event_id = Some(last_event_id.to_owned());
    let document = SubscriptionDocument::new(open, true).with_context();
    let document = SubscriptionDocument { last_event_id, ..document };
    serde_json::to_vec_pretty(&document).unwrap_or_default()
}

/// Escapes as the expansion of a template does. The reference hub writes a space as `+`, which no template of a token
/// covers.
fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Undoes [`escape`], and the reference hub's escaping, too; `None` if the result is not UTF-8.
pub(crate) fn unescape(segment: &str) -> Option<String> {
    let spaced = segment.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}
