//! NDJSON: any number of updates in one request, published while the body still comes, one result line each, in order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use tidings_hub::{Hub, Update};
use tokio::sync::mpsc;

use super::Publisher;
use super::ndjson::{Line, NdjsonLines, write_accepted, write_refused};
use crate::body::Body;
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::server::Call;

/// How many pieces of results wait for a publisher that sends but does not read yet. Many clients read only once they
/// have sent everything; past this much the hub stops reading, too.
const MAX_WAITING_RESULTS: usize = 1_024;
/// What a line takes beside its data at the most: its other fields, and the escapes of JSON.
const LINE_OVERHEAD_BYTES: usize = 64 * 1024;

/// Answers at once and publishes as the lines come.
pub(super) fn answer<B>(call: &Call<'_>, publisher: Publisher, body: B) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let shared = call.shared();
    let (results, pieces) = mpsc::channel(MAX_WAITING_RESULTS);
    let bulk = Bulk {
        hub: shared.hub.clone(),
        metrics: Arc::clone(&shared.metrics),
        timeout: shared.config.requests.body_timeout,
        publisher,
        results,
    };
    tokio::spawn(bulk.run(body));
    let mut response = Response::new(Body::pieces(pieces));
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, ndjson);
    response
}

/// A bulk publish under way.
struct Bulk {
    hub: Hub,
    metrics: Arc<Metrics>,
    /// How long the next piece of the body may take.
    timeout: Duration,
    publisher: Publisher,
    results: mpsc::Sender<Bytes>,
}

impl Bulk {
    /// Reads the body to its end. It stops early when nobody waits for results any more.
    async fn run<B>(self, mut body: B)
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let mut lines =
            NdjsonLines::new(2 * self.publisher.limits.max_data_bytes + LINE_OVERHEAD_BYTES);
        loop {
            let frame = tokio::time::timeout(self.timeout, body.frame()).await;
            let piece = match frame {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) => self.publish(lines.feed(&chunk)),
                    Err(_trailers) => continue,
                },
                Ok(None) => {
                    let last = self.publish(lines.finish());
                    return drop(self.results.send(last).await);
                }
                Ok(Some(Err(_))) => return,
                Err(_elapsed) => {
                    let mut piece = Vec::new();
                    self.refuse(&mut piece, lines.next_number(), &Refusal::BodyTimeout);
                    return drop(self.results.send(piece.into()).await);
                }
            };
            if !piece.is_empty() && self.results.send(piece).await.is_err() {
                return;
            }
        }
    }

    /// Publishes the updates of some lines together, and gives the lines' results.
    fn publish<'c>(&self, lines: impl IntoIterator<Item = Line<'c>>) -> Bytes {
        let mut updates = Vec::new();
        let mut refused = Vec::new();
        let mut numbers = Vec::new();
        for line in lines {
            let number = line.number();
            match self.check(line) {
                Ok(update) => {
                    updates.push(update);
                    numbers.push(number);
                }
                Err(refusal) => refused.push((number, refusal)),
            }
        }
        let mut piece = Vec::new();
        let mut refused = refused.into_iter().peekable();
        for (number, result) in numbers.into_iter().zip(self.hub.publish_all(updates)) {
            while let Some((number, refusal)) = refused.next_if(|(earlier, _)| *earlier < number) {
                self.refuse(&mut piece, number, &refusal);
            }
            match result {
                Ok(receipt) => write_accepted(&mut piece, receipt.id.as_str()),
                Err(error) => self.refuse(&mut piece, number, &Refusal::Publish(error)),
            }
        }
        for (number, refusal) in refused {
            self.refuse(&mut piece, number, &refusal);
        }
        piece.into()
    }

    fn check(&self, line: Line<'_>) -> Result<Update, Refusal> {
        let number = line.number();
        let update = line.parse(&self.publisher.limits)?;
        self.publisher.check(&update)?;
        Ok(self.publisher.keyed(update, Some(number)))
    }

    fn refuse(&self, piece: &mut Vec<u8>, number: usize, refusal: &Refusal) {
        self.metrics.refused(refusal.reason());
        write_refused(piece, number, refusal.reason(), refusal);
    }
}
