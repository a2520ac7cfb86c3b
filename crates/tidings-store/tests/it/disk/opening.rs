//! Directories and files that are not what they should be, and a second process.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tidings_store::disk::OpenError;

use super::{child, open, refusal};

/// The child's part: says why a log is not opened.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(super) fn tell(dir: &Path) {
    println!("\nrefused: {}", refusal(dir));
}

fn told(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let told = text.lines().find_map(|line| line.strip_prefix("refused: "));
    told.unwrap_or_else(|| panic!("nothing was refused: {text}")).to_owned()
}

#[test]
fn a_log_is_made_where_there_is_none_for_its_owner_alone() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("a/b");
    let log = open(&dir).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
    drop(log);
}

#[test]
fn a_second_process_is_told_who_has_the_log() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    let output = child::command(&[], "open", dir.path()).stdout(Stdio::piped()).output().unwrap();
    let why = told(&output);
    assert!(why.contains(&format!("in use by process {}", std::process::id())), "{why}");
    assert!(why.contains(dir.path().canonicalize().unwrap().to_str().unwrap()), "{why}");
    assert!(matches!(refusal(dir.path()), OpenError::InUse { pid: Some(_), .. }));
    drop(log);
    open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_is_a_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("log")] {
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
        assert!(
            error.to_string().contains("must be a directory that the hub may write to"),
            "{error}"
        );
    }
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

/// Root may write anywhere, so somebody else tries.
#[test]
fn a_directory_that_may_not_be_written_to_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    for name in ["lock", "log.sqlite"] {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    // Who is not root may not even come where this program is.
    let public = TempDir::new().unwrap();
    fs::set_permissions(public.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let this = public.path().join("this");
    fs::copy(std::env::current_exe().unwrap(), &this).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let through: &[&str] = if is_root {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    } else {
        &[]
    };
    let output = child::command_of(&this, through, "open", dir.path())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let why = told(&output);
    assert!(why.contains("Permission denied") && why.contains("may write to"), "{why}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_newer_log_is_left_to_the_newer_program() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    let edit = rusqlite::Connection::open(dir.path().join("log.sqlite")).unwrap();
    edit.pragma_update(None, "user_version", 4).unwrap();
    drop(edit);
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Newer { version: 4, known: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("run the newer Tidings"), "{error}");
}

/// Only logs of releases are read for ever, and none had another format than this one.
#[test]
fn a_log_of_a_format_that_no_release_wrote_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    let file = dir.path().join("log.sqlite");
    let edit = rusqlite::Connection::open(&file).unwrap();
    edit.pragma_update(None, "user_version", 2).unwrap();
    drop(edit);
    let before = fs::read(&file).unwrap();
    let error = refusal(dir.path());
    assert!(error.to_string().contains("format 2, which no release writes"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
}
