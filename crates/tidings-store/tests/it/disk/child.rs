//! A process to be killed, or to be given less than others have: this program once more, with one test to run.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{full, open, opening};
use crate::contract::given::{append, plain};

/// What the child is to do, and where.
const DOES: &str = "TIDINGS_STORE_CHILD";
const DIR: &str = "TIDINGS_STORE_CHILD_DIR";

/// The child. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(does), Some(dir)) = (env::var(DOES), env::var_os(DIR)) else { return };
    let dir = Path::new(&dir);
    match does.as_str() {
        "publish" => publish(dir).await,
        "fill" => full::fill(dir).await,
        "open" => opening::tell(dir),
        other => panic!("{other}?"),
    }
}

/// A child that does this there, started by a program with arguments, if any.
pub(super) fn command(through: &[&str], does: &str, dir: &Path) -> Command {
    command_of(&env::current_exe().unwrap(), through, does, dir)
}

/// The same with another copy of this program.
pub(super) fn command_of(this: &Path, through: &[&str], does: &str, dir: &Path) -> Command {
    let mut command = match through {
        [] => Command::new(this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    command.args(["--exact", "disk::child::child", "--nocapture", "--test-threads=1"]);
    command.env(DOES, does).env(DIR, dir).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// Publishes for ever from four sides, and says what was acknowledged.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn publish(dir: &Path) {
    let log = open(dir).unwrap();
    let publishers: Vec<_> = (0..4)
        .map(|name| {
            let log = log.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let text = format!("{name}-{number}");
                    let appended = append(&log, plain("t", &text)).await.unwrap();
                    println!("\nacked {} {text}", appended.seq);
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}
