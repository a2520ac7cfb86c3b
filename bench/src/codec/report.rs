//! What was measured, as tables.

use std::fmt;

use super::timing::Times;

/// The contenders whose events a bar is set against: the other crates.
const PEERS: [&str; 3] = ["eventsource-stream", "sse-stream", "sse-codec"];

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct CodecReport {
    pub(super) decode: Vec<Table>,
    pub(super) encode: Vec<Table>,
}

/// One input, and each contender's times on it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// What one pass takes or makes.
    pub(super) bytes: usize,
    /// The first is what the others are compared with.
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) times: Times,
}

impl Table {
    /// How many times as fast as the fastest of the other crates the first row is.
    pub(super) fn lead(&self) -> f64 {
        let Some(own) = self.rows.first() else { return f64::NAN };
        let peers = self.rows.iter().filter(|row| PEERS.contains(&row.name));
        peers.map(|peer| own.times.speedup_over(&peer.times)).fold(f64::INFINITY, f64::min)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({} bytes)", self.name, self.bytes)?;
        for row in &self.rows {
            let speed = megabytes(self.bytes) / row.times.median();
            write!(f, "  {:<20} {speed:>9.1} MB/s", row.name)?;
            if let Some(own) = self.rows.first() {
                write!(f, "  {:>8.2}", own.times.speedup_over(&row.times))?;
            }
            let note = if row.times.rounds.len() == 1 { "  (one round)" } else { "" };
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "no stream has 2^53 bytes")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

impl fmt::Display for CodecReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "MB/s: medians of rounds, CPU time of one thread. Last column: the first row's speed to this row's."
        )?;
        writeln!(f, "\ndecode")?;
        for table in &self.decode {
            write!(f, "{table}")?;
            writeln!(f, "  to the fastest crate: {:.2}", table.lead())?;
        }
        writeln!(f, "\nencode")?;
        self.encode.iter().try_for_each(|table| write!(f, "{table}"))
    }
}
