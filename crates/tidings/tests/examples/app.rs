//! The processes of an app: one group, which ends with its test however that ends.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::example::Example;

/// How long an app may take until it listens: the first start installs and compiles what it needs.
const START: Duration = Duration::from_mins(10);

/// How long a killed app may take to be gone.
const END: Duration = Duration::from_secs(20);

/// Runs the command, and kills the group when standard input ends: when the test lets go of it, or is itself gone.
const GUARDED: &str = "
exec 3<&0
{ cat <&3 >/dev/null; kill -s KILL 0; } &
exec sh -c \"$1\" </dev/null 3<&- 2>&1
";

/// A running app. It is killed when this is dropped.
pub(crate) struct App {
    /// What the group lives for.
    guard: ChildStdin,
    shell: Child,
    /// Reads the output. It ends when nobody is left who could write any.
    output: JoinHandle<()>,
}

impl App {
    /// Starts an app with the first command of its README, and waits until it says that it listens.
    pub(crate) async fn start(example: &Example, port: u16, hub: Option<&str>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", GUARDED, "sh", &example.command()]);
        command.current_dir(example.folder()).process_group(0);
        command.env("PORT", port.to_string()).env_remove("HUB_URL").env_remove("HUB_KEY");
        command.envs(hub.map(|url| ("HUB_URL", url)));
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let guard = shell.stdin.take().unwrap();

        let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
        let listening = format!("listening on http://127.0.0.1:{port}");
        let mut said = String::new();
        let started = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(&listening) {
                    return true;
                }
                said.push_str(&line);
                said.push('\n');
            }
            false
        };
        let started = timeout(START, started).await;
        assert_eq!(started, Ok(true), "the app does not listen, it said:\n{said}");
        // It must not wait for its output to be read.
        let output =
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { guard, shell, output }
    }

    /// Kills the app: SIGKILL for the whole group. Nothing of it is left afterwards.
    pub(crate) async fn kill(self) {
        let Self { guard, mut shell, output } = self;
        drop(guard);
        let gone = timeout(END, output).await;
        gone.expect("a process of the app has left its group").unwrap();
        shell.wait().await.unwrap();
    }
}
