//! `tidings config`: the commented defaults, or what is in force.

use std::io::{self, Write as _};

use crate::{
    args::ConfigArgs,
    config::{self, Config, DEFAULTS},
};

/// Prints the configuration that was asked for.
///
/// # Errors
/// When what is in force cannot be read, or, after it was printed, when the hub would not start
/// with it.
pub(crate) fn show(arguments: &ConfigArgs) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if !arguments.resolved {
        return Ok(out.write_all(DEFAULTS.as_bytes())?);
    }
    let layers = config::load(arguments.settings.config.as_deref(), &arguments.settings.flags())?;
    out.write_all(config::resolved(&layers).as_bytes())?;
    out.flush()?;
    for warning in &Config::resolve(&layers)?.warnings {
        writeln!(io::stderr(), "tidings: {warning}")?;
    }
    Ok(())
}
