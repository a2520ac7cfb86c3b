//! NDJSON: any number of updates in one request, published while the body still comes, one result line each, in order.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use tidings_hub::{Hub, PublishError, Publishing, Receipt, Update};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::field::display;
use tracing::info;

use super::Publisher;
use super::ndjson::{Line, NdjsonLines, write_accepted, write_refused};
use crate::auth::AuthError;
use crate::body::{Body, Piece};
use crate::metrics::Metrics;
use crate::reject::Refusal;
use crate::server::Call;
use crate::told::Told;

/// How many bytes of results wait for a publisher that sends but does not read yet. Many clients read only once they
/// have sent everything; past this much the hub stops reading, too. Weighed and not only counted: the results of lines
/// that are no updates are up to fifty times as long as the lines.
const MAX_WAITING_BYTES: u32 = 8 * 1024 * 1024;
/// How many pieces these bytes may come in.
const MAX_WAITING_PIECES: usize = 1_024;
/// How many pieces of the body may be on their way to the log. A log on disk or on other machines takes its time for each.
const MAX_UNDER_WAY: usize = 16;

/// Answers at once and publishes as the lines come.
pub(super) fn answer<B>(call: &Call<'_>, publisher: Publisher, body: B) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    let shared = call.shared();
    let (results, pieces) = mpsc::channel(MAX_WAITING_PIECES);
    let bulk = Bulk {
        hub: shared.hub.clone(),
        metrics: Arc::clone(&shared.metrics),
        log_away: Arc::clone(&shared.log_away),
        timeout: shared.config.requests.body_timeout,
        max_line_bytes: shared.config.requests.body_bytes,
        path: call.parts.uri.path().to_owned(),
        address: call.address,
        logged: BTreeSet::new(),
        publisher,
        room: Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize)),
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
    log_away: Arc<Told>,
    /// How long the next piece of the body may take.
    timeout: Duration,
    /// How long a line may be: as long as the body of a request with one update.
    max_line_bytes: usize,
    /// What the request was for, without the query, which may hold a token; and who sent it.
    path: String,
    address: Option<IpAddr>,
    /// The reasons for which a line was refused that are in the log already.
    logged: BTreeSet<&'static str>,
    publisher: Publisher,
    /// One permit for each byte of results that may wait.
    room: Arc<Semaphore>,
    results: mpsc::Sender<Piece>,
}

impl Bulk {
    /// Reads the body to its end. It stops early when nobody waits for results any more, when the token expires, and when
    /// its holder is thrown out.
    async fn run<B>(mut self, mut body: B)
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let mut lines = NdjsonLines::new(self.max_line_bytes);
        let mut under_way = VecDeque::new();
        let mut deadline = Instant::now() + self.timeout;
        let end = loop {
            // What is on its way to the log goes on while more lines are read.
            let frame = tokio::select! {
                biased;
                Some(settled) = next_settled(&mut under_way) => {
                    if !self.send_results(settled).await {
                        return;
                    }
                    // The time until now was the log's, or that of who reads the results.
                    deadline = Instant::now() + self.timeout;
                    continue;
                }
                frame = tokio::time::timeout_at(deadline, body.frame()),
                    if under_way.len() < MAX_UNDER_WAY => frame,
            };
            deadline = Instant::now() + self.timeout;
            if self.publisher.expires_at.is_some_and(|end| Instant::now() >= end) {
                break Some(Refusal::Auth(AuthError::Expired));
            }
            if let Err(kicked) = self.publisher.standing.check() {
                break Some(Refusal::Auth(kicked));
            }
            match frame {
                Ok(Some(Ok(frame))) => {
                    if let Ok(chunk) = frame.into_data() {
                        under_way.push_back(self.publish(lines.feed(&chunk)));
                    }
                }
                Ok(None) => {
                    let last = std::mem::replace(&mut lines, NdjsonLines::new(0));
                    under_way.push_back(self.publish(last.finish()));
                    break None;
                }
                Ok(Some(Err(_))) => break None,
                // Who sends may wait for a result first.
                Err(_elapsed) if !under_way.is_empty() => {}
                Err(_elapsed) => break Some(Refusal::BodyTimeout),
            }
        };
        while let Some(settled) = next_settled(&mut under_way).await {
            if !self.send_results(settled).await {
                return;
            }
        }
        if let Some(refusal) = end {
            self.end(lines.next_number(), &refusal).await;
        }
    }

    /// Refuses the line that has not ended, and with it the rest of the body.
    async fn end(&mut self, number: usize, refusal: &Refusal) {
        let mut piece = Vec::new();
        self.refuse(&mut piece, number, refusal);
        self.send(piece.into()).await;
    }

    /// Hands results over once there is room for them; `false` when nobody waits for them any more.
    async fn send(&self, bytes: Bytes) -> bool {
        if bytes.is_empty() {
            return !self.results.is_closed();
        }
        let weight = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(MAX_WAITING_BYTES);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(weight).await else {
            return false;
        };
        self.results.send(Piece::new(bytes, room)).await.is_ok()
    }

    /// Publishes the updates of some lines together.
    fn publish<'c>(&mut self, lines: impl IntoIterator<Item = Line<'c>>) -> UnderWay {
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
        UnderWay { numbers, refused, publishing: self.hub.publish_all(updates) }
    }

    /// Sends the results of some lines; `false` when nobody waits for them any more.
    async fn send_results(&mut self, settled: Settled) -> bool {
        let mut piece = Vec::new();
        let mut refused = settled.refused.into_iter().peekable();
        for (number, result) in settled.results {
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
        self.send(piece.into()).await
    }

    fn check(&self, line: Line<'_>) -> Result<Update, Refusal> {
        let number = line.number();
        let update = line.parse(&self.publisher.limits)?;
        self.publisher.check(&update)?;
        Ok(self.publisher.keyed(update, Some(number)))
    }

    /// Writes a line's refusal and counts it. The log has one line a request and reason: a body may have millions.
    fn refuse(&mut self, piece: &mut Vec<u8>, number: usize, refusal: &Refusal) {
        let (status, reason) = (refusal.status().as_u16(), refusal.reason());
        self.metrics.refused(reason);
        if refusal.is_noteworthy()
            && !self.logged.contains(reason)
            && refusal.is_news(&self.log_away)
        {
            self.logged.insert(reason);
            let (path, address) = (self.path.as_str(), self.address.map(display));
            let cause = refusal.unavailable().map(display);
            info!(path, address, status, reason, line = number, detail = %refusal, cause, "refused");
        }
        write_refused(piece, number, reason, refusal);
    }
}

/// Lines whose updates are on their way to the log.
struct UnderWay {
    /// The numbers of those that are published, and of those that are refused, both ascending.
    numbers: Vec<usize>,
    refused: Vec<(usize, Refusal)>,
    publishing: Publishing<Vec<Result<Receipt, PublishError>>>,
}

/// Lines whose results are known.
struct Settled {
    refused: Vec<(usize, Refusal)>,
    results: Vec<(usize, Result<Receipt, PublishError>)>,
}

/// Waits for the results of the first of several groups of lines, if there is one. Cancel safe.
async fn next_settled(under_way: &mut VecDeque<UnderWay>) -> Option<Settled> {
    let results = (&mut under_way.front_mut()?.publishing).await;
    let UnderWay { numbers, refused, .. } = under_way.pop_front()?;
    Some(Settled { refused, results: numbers.into_iter().zip(results).collect() })
}
