//! What the hub runs with: defaults, then a file, then the environment, then flags, checked once
//! and typed.

mod error;
mod key;
mod layers;
mod load;
mod log;
mod mercure;
mod relay;
mod resolve;
mod settings;
mod show;
mod units;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    error::ConfigError,
    layers::{DEFAULTS, Flag, Layers, Origin},
    load::load,
    relay::RelayTable,
    settings::{
        Config, Engine, KeySource, LogConfig, LogFormat, Relay, RelayHeader, Store, TelemetryConfig,
    },
    show::resolved,
    units::parse_duration,
};
