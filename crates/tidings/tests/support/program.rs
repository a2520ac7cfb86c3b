//! A program that runs beside a test and ends with it.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// How long a program may take until it runs.
pub(crate) const START: Duration = Duration::from_secs(20);

/// A running program, killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    /// Waits for a line of its output in which `find` finds something, for so long at each line.
    pub(crate) fn says<T>(&self, patience: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let mut said = String::new();
        loop {
            let line = self.lines.recv_timeout(patience);
            assert!(line.is_ok(), "the program did not say what was awaited, but:\n{said}");
            let line = line.unwrap();
            if let Some(found) = find(&line) {
                return found;
            }
            said += &line;
            said.push('\n');
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL; it may have ended by itself.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

/// Reads a pipe to its end, so that the program never waits for it to be read.
fn forward(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody may listen any more; the pipe must be read all the same.
            lines.send(line).unwrap_or_default();
        }
    });
}
