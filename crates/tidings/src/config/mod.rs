//! What the hub runs with: defaults, then a file, then the environment, then flags, checked once
//! and typed.

mod error;
mod key;
mod layers;
mod load;
mod mercure;
mod resolve;
mod settings;
mod show;
mod units;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    layers::{DEFAULTS, Flag},
    load::load,
    settings::{Config, KeySource, LogConfig, LogFormat, TelemetryConfig},
    show::resolved,
    units::parse_duration,
};
