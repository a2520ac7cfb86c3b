//! The one task that appends: it takes what waits, sends it in batches, several under way at a time, and tells the
//! results in order.
//!
//! Nothing is ever sent twice. What was under way when the connection was lost has failed for whoever waits for it, and
//! may be in the log all the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use redis::{Cmd, Value};
use tidings_hub::{Epoch, Unavailable};
use tokio::sync::mpsc;

use super::answer;
use super::backoff::Backoff;
use super::batch::{Batch, Outcome};
use super::engine::{Engine, OpenError};
use super::fault::{Done, Fault};
use super::node::Node;
use super::queue::Queue;
use super::session::Session;
use crate::Retention;

/// How many batches are under way at a time. A further one is sent only when it is full: what comes meanwhile is better
/// off together in the next one than each part with a write to the server's disk of its own.
const MAX_FLYING: usize = 4;

const DOING: &str = "append";

/// Who appends.
pub(super) struct Writer {
    pub(super) engine: Arc<Engine>,
    pub(super) node: Arc<Node>,
    pub(super) queue: Arc<Queue>,
    pub(super) retention: Retention,
    /// How many replicas must have an update.
    pub(super) replicas: u32,
    /// For how long they are waited for.
    pub(super) timeout: Duration,
    /// What the server calls the latest connection.
    pub(super) client: Option<Client>,
}

/// What a server calls a connection.
pub(super) struct Client {
    id: String,
    /// A server that was started again gives the same numbers to others; another address keeps them apart.
    address: String,
}

impl Client {
    /// From what `CLIENT INFO` answers.
    fn read(info: Value) -> Option<Self> {
        let info = answer::text(info)?;
        let word = |name| info.split_whitespace().find_map(|word| word.strip_prefix(name));
        Some(Self { id: word("id=")?.to_owned(), address: word("addr=")?.to_owned() })
    }
}

/// A connection to append on.
pub(super) struct Line {
    session: Session,
    /// Of which log it was when the connection was made.
    epoch: Epoch,
    /// Closed when the connection ends.
    end: mpsc::Receiver<Vec<u8>>,
}

/// What a flight ends with: what the script answers, and how many replicas have it, where that was asked.
type Landing = Result<(Value, Option<Value>), Fault>;

impl Writer {
    /// Connects, and makes sure that the log is the one that is known.
    pub(super) async fn open(&mut self) -> Result<Line, OpenError> {
        let (pushed, end) = mpsc::channel(1);
        let more = if self.replicas > 0 { self.timeout } else { Duration::ZERO };
        let session = Session::open(&self.engine, &self.node.keys, more, pushed).await?;
        let ask = |command: &str| {
            let mut asked = Cmd::new();
            asked.arg("CLIENT").arg(command);
            asked
        };
        if let Some(before) = self.client.take() {
            let mut kill = ask("KILL");
            kill.arg("ID").arg(before.id).arg("ADDR").arg(before.address);
            // What the server has not read yet of the connection before must not come after what is sent on this one.
            // It is no loss where the user may not do this: then it only comes late.
            drop(session.send(kill, DOING).await);
        }
        self.client = session.send(ask("INFO"), DOING).await.ok().and_then(Client::read);
        let bounds = self.node.settle(&session).await.map_err(OpenError::Fault)?;
        self.warn_of_eviction(&session).await;
        Ok(Line { session, epoch: bounds.epoch, end })
    }

    /// Says so where the server may drop the log to make room.
    async fn warn_of_eviction(&self, session: &Session) {
        let mut ask = Cmd::new();
        ask.arg("INFO").arg("memory");
        // Where the user may not ask for it, nothing is known, and nothing said.
        let info = session.send(ask, DOING).await.ok().and_then(answer::text).unwrap_or_default();
        if let Some(policy) = eviction(&info) {
            let place = self.engine.place();
            tracing::warn!(%place, %policy, "a Redis server that is short of memory may drop the log: set its maxmemory-policy to noeviction");
        }
    }

    /// Appends what comes until nothing more does, over as many connections as it takes.
    pub(super) async fn run(mut self, mut line: Line) {
        loop {
            let Some(why) = self.serve(line).await else { return };
            tracing::warn!(%why, "nothing can be appended for now");
            self.queue.away(&why);
            let mut backoff = Backoff::new();
            line = loop {
                match self.open().await {
                    Ok(line) => break line,
                    Err(error) => self.queue.away(&error.into_fault(self.engine.place()).why),
                }
                tokio::select! {
                    () = backoff.pause() => {}
                    () = self.queue.closed() => return,
                }
            };
            tracing::info!(place = %self.engine.place(), "updates are appended again");
            self.queue.back();
        }
    }

    /// Appends on one connection. Says why it is of no more use; `None` when nothing more comes.
    async fn serve(&self, mut line: Line) -> Option<Unavailable> {
        let mut flying = FuturesOrdered::new();
        let mut batches: VecDeque<Batch> = VecDeque::new();
        let mut is_closed = false;
        let why = loop {
            tokio::select! {
                biased;
                Some(landing) = flying.next() => {
                    let Some(batch) = batches.pop_front() else { continue };
                    if let Err(why) = self.land(batch, landing) {
                        break why;
                    }
                    // Those who were told now may have more for the next batch.
                    tokio::task::yield_now().await;
                }
                batch = self.queue.next(!batches.is_empty()), if batches.len() < MAX_FLYING && !is_closed => match batch {
                    Some(chunks) => {
                        let batch = Batch::new(chunks, self.node.epoch().unwrap_or(line.epoch));
                        flying.push_back(self.fly(line.session.clone(), batch.command(&line.session, &self.retention)));
                        batches.push_back(batch);
                    }
                    None => is_closed = true,
                },
                None = line.end.recv() => {
                    break Fault::strange(self.engine.place(), DOING, "the connection was lost").why;
                }
            }
            if is_closed && batches.is_empty() {
                return None;
            }
        };
        for batch in batches {
            self.queue.settled(batch.bytes);
            batch.fail(&why);
        }
        Some(why)
    }

    /// Sends a batch when it is first polled.
    fn fly(&self, session: Session, command: Cmd) -> impl Future<Output = Landing> + use<> {
        let (replicas, timeout) = (self.replicas, self.timeout);
        async move {
            if replicas == 0 {
                return Ok((session.send(command, DOING).await?, None));
            }
            let mut wait = Cmd::new();
            wait.arg("WAIT")
                .arg(replicas)
                .arg(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
            let (answer, reached) = session.send_two(command, wait, DOING).await?;
            Ok((answer, Some(reached)))
        }
    }

    /// Tells a batch's results. The error: the connection is of no more use, or the log is not as known.
    fn land(&self, batch: Batch, landing: Landing) -> Result<(), Unavailable> {
        self.queue.settled(batch.bytes);
        let (answer, reached) = match landing {
            Ok(landed) => landed,
            Err(fault) => {
                let why = if fault.done == Done::No {
                    fault.why
                } else {
                    Unavailable::new(format_args!("{}; the update may be in the log", fault.why))
                };
                batch.fail(&why);
                return if fault.ends_connection { Err(why) } else { Ok(()) };
            }
        };
        let reached = reached.map(|reached| answer::number(reached).unwrap_or(0));
        if let Some(reached) = reached.filter(|reached| *reached < self.replicas.into()) {
            let asked = self.replicas;
            let what = format_args!(
                "only {reached} of {asked} replicas have it in time; the update may be in the log: look after the replicas"
            );
            batch.fail(&Fault::strange(self.engine.place(), DOING, what).why);
            return Ok(());
        }
        let epoch = batch.epoch;
        match batch.settle(answer) {
            (Outcome::Appended(newest), _) => {
                if let Some((seq, record)) = newest {
                    self.node.saw(epoch, seq, &record);
                }
                Ok(())
            }
            (outcome, failed) => {
                let what = match outcome {
                    Outcome::Lost => "the log was deleted or begun anew meanwhile; publish again",
                    _ => "the answer makes no sense; the update may be in the log",
                };
                let why = Fault::strange(self.engine.place(), DOING, what).why;
                if let Some(batch) = failed {
                    batch.fail(&why);
                }
                // A new connection settles which log it is.
                Err(why)
            }
        }
    }
}

/// By which policy a server drops keys when it is short of memory, if it does, from what `INFO memory` answers.
fn eviction(info: &str) -> Option<&str> {
    let policy = info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"))?.trim();
    (policy != "noeviction").then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_drops_keys_is_noticed() {
        let info =
            |policy| format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\nx:1\r\n");
        assert_eq!(eviction(&info("noeviction")), None);
        assert_eq!(eviction(&info("allkeys-lru")), Some("allkeys-lru"));
        assert_eq!(eviction(""), None);
    }
}
