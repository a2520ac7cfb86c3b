//! The SQLite file: its settings, its tables, and whether it is one of ours and whole.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use tidings_hub::{Epoch, Unavailable};

use super::Durability;
use super::error::OpenError;

/// How long to wait for who else uses the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells our files from other programs': "Tdng".
const APPLICATION: i64 = 0x5464_6e67;

/// The version of the tables.
const FORMAT: i64 = 3;

/// How much of the file the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;

/// How much of the file each reader keeps in memory, in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;

pub(super) const TABLES: &str = "
    CREATE TABLE blocks (first INTEGER PRIMARY KEY, record BLOB NOT NULL);
    CREATE TABLE marks (
        mark INTEGER, last INTEGER, others BLOB NOT NULL, PRIMARY KEY (mark, last)
    ) WITHOUT ROWID;
    CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
";

/// Makes a log of an empty file. It is on the disk then.
pub(super) fn make(file: &Path) -> Result<(), OpenError> {
    let failed = |error| refused(file, &error);
    let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // Without a write-ahead log, which would be another file to move.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    begin(&mut connection, file)?;
    connection.close().map_err(|(_, error)| failed(error))
}

/// Opens the file to write to it.
pub(super) fn open(
    file: &Path,
    durability: Durability,
    wal_bytes: u64,
) -> Result<Connection, OpenError> {
    let failed = |error| refused(file, &error);
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // Before anything is written: what is not ours is left as it is.
    check(file, &connection)?;
    settle(&connection, wal_bytes).map_err(failed)?;
    if may_have_lost(&connection).map_err(failed)? {
        begin_epoch(&connection, file)?;
    }
    mark_open(&connection, durability).map_err(failed)?;
    check_length(file, &connection)?;
    let level = match durability {
        Durability::Synced => "FULL",
        Durability::Process => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level).map_err(failed)?;
    Ok(connection)
}

/// Opens the file once more, after it has been opened: to write to it when writing has failed.
pub(super) fn open_again(
    file: &Path,
    durability: Durability,
    wal_bytes: u64,
) -> rusqlite::Result<Connection> {
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    settle(&connection, wal_bytes)?;
    if durability == Durability::Process {
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    Ok(connection)
}

/// Opens the file to read from it.
pub(super) fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn connect(file: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI: a path is a path. A connection is used by one thread at a time.
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    // An error of the device would be a signal that ends the process where the file is mapped.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn settle(connection: &Connection, wal_bytes: u64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let page_bytes: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    connection.query_row(
        &format!("PRAGMA wal_autocheckpoint = {}", (wal_bytes / page_bytes.max(1)).max(1)),
        [],
        |_| Ok(()),
    )?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {wal_bytes}"), [], |_| Ok(()))
}

/// Whether the file is ours, in a version that we know.
fn check(file: &Path, connection: &Connection) -> Result<(), OpenError> {
    let number = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            .map_err(|error| refused(file, &error))
    };
    // Reading the schema is what finds out that a file is no database.
    number("schema_version")?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    let damaged = |what: String| Err(OpenError::Damaged { file: file.to_owned(), what });
    if application != APPLICATION {
        return damaged("it is another program's file".to_owned());
    }
    match version.cmp(&FORMAT) {
        Ordering::Less => damaged(format!("it has format {version}, which no release writes")),
        Ordering::Equal => Ok(()),
        Ordering::Greater => {
            Err(OpenError::Newer { file: file.to_owned(), version, known: FORMAT })
        }
    }
}

/// Makes the tables in an empty file.
fn begin(connection: &mut Connection, file: &Path) -> Result<(), OpenError> {
    let failed = |error| refused(file, &error);
    let epoch = random_epoch()?;
    let transaction = connection.transaction().map_err(failed)?;
    transaction.execute_batch(TABLES).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    for name in ["epoch", "marks_of"] {
        put_text(&transaction, name, epoch.as_str()).map_err(failed)?;
    }
    put(&transaction, "oldest", 1).map_err(failed)?;
    put(&transaction, "indexed", 1).map_err(failed)?;
    put(&transaction, "turned", 1).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Whether updates that were told to be in the log may be missing: with [`Durability::Process`] a power cut takes the
/// newest away, and others get their places. It is another log then.
fn may_have_lost(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(text(connection, "boot")?.is_some_and(|boot| boot != boot_id()))
}

fn begin_epoch(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let epoch = random_epoch()?;
    put_text(connection, "epoch", epoch.as_str()).map_err(|error| refused(file, &error))?;
    tracing::warn!(
        log = %file.display(),
        "the system went down while the log was open, and updates may be lost: positions from before are told as a gap"
    );
    Ok(())
}

fn mark_open(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    match durability {
        Durability::Synced => mark_closed(connection),
        Durability::Process => put_text(connection, "boot", &boot_id()),
    }
}

/// Notes that everything is on the disk.
pub(super) fn mark_closed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM meta WHERE name = 'boot'", []).map(drop)
}

/// Which start of the system this is; the same for all where it does not say.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// How long the write-ahead log is, in bytes, without looking at its file: once a file's times were read, Linux changes them
/// with the next write, and has them to sync, too.
pub(super) fn wal_length(connection: &Connection) -> rusqlite::Result<u64> {
    const HEAD_BYTES: u64 = 24;
    let mut noop = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    let frames: i64 = noop.query_row([], |row| row.get(1))?;
    let page: u64 =
        connection.prepare_cached("PRAGMA page_size")?.query_row([], |row| row.get(0))?;
    // It has none at first.
    Ok(u64::try_from(frames).unwrap_or_default().saturating_mul(page + HEAD_BYTES))
}

/// Begins the write-ahead log anew, and tells whether somebody was in the way. It does not wait for them.
pub(super) fn truncate_wal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(PATIENCE)?;
    is_busy
}

/// Whether the file is as long as it says it is. This finds what was cut off without reading the file.
fn check_length(file: &Path, connection: &Connection) -> Result<(), OpenError> {
    // What is in the write-ahead log belongs to the file. Where there is no room to write it there, the length says nothing.
    let copied: Option<i64> = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .optional()
        .or_else(|error| if is_damage(&error) { Err(error) } else { Ok(None) })
        .map_err(|error| refused(file, &error))?;
    if copied != Some(0) {
        return Ok(());
    }
    let expected = used_bytes(connection, true).map_err(|error| refused(file, &error))?;
    let is = fs::metadata(file).map_or(expected, |metadata| metadata.len());
    if is >= expected {
        return Ok(());
    }
    let what = format!("it has {is} bytes of {expected}");
    Err(OpenError::Damaged { file: file.to_owned(), what })
}

/// How many bytes of the file are in use, or are in it at all.
pub(super) fn used_bytes(connection: &Connection, with_free: bool) -> rusqlite::Result<u64> {
    let number =
        |pragma: &str| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, u64>(0));
    let pages = number("PRAGMA page_count")?;
    let free = if with_free { 0 } else { number("PRAGMA freelist_count")? };
    Ok(pages.saturating_sub(free).saturating_mul(number("PRAGMA page_size")?))
}

/// What is noted in the file under a name.
pub(super) fn number(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?")?
        .query_row([name], |row| row.get(0))
}

/// What is noted in the file under a name, as text.
pub(super) fn text(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?", [name], |row| row.get(0))
        .optional()
}

/// Notes a number.
pub(super) fn put(connection: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?;
    statement.execute(params![name, value]).map(drop)
}

fn put_text(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?;
    statement.execute([name, value]).map(drop)
}

fn random_epoch() -> Result<Epoch, OpenError> {
    Epoch::random().map_err(|error| OpenError::System(std::io::Error::other(error)))
}

/// Whether an error says that the file is not what it should be.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(..) => {
            matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch
                )
            ) || error.to_string().contains("no such table")
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

/// An error while the log is opened.
pub(super) fn refused(file: &Path, error: &rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    if is_damage(error) {
        OpenError::Damaged { file, what: error.to_string() }
    } else {
        OpenError::File { file, what: explained(error) }
    }
}

/// An error while the log is open.
pub(super) fn unavailable(file: &Path, error: &rusqlite::Error) -> Unavailable {
    Unavailable::new(format_args!("the log {}: {}", file.display(), explained(error)))
}

/// What happened, and what to do about it.
fn explained(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        _ if is_damage(error) => {
            "it is damaged: stop the hub, move the file away, and start it again with a new log"
        }
        Some(ErrorCode::DiskFull) => "there is no room left: make some, and it goes on by itself",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "the hub may not write to it: look at its owner, its mode and how its file system is mounted"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "the device or the file system fails: look at the system's log, and at the room left"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds it locked: leave it to the hub"
        }
        _ => "unexpected: if it goes on, restart the hub",
    };
    format!("{advice} ({error})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kill -9` keeps what the system has, so no other test would miss a sync.
    #[test]
    fn a_log_that_is_synced_waits_for_the_disk_at_each_commit() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log.sqlite");
        fs::write(&file, []).unwrap();
        make(&file).unwrap();
        // SQLite's numbers: FULL is 2, and syncs the write-ahead log at each commit; NORMAL is 1.
        for (durability, expected) in [(Durability::Synced, 2), (Durability::Process, 1)] {
            let first = open(&file, durability, 1 << 20).unwrap();
            let again = open_again(&file, durability, 1 << 20).unwrap();
            for connection in [first, again] {
                let level = connection.query_row("PRAGMA synchronous", [], |row| row.get(0));
                assert_eq!(level, Ok(expected), "{durability:?}");
                let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0));
                assert_eq!(mode, Ok("wal".to_owned()));
            }
        }
    }
}
