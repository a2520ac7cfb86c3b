//! The layers a configuration is made of, laid over each other: the later one stands, and each
//! value keeps its origin.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    error::ConfigError,
    key::{COMMAND_VARIABLES, KEYS, Key, Kind, PREFIX, is_section, nearest, nearest_key},
    relay::{self, RelayTable},
    value::Value,
};

/// The commented defaults, as `tidings config` prints them.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// Where the log is kept.
const STORE: &str = "log.store";

/// Where a value was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// The embedded defaults.
    Default,
    /// What `dev` turns on.
    Dev,
    /// A line of a file, counted from 1.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Variable(String),
    /// A line of `MERCURE_EXTRA_DIRECTIVES`, counted from 1.
    Directive { line: usize },
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Dev => f.write_str("dev"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Directive { line } => write!(f, "MERCURE_EXTRA_DIRECTIVES line {line}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value and where it was said.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A setting given on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// The flag as typed, for errors: `--listen`.
    pub(crate) typed: &'static str,
    /// The setting's name: `listen`.
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The values in force, each with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
    pub(super) relays: Vec<RelayTable>,
    /// What the reader should know although it is no error.
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// The embedded defaults alone.
    ///
    /// # Errors
    /// Never, as long as the embedded file passes its test.
    pub(crate) fn defaults() -> Result<Self, ConfigError> {
        let mut layers =
            Self { settings: BTreeMap::new(), relays: Vec::new(), warnings: Vec::new() };
        layers.lay_toml(DEFAULTS, |_| Origin::Default)?;
        Ok(layers)
    }

    /// Lays a TOML file over what is there.
    ///
    /// # Errors
    /// When the text is no TOML, names an unknown setting, or gives a value of the wrong kind.
    pub(crate) fn lay_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        self.lay_toml(text, |line| Origin::File { path: path.to_owned(), line })
    }

    /// Lays the `TIDINGS_*` variables over what is there. An empty variable counts as absent.
    ///
    /// # Errors
    /// When a variable names an unknown setting or cannot be read as its kind.
    pub(crate) fn lay_environment(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in variables {
            if !variable.starts_with(PREFIX)
                || COMMAND_VARIABLES.contains(&variable.as_str())
                || text.is_empty()
            {
                continue;
            }
            let origin = Origin::Variable(variable.clone());
            match Key::of_variable(variable) {
                Some(key) => self.lay_text(key, text, origin)?,
                None if is_service_link(variable, text) => {}
                None => {
                    let nearest = nearest(variable, KEYS.iter().map(Key::variable));
                    return Err(ConfigError::UnknownVariable { name: variable.clone(), nearest });
                }
            }
        }
        Ok(())
    }

    /// Lays the flags over what is there.
    ///
    /// # Errors
    /// When a flag names an unknown setting or cannot be read as its kind.
    pub(crate) fn lay_flags(&mut self, flags: &[Flag]) -> Result<(), ConfigError> {
        for Flag { typed, name, value } in flags {
            let key = Key::named(name).ok_or_else(|| unknown(name.clone(), Origin::Flag(typed)))?;
            self.lay_text(key, value, Origin::Flag(typed))?;
        }
        Ok(())
    }

    /// Turns on what development mode needs, where it is as by default and no variable or flag says so. A
    /// file does not count: one made from the printed defaults says "off" of everything.
    pub(crate) fn lay_dev(&mut self) {
        if self.setting("dev").is_none_or(|setting| setting.value != Value::Switch(true)) {
            return;
        }
        let any_origin = Value::List(vec!["*".to_owned()]);
        let turned_on = [
            ("auth.anonymous", Value::Switch(false), Value::Switch(true)),
            ("cors.origins", Value::List(Vec::new()), any_origin),
            ("dashboard.enabled", Value::Switch(false), Value::Switch(true)),
            // Nothing is left behind.
            (STORE, Value::Text("disk".to_owned()), Value::Text("memory".to_owned())),
            // Everybody on this machine has the same address.
            ("limits.per_address", Value::Count(1_000), Value::Count(0)),
        ];
        let names_directory = self.names_directory();
        for (name, off, on) in turned_on {
            if name == STORE && names_directory {
                continue;
            }
            if let Some(setting) = self.settings.get_mut(name)
                && setting.value == off
                && matches!(setting.origin, Origin::Default | Origin::File { .. })
            {
                *setting = Setting { value: on, origin: Origin::Dev };
            }
        }
    }

    /// Keeps the log in memory, where nothing says otherwise: for a hub that only passes on what others keep.
    pub(crate) fn lay_memory(&mut self) {
        let names_directory = self.names_directory();
        if let Some(setting) = self.settings.get_mut(STORE)
            && matches!(setting.origin, Origin::Default)
            && !names_directory
        {
            setting.value = Value::Text("memory".to_owned());
        }
    }

    /// Whether a variable or a flag names the directory of the log: whoever does wants it there.
    fn names_directory(&self) -> bool {
        let data = self.setting("log.data");
        data.is_some_and(|data| !matches!(data.origin, Origin::Default | Origin::File { .. }))
    }

    /// Lays one setting given as text over what is there.
    pub(super) fn lay_text(
        &mut self,
        key: &'static Key,
        text: &str,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match Value::from_text(key.kind, text) {
            Some(value) => self.lay(key, value, origin),
            None => return Err(wrong_kind(key, origin, Some(text))),
        }
        Ok(())
    }

    /// Lays a value over what is there.
    pub(super) fn lay(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.settings.insert(key.name, Setting { value, origin });
    }

    /// The value in force.
    pub(super) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    fn lay_toml(
        &mut self,
        text: &str,
        origin: impl Fn(usize) -> Origin,
    ) -> Result<(), ConfigError> {
        let at = |offset: usize| {
            let before = text.get(..offset).unwrap_or_default();
            origin(1 + before.matches('\n').count())
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        for (name, value) in table.get_ref() {
            let origin = at(name.span().start);
            match value.get_ref() {
                DeValue::Array(tables) if name.get_ref() == relay::TABLE => {
                    for table in tables {
                        let origin = at(table.span().start);
                        let DeValue::Table(table) = table.get_ref() else {
                            return Err(no_table(origin));
                        };
                        self.relays.push(RelayTable::read(table, origin, at)?);
                    }
                }
                _ if name.get_ref() == relay::TABLE => return Err(no_table(origin)),
                DeValue::Table(section) if is_section(name.get_ref()) => {
                    for (inner, value) in section {
                        let full_name = format!("{}.{}", name.get_ref(), inner.get_ref());
                        self.lay_toml_value(full_name, value.get_ref(), at(inner.span().start))?;
                    }
                }
                DeValue::Table(section) => {
                    let inner = section.keys().next();
                    let full_name = inner.map_or_else(
                        || name.get_ref().to_string(),
                        |inner| format!("{}.{}", name.get_ref(), inner.get_ref()),
                    );
                    return Err(unknown(full_name, origin));
                }
                value => self.lay_toml_value(name.get_ref().to_string(), value, origin)?,
            }
        }
        Ok(())
    }

    /// Adds a relay that flags give.
    pub(crate) fn add_relay(&mut self, relay: RelayTable) {
        self.relays.push(relay);
    }

    fn lay_toml_value(
        &mut self,
        name: String,
        value: &DeValue<'_>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        let Some(key) = Key::named(&name) else { return Err(unknown(name, origin)) };
        match Value::from_toml(key.kind, value) {
            Some(value) => self.lay(key, value, origin),
            None => return Err(wrong_kind(key, origin, value.as_str())),
        }
        Ok(())
    }
}

fn no_table(origin: Origin) -> ConfigError {
    let expected = "tables: write [[relay]] above the settings of each";
    ConfigError::WrongValue { name: relay::TABLE, origin, expected, found: None }
}

fn unknown(name: String, origin: Origin) -> ConfigError {
    let nearest = nearest_key(&name).map(str::to_owned);
    ConfigError::UnknownKey { name, origin, nearest }
}

fn wrong_kind(key: &'static Key, origin: Origin, found: Option<&str>) -> ConfigError {
    let found = found.filter(|_| key.kind != Kind::Secret).map(|text| format!("{text:?}"));
    ConfigError::WrongValue { name: key.name, origin, expected: Value::expected(key.kind), found }
}

/// Whether a variable is one Kubernetes sets for a service whose name starts with `tidings`, such
/// as `TIDINGS_SERVICE_HOST` or `TIDINGS_PORT_3000_TCP`. Nobody wrote those, so they must not stop
/// the hub.
fn is_service_link(variable: &str, text: &str) -> bool {
    let port = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_SERVICE_PORT")
        || variable.contains("_SERVICE_PORT_")
        || variable.split("_PORT_").skip(1).any(port)
        || (variable.ends_with("_PORT") && text.contains("://"))
}
