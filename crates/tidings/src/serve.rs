//! `tidings serve` and `tidings demo`: from the settings to a running hub.

use std::io::{self, Write as _};

use crate::{
    args::SettingsArgs,
    config::{self, Config},
    logging,
};

/// Runs the hub until it is told to stop.
///
/// # Errors
/// When the configuration cannot be used, or the hub cannot start.
pub(crate) fn serve(settings: &SettingsArgs) -> anyhow::Result<()> {
    let layers = config::load(settings.config.as_deref(), &settings.flags())?;
    let config = Config::resolve(&layers)?;
    logging::start(&config.telemetry)?;
    if config.dev {
        // Not a log line: no filter may hide it.
        writeln!(
            io::stderr(),
            "DEVELOPMENT MODE: anyone on this machine may publish and subscribe, without a token, from any origin"
        )?;
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    anyhow::bail!("this build has no server")
}

/// Runs the hub in development mode, with this machine's load as updates.
///
/// # Errors
/// As [`serve`], and when this machine cannot be measured.
pub(crate) fn demo(settings: SettingsArgs) -> anyhow::Result<()> {
    serve(&settings.into_dev())
}
