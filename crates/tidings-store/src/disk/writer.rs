//! The thread that writes: it takes what waits, commits it as one, shows it, and then tells those who wait.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior};
use tidings_hub::{AppendError, Appending, Logged, Unavailable, Update};
use tokio::time::Instant;

use super::DiskConfig;
use super::Durability;
use super::blocks;
use super::directory::Directory;
use super::file;
use super::marks::{Marks, Moved, SWEPT_WHEN_IDLE};
use super::plan::{Plan, plan};
use super::queue::{Call, Expected, Queue, Ready, Work};
use super::recent::Recent;
use super::retain::{Kept, wal_bytes};
use super::shared::{Batch, Shared, View};
use crate::mark::Marker;
use crate::mark::marks_of;

/// How long the writer waits while something is left to be deleted.
const SHORT: Duration = Duration::from_millis(10);

/// How long the writer waits at the most for more to write, when there is some.
const LINGER: Duration = Duration::from_millis(1);

/// How long after the write-ahead log could not be begun anew that is tried again.
const BOUND_AGAIN: Duration = Duration::from_secs(5);

/// Who writes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    config: DiskConfig,
    /// None after a failure that has left it in an unknown state.
    connection: Option<Connection>,
    kept: Kept,
    marks: Marks,
    /// Whether the last transaction failed.
    is_failing: bool,
    /// When the write-ahead log may be begun anew again, where somebody was in the way.
    bound_after: Option<Instant>,
    /// Whoever comes next may open the log when all this is done.
    directory: Directory,
}

/// What a transaction has changed: it counts once it is committed.
struct Done {
    plan: Plan,
    kept: Kept,
    marks: Marks,
    moved: Moved,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        config: DiskConfig,
        connection: Connection,
        kept: Kept,
        directory: Directory,
    ) -> Self {
        let connection = Some(connection);
        let marks = Marks::new();
        Self {
            shared,
            queue,
            config,
            connection,
            kept,
            marks,
            is_failing: false,
            bound_after: None,
            directory,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        self.tidy();
        let mut expected = Expected::default();
        loop {
            match self.queue.take(self.patience(), expected) {
                Work::Write(calls) => {
                    let (count, begun) = (calls.len(), Instant::now());
                    self.write(calls);
                    // To wait for them is worth some of what a transaction of their own would cost.
                    let within = (begun.elapsed() / 2).min(LINGER);
                    expected = Expected { calls: count, within };
                }
                Work::Idle => self.tidy(),
                Work::End => break,
            }
        }
        self.close();
    }

    /// How long nothing needs to be done when nothing comes.
    fn patience(&self) -> Option<Duration> {
        let by_age = self
            .config
            .retention
            .max_age
            .map(|age| (age / 10).clamp(SHORT, Duration::from_secs(1)));
        let is_clean =
            self.kept.deleted_until == self.kept.oldest && self.marks.is_clean(self.kept.oldest);
        match (is_clean, self.is_failing) {
            (true, _) => by_age,
            (false, false) => Some(SHORT),
            (false, true) => Some(Duration::from_secs(1)),
        }
    }

    /// Appends what some calls are to append.
    fn write(&mut self, calls: Vec<Call>) {
        match self.transact(&calls, 0) {
            Ok(done) => self.finish(done, calls),
            Err(error) => {
                let why = self.fail(&error);
                for call in calls {
                    let failed = |entry: Result<Ready, AppendError>| {
                        Err(entry.err().unwrap_or_else(|| AppendError::Unavailable(why.clone())))
                    };
                    // Who does not wait any more is not told.
                    drop(call.done.send(call.entries.into_iter().map(failed).collect()));
                }
            }
        }
    }

    /// Lets leave what has become too old, and deletes what has left.
    fn tidy(&mut self) {
        if !self.kept.is_due(&self.config.retention) && self.marks.is_clean(self.kept.oldest) {
            return;
        }
        match self.transact(&[], SWEPT_WHEN_IDLE) {
            Ok(done) => self.finish(done, Vec::new()),
            Err(error) => drop(self.fail(&error)),
        }
    }

    fn transact(&mut self, calls: &[Call], swept_at_least: usize) -> rusqlite::Result<Done> {
        self.connect()?;
        let Some(connection) = &mut self.connection else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        let (mut kept, mut marks) = (self.kept, self.marks);
        // Rolled back when it is dropped without being committed.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let plan = plan(&self.shared, &transaction, calls, kept.oldest, kept.next)?;
        let mut coming_marks = 0;
        if plan.new > 0 {
            kept.next = blocks::append(&transaction, kept.next, new_entries(calls, &plan.results))?;
            coming_marks = new_entries(calls, &plan.results).map(|ready| ready.marks.len()).sum();
        } else if !calls.is_empty() {
            // Nothing to commit, so nothing to wait for.
            return Ok(Done { plan, kept, marks, moved: Moved::default() });
        }
        kept.forget(&transaction, &self.config.retention, plan.new as u64)?;
        let (oldest, first) = (kept.oldest, self.kept.next);
        let moved = Marks::fill(&transaction, &self.shared.recent, coming_marks, oldest, first)?;
        marks.sweep(&transaction, oldest, coming_marks, moved.count, swept_at_least)?;
        kept.bytes = file::used_bytes(&transaction, false)?;
        transaction.commit()?;
        Ok(Done { plan, kept, marks, moved })
    }

    /// Shows what was committed, and tells those who wait for it.
    fn finish(&mut self, done: Done, mut calls: Vec<Call>) {
        let first = self.kept.next;
        (self.kept, self.marks) = (done.kept, done.marks);
        self.remember(first, &mut calls, &done.plan.results);
        let next_rows = done.moved.next_rows(&self.shared.recent);
        let mut recent = self.shared.recent.write();
        // Who follows goes on meanwhile; who reads waits for the marks.
        self.show();
        let new = new_entries(&calls, &done.plan.results).map(|ready| ready.marks.as_slice());
        let _turned = done.moved.note(&mut recent, next_rows, first, new);
        drop(recent);
        // What the calls have brought is freed when everybody knows.
        let mut brought = Vec::with_capacity(calls.len());
        for (Call { done, entries, .. }, results) in calls.into_iter().zip(done.plan.results) {
            drop(done.send(results));
            brought.push(entries);
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(log = %self.shared.file.display(), "the log can be written to again");
        }
        self.bound_wal();
    }

    /// Keeps what was appended for those who follow, where somebody does.
    fn remember(&self, first: u64, calls: &mut [Call], results: &[Vec<Appending>]) {
        let is_followed = self.shared.view.receiver_count() > 0;
        let (mut updates, mut bytes) = (Vec::new(), 0);
        let entries = calls.iter_mut().flat_map(|call| &mut call.entries);
        for (entry, result) in entries.zip(results.iter().flatten()) {
            if let (Ok(ready), true) = (entry, is_followed && is_new(result)) {
                bytes += ready.record.len();
                let at = UNIX_EPOCH + Duration::from_millis(ready.at);
                let update = std::mem::replace(&mut ready.update, Update::new("", ""));
                updates.push(Logged { seq: first + updates.len() as u64, at, update });
            }
        }
        let mut lately = self.shared.lately.lock();
        if !is_followed {
            lately.clear();
        } else if !updates.is_empty() {
            lately.push(Batch { updates: updates.into(), bytes });
        }
    }

    fn show(&self) {
        let Kept { oldest, next, bytes, .. } = self.kept;
        let view = View { oldest, next, bytes, is_closed: false };
        self.shared.view.send_if_modified(|shown| std::mem::replace(shown, view) != view);
    }

    /// Notes a failure, and makes sure that memory and file agree before anything else is written.
    fn fail(&mut self, error: &rusqlite::Error) -> Unavailable {
        let why = self.shared.unavailable(error);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!("nothing can be appended for now: {why}");
        }
        let agrees = self.connection.as_ref().is_some_and(|connection| {
            connection.is_autocommit()
                && Kept::read(connection).is_ok_and(|kept| {
                    kept.next == self.kept.next && kept.oldest == self.kept.oldest
                })
        });
        if !agrees {
            self.connection = None;
        }
        why
    }

    /// Opens the file anew when that is needed, and reads what it has.
    fn connect(&mut self) -> rusqlite::Result<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        let DiskConfig { retention, durability } = self.config;
        let connection = file::open_again(&self.shared.file, durability, wal_bytes(&retention))?;
        let kept = Kept::read(&connection)?;
        if kept.next != self.kept.next || kept.oldest != self.kept.oldest {
            // What was thought to have failed is there after all.
            let recent = recent(&connection, &self.shared.marker, &kept)?;
            *self.shared.recent.write() = recent;
            self.shared.lately.lock().clear();
            self.kept = kept;
            self.marks = Marks::new();
            self.show();
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Begins the write-ahead log anew when it has become too long: readers that come one after another can keep SQLite from
    /// doing so by itself.
    /// Who reads the file with another program may be in the way: nobody waits for that.
    fn bound_wal(&mut self) {
        if self.bound_after.is_some_and(|after| Instant::now() < after) {
            return;
        }
        let limit = 2 * wal_bytes(&self.config.retention);
        if let Some(connection) = &self.connection
            && file::wal_length(connection).is_ok_and(|length| length > limit)
        {
            let _nobody_reads = self.shared.gate.write();
            let is_first = self.bound_after.is_none();
            let is_busy = file::truncate_wal(connection);
            self.bound_after = match is_busy {
                Ok(false) => None,
                Ok(true) | Err(_) => Some(Instant::now() + BOUND_AGAIN),
            };
            let log = self.shared.file.display();
            match is_busy {
                Ok(true) if is_first => tracing::warn!(
                    %log,
                    "the write-ahead log grows, because another program reads the log's file and does not end: close it"
                ),
                Ok(_) => {}
                Err(error) => {
                    let why = self.shared.unavailable(&error);
                    tracing::debug!("the write-ahead log stays as long as it is: {why}");
                }
            }
        }
    }

    fn close(mut self) {
        if let (Durability::Process, Some(connection)) = (self.config.durability, &self.connection)
        {
            let noted = connection
                .pragma_update(None, "synchronous", "FULL")
                .and_then(|()| file::mark_closed(connection));
            if let Err(error) = noted {
                tracing::warn!(
                    "the log was not closed cleanly: {}",
                    self.shared.unavailable(&error)
                );
            }
        }
        self.shared.idle.lock().clear();
        self.shared.view.send_modify(|view| view.is_closed = true);
        self.connection = None;
        drop(self.directory);
    }
}

/// The marks that are not in the file for certain.
pub(super) fn recent(
    connection: &Connection,
    marker: &Marker,
    kept: &Kept,
) -> rusqlite::Result<Recent> {
    let Kept { oldest, next, .. } = *kept;
    let since = file::number(connection, "indexed")?.max(oldest);
    let turned = file::number(connection, "turned")?.max(since);
    let mut recent = Recent::since(since);
    let add = |recent: &mut Recent, from, until| {
        blocks::each(connection, from, until, |seq, entry| {
            recent.add(&marks_of(marker, &entry.update), seq);
            true
        })
    };
    add(&mut recent, since, turned)?;
    // As before the log was closed: the same updates share a row.
    drop(recent.turn(recent.rows(), turned));
    add(&mut recent, turned, next)?;
    Ok(recent)
}

/// The entries that are appended, in order.
fn new_entries<'a>(
    calls: &'a [Call],
    results: &'a [Vec<Appending>],
) -> impl Iterator<Item = &'a Ready> {
    calls.iter().zip(results).flat_map(|(call, results)| {
        let entries = call.entries.iter().zip(results);
        entries.filter(|(_, result)| is_new(result)).filter_map(|(entry, _)| entry.as_ref().ok())
    })
}

fn is_new(result: &Appending) -> bool {
    result.as_ref().is_ok_and(|appended| !appended.repeated)
}
