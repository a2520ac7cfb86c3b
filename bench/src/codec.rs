//! Decoding and encoding, against the crates that do it.

use anyhow::Result;

use crate::report::Report;

/// How it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodecOptions {
    pub(crate) smoke: bool,
    pub(crate) rounds: usize,
}

/// Measures the codecs.
///
/// # Errors
/// When a codec gives other events than the others.
#[expect(clippy::unnecessary_wraps, reason = "the seam of a scenario that is built apart")]
pub(crate) fn run(options: &CodecOptions) -> Result<Report> {
    let about = "decoding and encoding the event-stream format";
    let mut report = Report::new("codec", about, options.rounds, options.smoke);
    report.left_out.push("every codec: this scenario is not built yet".to_owned());
    Ok(report)
}
