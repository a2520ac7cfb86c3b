//! One update published, as the form that every Mercure hub takes.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use bytes::Bytes;
use reqwest::Response;
use tidings_wire::EventId;
use tokio::time::timeout;

use super::error::{PublishError, PublishFailure};
use super::exchange::{Exchange, Failed};
use super::key;
use super::publisher::Publisher;
use super::update::Update;

/// The longest id that a hub is believed to give.
const MAX_ID_BYTES: usize = 64 << 10;

/// A publish to be awaited: the update's id, or why there is none.
#[must_use = "nothing is published until it is awaited"]
pub struct Publish {
    publisher: Publisher,
    form: Bytes,
    key: Option<String>,
}

impl Publish {
    pub(crate) fn new(publisher: Publisher, update: &Update) -> Self {
        Self { publisher, form: form(update).into(), key: None }
    }

    /// Sets the idempotency key: a publish that is repeated with it, by this program or the next, is published once. 1 to
    /// 255 ASCII characters. Default: a random one.
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn run(self) -> Result<String, PublishError> {
        let key = self.key.unwrap_or_else(key::random);
        let mut exchange = Exchange::new(self.publisher, "application/x-www-form-urlencoded", key);
        loop {
            let failed = match exchange.ask(self.form.clone()).await {
                Ok(response) => {
                    let within = exchange.answer_timeout();
                    match timeout(within, read_id(response)).await {
                        Ok(Ok(id)) => return Ok(id),
                        Ok(Err(failed)) => failed,
                        Err(_) => Failed::again(PublishFailure::NoAnswer { within }),
                    }
                }
                Err(failed) => failed,
            };
            exchange.wait_after(failed).await?;
        }
    }
}

impl IntoFuture for Publish {
    type Output = Result<String, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

/// Reads the id that the update was given.
async fn read_id(mut response: Response) -> Result<String, Failed> {
    let mut id = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if id.len() + chunk.len() <= MAX_ID_BYTES => {
                id.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(Failed::for_good(PublishFailure::BadAnswer)),
            Ok(None) => break,
            Err(error) => {
                let cause = Box::new(error.without_url());
                return Err(Failed::again(PublishFailure::Broken(cause)));
            }
        }
    }
    let Ok(mut id) = String::from_utf8(id) else {
        return Err(Failed::for_good(PublishFailure::BadAnswer));
    };
    id.truncate(id.trim_end_matches(['\r', '\n']).len());
    // An id fits in a line of a stream, which a page of a website does not.
    if EventId::new(id.as_str()).is_ok() {
        Ok(id)
    } else {
        Err(Failed::for_good(PublishFailure::BadAnswer))
    }
}

/// The update as a form. A field that is empty counts as absent, so it is.
fn form(update: &Update) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for topic in &update.topics {
        form.append_pair("topic", topic);
    }
    if !update.data.is_empty() {
        form.append_pair("data", &update.data);
    }
    let optional = [("type", &update.event_type), ("id", &update.id)];
    for (name, value) in optional {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    if let Some(retry) = update.retry {
        form.append_pair("retry", &retry.as_millis().to_string());
    }
    if update.private {
        form.append_pair("private", "on");
    }
    form.finish()
}
