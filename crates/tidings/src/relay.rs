//! `tidings relay`: a hub in front of an existing event stream, from flags alone.

use std::{env, fs};

use anyhow::Context as _;
use http::HeaderValue;
use tidings_server::RelayConfig;

use crate::{
    args::RelayArgs,
    config::{ConfigError, Origin, Relay, RelayHeader, RelayTable},
    serve,
};

/// Runs the hub until it is told to stop.
///
/// # Errors
/// When the configuration cannot be used, or the hub cannot start.
pub(crate) fn relay(arguments: &RelayArgs) -> anyhow::Result<()> {
    serve::serve_relaying(&arguments.settings, table(arguments)?)
}

fn table(arguments: &RelayArgs) -> Result<RelayTable, ConfigError> {
    let mut table = RelayTable::new(Origin::Flag("relay"));
    table.set("relay.url", &arguments.url, "URL")?;
    table.set("relay.access", &arguments.access, "--access")?;
    for (name, value, flag) in [
        ("relay.path", &arguments.path, "--path"),
        ("relay.mode", &arguments.mode, "--mode"),
        ("relay.snapshot", &arguments.snapshot, "--snapshot"),
    ] {
        if let Some(value) = value {
            table.set(name, value, flag)?;
        }
    }
    for header in &arguments.header {
        table.add_header(header, "--header")?;
    }
    Ok(table)
}

/// A relay's settings with what they name: certificates from their file, header values from their variables.
///
/// # Errors
/// When one of them cannot be read.
pub(crate) fn config(relay: &Relay) -> anyhow::Result<RelayConfig> {
    let mut config = relay.config.clone();
    let path = &config.path;
    let certificates = relay.certificates.as_ref().map(|file| {
        let whose =
            || format!("cannot read the certificates of the relay at {path}: {}", file.display());
        fs::read(file).with_context(whose)
    });
    config.certificates = certificates.transpose()?;
    for (name, value) in &relay.headers {
        let mut value = match value {
            RelayHeader::Text(text) => HeaderValue::from_str(text)?,
            RelayHeader::Variable(variable) => {
                let what = || format!("the header {name} of the relay at {path} needs {variable}");
                let text = env::var(variable).with_context(what)?;
                anyhow::ensure!(!text.trim().is_empty(), "{}: it is empty", what());
                HeaderValue::from_str(text.trim()).with_context(what)?
            }
        };
        value.set_sensitive(true);
        config.headers.append(name, value);
    }
    Ok(config)
}
