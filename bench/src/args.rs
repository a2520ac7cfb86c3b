//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures Tidings beside its peers: servers over HTTP alone, the codec and the logs in this process.
#[derive(Debug, Parser)]
#[command(
    name = "tidings-bench",
    version,
    arg_required_else_help = true,
    after_help = "The hub is built first; TIDINGS_BIN names a program that is built already."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every scenario below, one after the other
    All(Run),
    /// One topic, many subscribers: CPU per event, latency, memory
    Broadcast(Run),
    /// Every subscriber has its own topic, as notifications have
    OwnTopics(Run),
    /// Connections that wait: memory each, the cost of keep-alives
    Idle(Run),
    /// Many clients come back at once, each missing updates
    Storm(Run),
    /// Some subscribers never read: what the others notice
    Slow(Run),
    /// Templates and `*` among exact selectors
    Selectors(Run),
    /// Publishing alone: form, JSON, NDJSON
    Publish(Run),
    /// Two server cores against one
    Shards(Run),
    /// Decoding and encoding, against the crates that do it (always all of them)
    Codec(Run),
    /// Publishing to the log on disk, against bare appends and syncs (always all of them, as below)
    Append(Run),
    /// Appending to the log on Redis, against redis-benchmark
    AppendRedis(Run),
    /// Appending to the log on NATS, against nats bench
    AppendNats(Run),
    /// From one hub to another that shares its log, against the engine alone
    Hop(Run),
    /// Starting with a million updates on disk, and resuming among them
    Restart(Run),
    /// How much room a bounded log takes
    Retention(Run),
    /// Show the targets and whether each is installed
    List,
    /// Install peers: those named, or all
    Install {
        /// Names of peers
        names: Vec<String>,
    },
    /// Draw the figures of a result again
    Plot {
        /// What `--json` wrote
        file: PathBuf,
        /// The folder for the pictures
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The floor as a server of its own
    #[command(hide = true)]
    ServeFloor {
        port: u16,
        /// Send a comment to each stream once a second
        #[arg(long)]
        keep_alive: bool,
    },
}

/// How a scenario is run.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// A target, as often as needed; floor, tidings and every installed peer unless told
    #[arg(long = "target", value_name = "NAME")]
    pub(crate) targets: Vec<String>,
    /// How often everything is measured; medians are reported
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Subscribers, instead of the scenario's own number
    #[arg(long)]
    pub(crate) subscribers: Option<usize>,
    /// Updates, instead of the scenario's own number
    #[arg(long)]
    pub(crate) updates: Option<u64>,
    /// The wide window: so many updates not yet with everybody
    #[arg(long, default_value_t = 16)]
    pub(crate) window: usize,
    /// Updates a second where a scenario has a fixed pace
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Small sizes: everything is checked, nothing is worth reading
    #[arg(long)]
    pub(crate) smoke: bool,
    /// The cores of the server
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub(crate) server_cores: Vec<usize>,
    /// The cores of the generator
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub(crate) client_cores: Vec<usize>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw the figures into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// After a failed run, go on with the next
    #[arg(long)]
    pub(crate) keep_going: bool,
}

impl Run {
    /// How many rounds.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.smoke { 1 } else { 5 }).max(1)
    }
}

#[cfg(test)]
impl Run {
    /// What stands when nothing is given.
    pub(crate) fn default_for_tests() -> Self {
        let arguments = Arguments::try_parse_from(["tidings-bench", "broadcast"]).unwrap();
        let Command::Broadcast(run) = arguments.command else { panic!("{arguments:?}") };
        run
    }
}
