//! A subscription over as many connections as it takes: each one starts after the last event that
//! was printed.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::Context as _;
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Deserialize;
use tidings_wire::{Chunk, Decoder, EventId, EventRef, Item};

use super::{backoff::Backoff, print::Style};
use crate::{
    args::SubscribeArgs,
    remote::{Refused, Remote, root_cause},
    terminal::printable,
};

/// A stream that is silent for so long is lost: hubs send a comment at least every 45 seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Prints events until the hub says there will be none.
///
/// # Errors
/// [`Refused`] when the hub turns the subscription away for good; anything else when it cannot be
/// read or printed.
pub(crate) async fn subscribe(arguments: SubscribeArgs) -> anyhow::Result<()> {
    let remote = Remote::new(&arguments.remote, |client| client.read_timeout(SILENCE_LIMIT))?;
    let mut decoder = Decoder::new();
    if let Some(id) = arguments.last_event_id {
        let id = EventId::new(id).context("--last-event-id is no event id")?;
        decoder = decoder.with_last_event_id(&id);
    }
    let style = Style::of_stdout(arguments.json);
    let backoff = Backoff::new(fastrand::f64());
    let mut session = Session { remote, topics: arguments.topics, decoder, backoff, style };
    while let End::Again { why, at_least } = session.connect().await? {
        session.decoder.finish();
        let wait = session.backoff.next(at_least, fastrand::f64());
        note(&format!("{why}; again in {:.1} s", wait.as_secs_f64()))?;
        tokio::time::sleep(wait).await;
    }
    Ok(())
}

/// How a connection ended.
enum End {
    /// There will be no more events (204, WHATWG HTML 9.2.3).
    Done,
    /// Another connection may do better, after a while.
    Again { why: String, at_least: Option<Duration> },
}

struct Session {
    remote: Remote,
    topics: Vec<String>,
    /// Holds the last event id over all connections.
    decoder: Decoder,
    backoff: Backoff,
    style: Style,
}

impl Session {
    /// One connection, from the request to its end.
    async fn connect(&mut self) -> anyhow::Result<End> {
        let response = match self.request().send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Err(error.without_url().into()),
            Err(error) => {
                let why = format!("cannot reach {}: {}", self.remote.name(), root_cause(error));
                return Ok(End::Again { why, at_least: None });
            }
        };
        match response.status() {
            StatusCode::OK => {
                check_content_type(&response)?;
                self.read(response).await
            }
            StatusCode::NO_CONTENT => Ok(End::Done),
            status => {
                let refused = Refused::read(response).await;
                if waiting_helps(status) {
                    return Ok(End::Again {
                        why: refused.to_string(),
                        at_least: refused.retry_after,
                    });
                }
                Err(refused.into())
            }
        }
    }

    fn request(&self) -> reqwest::RequestBuilder {
        let id = self.decoder.last_event_id();
        let header = HeaderValue::from_bytes(id.as_bytes());
        // An id with control characters fits in no header.
        let in_query = header.is_err().then_some(("lastEventID", id));
        let topics = self.topics.iter().map(|topic| ("topic", topic.as_str()));
        let request = self.remote.request(Method::GET, topics.chain(in_query));
        let request = request.header(ACCEPT, "text/event-stream").header(CACHE_CONTROL, "no-store");
        match header {
            Ok(value) if !id.is_empty() => request.header(LAST_EVENT_ID, value),
            _ => request,
        }
    }

    /// Prints the stream's events until it ends.
    async fn read(&mut self, mut response: Response) -> anyhow::Result<End> {
        let mut refusal = None;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    self.backoff.succeed();
                    return Ok(End::Again {
                        why: format!("the stream broke off: {}", root_cause(error)),
                        at_least: None,
                    });
                }
            };
            let mut chunk = Chunk::new(&chunk);
            while let Some(item) =
                self.decoder.decode(&mut chunk).context("the stream cannot be read")?
            {
                match item {
                    Item::Event(event) if is_from_hub(event.event_type) => {
                        note(&format!("{}: {}", event.event_type, event.data))?;
                        if event.event_type == "refused" {
                            refusal = Some(refused_for(event));
                        }
                    }
                    Item::Event(event) => self.style.print(event)?,
                    Item::Retry(retry) => self.backoff.ask(retry),
                    Item::Comment(_) => {}
                }
            }
        }
        if refusal.is_none() {
            self.backoff.succeed();
        }
        Ok(End::Again { why: "the stream ended".to_owned(), at_least: refusal.flatten() })
    }
}

/// What the hub itself adds to a stream, never an update.
fn is_from_hub(event_type: &str) -> bool {
    matches!(event_type, "gap" | "refused" | "expired" | "drain")
}

/// How long a `refused` event asks to wait.
fn refused_for(event: EventRef<'_>) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Refusal {
        retry_ms: u64,
    }
    let refusal = serde_json::from_str::<Refusal>(event.data).ok()?;
    Some(Duration::from_millis(refusal.retry_ms))
}

/// Whether the same request may be answered otherwise later.
fn waiting_helps(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn check_content_type(response: &Response) -> anyhow::Result<()> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    anyhow::ensure!(
        essence.eq_ignore_ascii_case("text/event-stream"),
        "the answer is {essence:?}, not an event stream: is this a hub?"
    );
    Ok(())
}

fn note(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "tidings: {}", printable(text))
}
