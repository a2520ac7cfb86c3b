//! Following the log: a task with a connection of its own waits in the server for what comes next, and reads it in
//! pages where there is more.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use redis::{Cmd, Value};
use tidings_hub::{Bounds, Epoch, Follow, Logged, News};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::answer::{self, Updates};
use super::backoff::Backoff;
use super::engine::Engine;
use super::fault::{Done, Fault};
use super::node::Node;
use super::pace::Pace;
use super::read;
use super::session::Session;

/// How many updates are in a page at the most.
const MAX_UPDATES: usize = 256;
/// How long the server is asked to wait for something new.
const WAIT: Duration = Duration::from_secs(1);
/// How often the log is looked at while updates pour in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many news wait for who follows. None has more bytes than are asked for at a time, beside a single record that is
/// larger; the server keeps the rest.
const MAX_NEWS: usize = 2;

/// Who follows the log.
pub(super) struct RedisFollow {
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl RedisFollow {
    pub(super) fn new(runtime: &Handle, engine: Arc<Engine>, node: Arc<Node>, from: u64) -> Self {
        let (tell, news) = mpsc::channel(MAX_NEWS);
        let epoch = node.told();
        let (next, pace) = (from.max(1), Pace::new());
        let follower = Follower { engine, node, next, epoch, oldest: 1, pace, unreadable: 0, tell };
        Self { news, task: runtime.spawn(async move { drop(follower.run().await) }) }
    }
}

impl Follow for RedisFollow {
    fn next(&mut self) -> BoxFuture<'_, News> {
        Box::pin(async {
            match self.news.recv().await {
                Some(news) => news,
                // The task ends only with this, or with the runtime.
                None => std::future::pending().await,
            }
        })
    }
}

impl Drop for RedisFollow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    engine: Arc<Engine>,
    node: Arc<Node>,
    /// The seq that comes next.
    next: u64,
    /// Of which log; `None`: of whichever it is.
    epoch: Option<Epoch>,
    /// The oldest seq that was told.
    oldest: u64,
    pace: Pace,
    /// How many entries could not be read.
    unreadable: u64,
    tell: mpsc::Sender<News>,
}

/// What was read.
struct Found {
    updates: Updates,
    /// Of which log; `None`: it is gone.
    epoch: Option<Epoch>,
    /// Whether there is, or may be, more.
    is_cut: bool,
    /// How many bytes the largest piece had, of those that the server gives whole.
    largest: Option<usize>,
}

/// Why following has stopped.
enum Stop {
    /// Nobody listens any more.
    Unheard,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Follower {
    async fn run(mut self) -> Result<(), Stop> {
        let mut is_away = false;
        let mut backoff = Backoff::new();
        loop {
            let stop = match self.open().await {
                Ok((session, bounds)) => {
                    if is_away {
                        self.tell(News::Back).await?;
                    }
                    is_away = false;
                    backoff = Backoff::new();
                    let Err(stop) = self.follow(&session, bounds).await;
                    stop
                }
                Err(fault) => Stop::Fault(fault),
            };
            let Stop::Fault(fault) = stop else { return Err(stop) };
            if fault.done == Done::Late {
                self.pace.came_not();
            }
            if !is_away {
                self.tell(News::Away(fault.why)).await?;
            }
            is_away = true;
            backoff.pause().await;
        }
    }

    async fn open(&self) -> Result<(Session, Bounds), Fault> {
        // That it has ended is found out by the command that waits on it.
        let (pushed, _) = mpsc::channel(1);
        let session = Session::open(&self.engine, &self.node.keys, WAIT, pushed).await;
        let session = session.map_err(|error| error.into_fault(self.engine.place()))?;
        let bounds = self.node.settle(&session).await?;
        Ok((session, bounds))
    }

    async fn follow(
        &mut self,
        session: &Session,
        bounds: Bounds,
    ) -> Result<std::convert::Infallible, Stop> {
        self.take(bounds).await?;
        let mut looked = Instant::now();
        let mut is_behind = true;
        loop {
            let asked = Instant::now();
            let Found { updates, epoch, is_cut, largest } =
                if is_behind { self.page(session).await? } else { self.wait(session).await? };
            // How long a page takes says what the line carries.
            let is_quick = is_behind && asked.elapsed() < self.engine.timeout() / 4;
            self.pace.came(largest, is_quick);
            if epoch != self.epoch {
                // What was read may be of either log.
                let bounds = self.node.settle(session).await?;
                self.take(bounds).await?;
                continue;
            }
            let has_waited = !is_behind && updates.is_empty();
            let left_out = updates.first().is_some_and(|(seq, _)| *seq > self.next);
            if left_out || has_waited || looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look(session).await?;
                if self.epoch != epoch {
                    continue;
                }
            }
            if has_waited {
                // It was for another program's entries that the server did not wait.
                tokio::time::sleep_until(asked + WAIT).await;
            }
            is_behind = is_cut;
            self.pass_on(updates).await?;
        }
    }

    /// Reads what is there already.
    async fn page(&self, session: &Session) -> Result<Found, Stop> {
        let found =
            read::found(session, self.next, u64::MAX, MAX_UPDATES, self.pace.bytes()).await?;
        Ok(match found {
            Some(found) => Found {
                // Where nothing is read, nothing comes of reading on.
                is_cut: found.next <= found.last && !found.entries.is_empty(),
                epoch: Some(found.epoch),
                largest: found.entries.iter().map(|(_, record)| record.len()).max(),
                updates: found.entries,
            },
            None => Found { updates: Vec::new(), epoch: None, is_cut: false, largest: None },
        })
    }

    /// Waits for what comes next. The epoch is asked for afterwards: when it is still the same, what was read is of
    /// that log.
    async fn wait(&self, session: &Session) -> Result<Found, Stop> {
        let doing = "follow the log";
        let keys = &self.node.keys;
        let most = self.pace.entries();
        let mut read = Cmd::new();
        read.arg("XREAD").arg("COUNT").arg(most);
        read.arg("BLOCK").arg(u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX));
        read.arg("STREAMS").arg(keys.log()).arg(format!("0-{}", self.next.saturating_sub(1)));
        let mut ask = Cmd::new();
        ask.arg("HGET").arg(keys.meta()).arg("epoch");
        let (read, epoch) = session.send_two(read, ask, doing).await?;
        let entries = answer::news(read).ok_or_else(|| session.strange(doing))?;
        let is_cut = entries.len() >= most;
        let bytes = |updates: &Updates| updates.iter().map(|(_, record)| record.len()).sum();
        let largest = entries.iter().map(bytes).max();
        // The first may have updates that were passed on already: a page ended within it.
        let is_new = |(seq, _): &(u64, Vec<u8>)| *seq >= self.next;
        let updates = entries.into_iter().flatten().filter(is_new).collect();
        let epoch = match epoch {
            Value::Nil => None,
            epoch => Some(
                answer::text(epoch)
                    .and_then(|epoch| epoch.parse().ok())
                    .ok_or_else(|| session.strange(doing))?,
            ),
        };
        Ok(Found { updates, epoch, is_cut, largest })
    }

    /// Looks whether the log is still the one that is known, and what it has forgotten.
    async fn look(&mut self, session: &Session) -> Result<(), Stop> {
        let bounds = match self.node.look(session).await?.bounds {
            Some(bounds) if self.node.is_as_known(&bounds) => bounds,
            _ => self.node.settle(session).await?,
        };
        self.take(bounds).await
    }

    /// Tells what is new about the log itself.
    async fn take(&mut self, bounds: Bounds) -> Result<(), Stop> {
        let before = self.epoch.replace(bounds.epoch);
        if before.is_some_and(|before| before != bounds.epoch) {
            (self.next, self.oldest) = (bounds.oldest, bounds.oldest);
            self.tell(News::Anew(bounds)).await
        } else if bounds.oldest > self.oldest {
            self.oldest = bounds.oldest;
            self.tell(News::Oldest(bounds.oldest)).await
        } else {
            Ok(())
        }
    }

    async fn pass_on(&mut self, found: Updates) -> Result<(), Stop> {
        let Some((newest, record)) = found.last() else { return Ok(()) };
        if let Some(epoch) = self.epoch {
            self.node.saw(epoch, *newest, record);
        }
        self.next = newest.saturating_add(1);
        let mut updates = Vec::with_capacity(found.len());
        for (seq, record) in found {
            match super::logged(seq, &record) {
                Ok(logged) => updates.push(logged),
                Err(error) => {
                    self.unreadable = self.unreadable.saturating_add(1);
                    // Another program may write many.
                    if self.unreadable.is_power_of_two() {
                        let (place, so_far) = (self.engine.place(), self.unreadable);
                        tracing::error!(%place, seq, %error, so_far, "an update in the log cannot be read and is passed over: does another program write into it?");
                    }
                }
            }
        }
        let updates: Vec<Logged> = updates;
        if updates.is_empty() { Ok(()) } else { self.tell(News::Updates(updates)).await }
    }

    async fn tell(&self, news: News) -> Result<(), Stop> {
        self.tell.send(news).await.map_err(|_| Stop::Unheard)
    }
}
