//! A connection that is ready for a log: its scripts are loaded, its keys have names.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, ToRedisArgs, Value};
use tokio::sync::mpsc;

use super::answer;
use super::engine::{Engine, OpenError};
use super::fault::Fault;

/// What runs inside the server, each whole and with nothing of others' in between.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    Append,
    Find,
    Look,
    Page,
    Settle,
    Trim,
}

/// Their texts, in the order of [`Script`].
const TEXTS: [&str; 6] = [
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/append.lua")),
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/find.lua")),
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/look.lua")),
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/page.lua")),
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/settle.lua")),
    concat!(include_str!("lua/prelude.lua"), include_str!("lua/trim.lua")),
];

/// The names of a log's keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// The log itself; what is known of it; what its updates are found by; what to forget when one leaves.
    all: [String; 5],
    /// What the hubs that share it talk on.
    pub(super) channel: String,
}

impl Keys {
    /// The braces put all keys of a log into one slot of a cluster.
    pub(super) fn new(name: &str) -> Self {
        let all = ["log", "meta", "keys", "ids", "index"].map(|part| format!("{{{name}}}:{part}"));
        Self { all, channel: format!("{{{name}}}:bus") }
    }

    /// The stream.
    pub(super) fn log(&self) -> &str {
        let [log, ..] = &self.all;
        log
    }

    /// The hash with the epoch.
    pub(super) fn meta(&self) -> &str {
        let [_, meta, ..] = &self.all;
        meta
    }
}

/// A connection with everything that a log needs on it. A clone is the same connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    connection: MultiplexedConnection,
    hashes: Arc<[String]>,
    engine: Arc<Engine>,
    keys: Arc<Keys>,
}

impl Session {
    /// Connects and loads the scripts; see [`Engine::open`].
    pub(super) async fn open(
        engine: &Arc<Engine>,
        keys: &Arc<Keys>,
        more: Duration,
        pushed: mpsc::Sender<Vec<u8>>,
    ) -> Result<Self, OpenError> {
        let mut connection = engine.open(more, pushed).await?;
        let mut load = Pipeline::with_capacity(TEXTS.len());
        for text in TEXTS {
            load.cmd("SCRIPT").arg("LOAD").arg(text);
        }
        let loaded = connection.send_packed_commands(&load, 0, TEXTS.len()).await;
        let loaded = loaded.and_then(answer::all);
        let loaded =
            loaded.map_err(|error| OpenError::Fault(engine.fault("load its scripts", &error)))?;
        let hashes: Option<Vec<String>> = loaded.into_iter().map(answer::text).collect();
        let hashes = hashes.filter(|hashes| hashes.len() == TEXTS.len()).ok_or_else(|| {
            OpenError::Fault(Fault::strange(
                engine.place(),
                "load its scripts",
                "it gives no names for them",
            ))
        })?;
        Ok(Self { connection, hashes: hashes.into(), engine: engine.clone(), keys: keys.clone() })
    }

    /// The call of a script, to which its arguments are added.
    pub(super) fn command(&self, script: Script, args: usize, bytes: usize) -> Cmd {
        let mut command = Cmd::with_capacity(args + 8, bytes + 512);
        let hash = self.hashes.get(script as usize).map_or("", String::as_str);
        command.arg("EVALSHA").arg(hash).arg(self.keys.all.len());
        for key in &self.keys.all {
            command.arg(key);
        }
        command
    }

    /// Runs a script with a few arguments.
    pub(super) async fn run<A: ToRedisArgs>(
        &self,
        script: Script,
        doing: &str,
        args: &[A],
    ) -> Result<Value, Fault> {
        let mut command = self.command(script, args.len(), 0);
        for arg in args {
            command.arg(arg);
        }
        self.send(command, doing).await
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn send(&self, command: Cmd, doing: &str) -> Result<Value, Fault> {
        let answer = self.connection.clone().send_packed_command(&command).await;
        let answer = answer.and_then(Value::extract_error);
        answer.map_err(|error| self.engine.fault(doing, &error))
    }

    /// Sends two commands one after the other and waits for the answers of both.
    pub(super) async fn send_two(
        &self,
        first: Cmd,
        second: Cmd,
        doing: &str,
    ) -> Result<(Value, Value), Fault> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(first).add_command(second);
        let answers = self.connection.clone().send_packed_commands(&both, 0, 2).await;
        let answers = answers.and_then(answer::all);
        let mut answers = answers.map_err(|error| self.engine.fault(doing, &error))?.into_iter();
        match (answers.next(), answers.next()) {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(self.strange(doing)),
        }
    }

    /// What is said of an answer that cannot be understood.
    pub(super) fn strange(&self, doing: &str) -> Fault {
        let what = format_args!(
            "the answer makes no sense: is {} a log of this version?",
            self.keys.log()
        );
        Fault::strange(self.engine.place(), doing, what)
    }
}
