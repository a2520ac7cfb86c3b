//! Where the layers come from: the file and the process's environment, read once.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use super::{
    error::ConfigError,
    key::PREFIX,
    layers::{Flag, Layers},
    mercure::{self, SERVER_NAME},
};

/// Reads the file and the environment, and lays all layers.
///
/// # Errors
/// When the file cannot be read, or one of the layers cannot be understood.
pub(crate) fn load(file: Option<&Path>, flags: &[Flag]) -> Result<Layers, ConfigError> {
    let text = file.map(fs::read_to_string).transpose();
    let text = text.map_err(|source| ConfigError::ReadFile {
        path: file.unwrap_or(Path::new("")).to_owned(),
        source,
    })?;
    let environment = environment(std::env::vars_os())?;
    lay_all(file.zip(text.as_deref()), &environment, flags)
}

/// Lays every layer in its order: defaults, file, Mercure's variables, the hub's own variables,
/// flags, and then what development mode turns on where nothing else was said.
///
/// # Errors
/// When one of the layers cannot be understood.
pub(super) fn lay_all(
    file: Option<(&Path, &str)>,
    environment: &BTreeMap<String, String>,
    flags: &[Flag],
) -> Result<Layers, ConfigError> {
    let mut layers = Layers::defaults()?;
    if let Some((path, text)) = file {
        layers.lay_file(path, text)?;
    }
    mercure::lay(&mut layers, environment)?;
    layers.lay_environment(environment)?;
    layers.lay_flags(flags)?;
    layers.lay_dev();
    Ok(layers)
}

/// The variables that concern the hub.
fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    variables
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text)))
        .filter(|(name, _)| {
            name.starts_with(PREFIX) || name.starts_with(mercure::PREFIX) || name == SERVER_NAME
        })
        .map(|(variable, text)| match text.into_string() {
            Ok(text) => Ok((variable, text)),
            Err(_) => Err(ConfigError::NotUtf8 { variable }),
        })
        .collect()
}
