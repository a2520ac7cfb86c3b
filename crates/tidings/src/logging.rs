//! The hub's own log: lines on standard error, for people or as JSON.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::{LogFormat, TelemetryConfig},
    terminal,
};

/// Starts logging for this process.
///
/// # Errors
/// When the filter is not one, or logging was started before.
pub(crate) fn start(telemetry: &TelemetryConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&telemetry.filter).context("telemetry.log is no filter")?;
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match telemetry.format {
        LogFormat::Text => lines.with_ansi(terminal::colours(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().with_ansi(false).try_init(),
    };
    // Not `context`: the error is a boxed one, which anyhow takes only as a message.
    started.map_err(|error| anyhow::anyhow!(error).context("cannot start logging"))
}
