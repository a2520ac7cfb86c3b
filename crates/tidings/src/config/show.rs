//! What is in force, as a file that could be used again, except that secrets are masked.

use std::fmt::Write as _;

use reqwest::Url;

use super::{
    key::{KEYS, Key, Kind},
    layers::{Layers, Setting},
    relay,
    settings::RelayHeader,
    value::Value,
};

const MASK: &str = "********";

/// The values in force as TOML, each with its origin in a comment.
pub(crate) fn resolved(layers: &Layers) -> String {
    let mut text = String::new();
    let mut current_section = None;
    for key in &KEYS {
        let (section, name) = key.section_and_name();
        if section != current_section {
            current_section = section;
            append(&mut text, format_args!("\n[{}]\n", section.unwrap_or_default()));
        }
        match layers.setting(key.name) {
            Some(setting) => {
                let value = key.shown(&setting.value).unwrap_or_else(|| format!("\"{MASK}\""));
                append(&mut text, format_args!("{name} = {value}  # {}\n", setting.origin));
            }
            None => append(&mut text, format_args!("# {name} is not set\n")),
        }
    }
    for relay in &layers.relays {
        append(&mut text, format_args!("\n[[relay]]  # {}\n", relay.origin));
        for key in &relay::KEYS {
            if let Some(Setting { value, origin }) = relay.setting(key.name) {
                let value = key.shown(value).unwrap_or_else(|| format!("\"{MASK}\""));
                let (_, name) = key.section_and_name();
                append(&mut text, format_args!("{name} = {value}  # {origin}\n"));
            }
        }
        for header in &relay.headers {
            let name = Value::Text(header.name.clone());
            match &header.value {
                RelayHeader::Text(_) => {
                    append(&mut text, format_args!("headers.{name} = \"{MASK}\"\n"));
                }
                RelayHeader::Variable(variable) => {
                    let variable = Value::Text(variable.clone());
                    append(&mut text, format_args!("headers.{name} = {{ env = {variable} }}\n"));
                }
            }
        }
    }
    text
}

fn append(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    text.write_fmt(line).unwrap_or_default();
}

impl Key {
    /// The value as the file would hold it; nothing if it is a secret.
    pub(super) fn shown(&self, value: &Value) -> Option<String> {
        match (self.kind, value) {
            (Kind::Secret, _) => None,
            (Kind::Size, Value::Count(bytes)) => Some(shown_size(*bytes)),
            (Kind::Url, Value::Text(text)) => Some(Value::Text(without_secrets(text)).to_string()),
            (Kind::Store, Value::Text(text)) => Some(Value::Text(shown_store(text)).to_string()),
            (_, value) => Some(value.to_string()),
        }
    }
}

/// The size in the largest unit that leaves no rest.
fn shown_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("\"{}{name}\"", bytes / unit),
        None => bytes.to_string(),
    }
}

/// A store's name, or its URLs without their secrets.
fn shown_store(text: &str) -> String {
    if text.contains("://") {
        text.split(',').map(without_secrets).collect::<Vec<_>>().join(",")
    } else {
        text.to_owned()
    }
}

/// The URL without what may be a secret in it: the user's name, the password and the query. An access token may be in
/// any of them.
fn without_secrets(text: &str) -> String {
    // What cannot be read may hold a secret all the same.
    masked(text).unwrap_or_else(|()| MASK.to_owned())
}

fn masked(text: &str) -> Result<String, ()> {
    let mut url = Url::parse(text).map_err(|_| ())?;
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return Ok(text.to_owned());
    }
    if !url.username().is_empty() {
        url.set_username(MASK)?;
    }
    if url.password().is_some() {
        url.set_password(Some(MASK))?;
    }
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    Ok(url.to_string())
}
