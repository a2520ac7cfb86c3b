//! What a server is to the bench: how it is started, subscribed to and published to. Read from a description, or built in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::template::Template;

/// The names of the scenarios that a description may list.
pub(crate) const SCENARIOS: &[&str] =
    &["broadcast", "own-topics", "idle", "storm", "slow", "selectors", "publish", "shards"];

/// The names of the built-in targets.
pub(crate) const BUILT_IN: &[&str] =
    &["floor", "tidings", "tidings-body", "tidings-disk", "tidings-relay"];

/// A server that can be measured.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) kind: Kind,
    pub(crate) subscribe: Subscribe,
    pub(crate) publish: Publish,
    /// The most subscribers it takes in reasonable time.
    pub(crate) max_subscribers: Option<usize>,
    /// The most streams that it takes while they are opening.
    pub(crate) max_connecting: Option<usize>,
    scenarios: Vec<String>,
}

/// Where a target comes from.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The floor: this program itself.
    Floor,
    /// Tidings with its log there, and these settings.
    Tidings { store: Store, settings: &'static [&'static str] },
    /// Tidings as a relay of the floor, which is published to and is not measured.
    Relay,
    /// Another server, by its folder in `bench/peers`.
    Peer(Peer),
}

/// Where a hub keeps its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    /// In a directory: one of its own unless the start names one.
    Disk,
    /// In the engine with this URL.
    Shared(String),
}

/// The commands of a peer, run in its folder.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) folder: PathBuf,
    pub(crate) install: Vec<String>,
    pub(crate) start: Vec<String>,
    pub(crate) available: Vec<String>,
}

/// How to subscribe.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) path: Template,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) resume: Option<Resume>,
}

/// How to resume after an id.
#[derive(Clone, Debug)]
pub(crate) enum Resume {
    /// With the header `Last-Event-ID`.
    Header,
    /// With a path of its own.
    Query(Template),
}

/// How to publish.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) port: Port,
    pub(crate) method: String,
    pub(crate) path: Template,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Template,
}

/// One of the ports that a server is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Port {
    #[serde(rename = "PORT")]
    First,
    #[serde(rename = "PORT2")]
    Second,
    #[serde(rename = "PORT3")]
    Third,
}

impl Target {
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Floor)
    }

    pub(crate) fn is_tidings(&self) -> bool {
        matches!(self.kind, Kind::Tidings { .. } | Kind::Relay)
    }

    /// Whether a scenario makes sense for it.
    pub(crate) fn plays(&self, scenario: &str) -> bool {
        self.scenarios.iter().any(|name| name == scenario)
    }

    /// Reads the description in a peer's folder; the folder's name is the target's.
    ///
    /// # Errors
    /// Says what is wrong in which file.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("target.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(&name, folder, &text).with_context(|| format!("{}", path.display()))
    }

    fn parse(name: &str, folder: &Path, text: &str) -> Result<Self> {
        if BUILT_IN.contains(&name) {
            bail!("{name} is a built-in target");
        }
        let description: Description = toml::from_str(text)?;
        let Description { about, language, available, install, start, subscribe, publish, limits } =
            description;
        let available = match (available, start.available) {
            (Some(command), None) | (None, Some(command)) => command,
            (None, None) => bail!("missing `available`: a command that tells if it is installed"),
            (Some(_), Some(_)) => bail!("`available` stands twice"),
        };
        for (commands, what) in [
            (&start.command, "start.command"),
            (&install.command, "install.command"),
            (&available, "available"),
        ] {
            if commands.is_empty() {
                bail!("{what} is empty");
            }
        }
        if let Some(scenario) =
            limits.scenarios.iter().find(|scenario| !SCENARIOS.contains(&scenario.as_str()))
        {
            bail!("no scenario `{scenario}`: there are {}", SCENARIOS.join(", "));
        }
        let resume = match (subscribe.resume, subscribe.resume_path) {
            (None, None) => None,
            (Some(ResumeBy::Header), None) => Some(Resume::Header),
            (Some(ResumeBy::Query), Some(path)) => {
                let path = template(&path, "subscribe.resume_path", &["topic", "last_id"])?;
                Some(Resume::Query(path))
            }
            (Some(ResumeBy::Query), None) => {
                bail!("resume = \"query\" needs subscribe.resume_path")
            }
            (_, Some(_)) => bail!("subscribe.resume_path is for resume = \"query\""),
        };
        let body = template(&publish.body, "publish.body", &["topic", "data"])?;
        if !body.has("data") {
            bail!("publish.body has no {{data}}");
        }
        Ok(Self {
            name: name.to_owned(),
            about: format!("{about} ({language})"),
            kind: Kind::Peer(Peer {
                folder: folder.to_owned(),
                install: install.command,
                start: start.command,
                available,
            }),
            subscribe: Subscribe {
                path: template(&subscribe.path, "subscribe.path", &["topic"])?,
                headers: subscribe.headers,
                resume,
            },
            publish: Publish {
                port: publish.port,
                method: publish.method,
                path: template(&publish.path, "publish.path", &["topic"])?,
                headers: publish.headers,
                body,
            },
            max_subscribers: limits.max_subscribers,
            max_connecting: limits.max_connecting,
            scenarios: limits.scenarios,
        })
    }

    /// The hub with its log there, and these settings.
    ///
    /// # Errors
    /// None that its templates do not have.
    pub(crate) fn hub(store: Store, settings: &'static [&'static str]) -> Result<Self> {
        Ok(Self { kind: Kind::Tidings { store, settings }, ..Self::built_in("tidings")? })
    }

    /// A target that needs no description.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn built_in(name: &str) -> Result<Self> {
        let hub = |store, settings| Kind::Tidings { store, settings };
        let (about, kind, scenarios): (_, _, &[&str]) = match name {
            "floor" => (
                "epoll and one send to each socket",
                Kind::Floor,
                &["broadcast", "own-topics", "idle", "storm", "slow"],
            ),
            "tidings" => ("the hub, direct lane", hub(Store::Memory, &[]), SCENARIOS),
            "tidings-body" => {
                ("the hub, body lane", hub(Store::Memory, &["stream.lane=body"]), SCENARIOS)
            }
            "tidings-disk" => ("the hub, its log on disk", hub(Store::Disk, &[]), SCENARIOS),
            "tidings-relay" => ("the hub, relaying the floor", Kind::Relay, &["broadcast"]),
            _ => bail!("no built-in target `{name}`"),
        };
        let port = if matches!(kind, Kind::Relay) { Port::Second } else { Port::First };
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let headers =
            |(name, value): (&str, &str)| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Ok(Self {
            name: name.to_owned(),
            about: about.to_owned(),
            kind,
            subscribe: Subscribe {
                path: Template::parse("/events?topic={topic}", &["topic"])?,
                headers: headers(("Accept", "text/event-stream")),
                resume: Some(Resume::Header),
            },
            publish: Publish {
                port,
                method: "POST".to_owned(),
                path: Template::parse("/events", &[])?,
                headers: headers(form),
                body: Template::parse("topic={topic}&data={data}", &["topic", "data"])?,
            },
            max_subscribers: None,
            max_connecting: None,
            scenarios: scenarios.iter().map(|name| (*name).to_owned()).collect(),
        })
    }
}

fn template(text: &str, what: &str, names: &[&str]) -> Result<Template> {
    Template::parse(text, names).with_context(|| what.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    about: String,
    language: String,
    /// Here, or below `start`.
    available: Option<Vec<String>>,
    install: Install,
    start: Start,
    subscribe: SubscribeText,
    publish: PublishText,
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Install {
    command: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    command: Vec<String>,
    available: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeText {
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    resume: Option<ResumeBy>,
    resume_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResumeBy {
    Header,
    Query,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishText {
    port: Port,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    max_subscribers: Option<usize>,
    max_connecting: Option<usize>,
    scenarios: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        about = "a peer"
        language = "C"
        [install]
        command = ["./install.sh"]
        [start]
        command = ["./start.sh"]
        available = ["./available.sh"]
        [subscribe]
        path = "/events?topic={topic}"
        headers = { Accept = "text/event-stream" }
        resume = "header"
        [publish]
        port = "PORT2"
        method = "POST"
        path = "/pub/{topic}"
        headers = { "Content-Type" = "application/json" }
        body = '{"channel":"{topic}","data":{"text":"{data}"}}'
        [limits]
        max_subscribers = 2000
        scenarios = ["broadcast", "idle"]
    "#;

    fn parse(text: &str) -> Result<Target> {
        Target::parse("peer", Path::new("peers/peer"), text)
    }

    #[test]
    fn a_whole_description_is_read() {
        let target = parse(WHOLE).unwrap();
        assert_eq!(target.about, "a peer (C)");
        assert_eq!(target.publish.port, Port::Second);
        assert_eq!(target.max_subscribers, Some(2_000));
        assert!(target.plays("idle") && !target.plays("storm"));
        let mut body = Vec::new();
        target.publish.body.render(&[("topic", b"t1"), ("data", b"tb-x")], &mut body);
        assert_eq!(body, br#"{"channel":"t1","data":{"text":"tb-x"}}"#);
    }

    #[test]
    fn what_is_wrong_in_a_description_is_told() {
        for (from, to, told) in [
            ("\"PORT2\"", "\"PORT9\"", "PORT9"),
            ("\"header\"", "\"cookie\"", "cookie"),
            ("resume = \"header\"", "resume = \"query\"", "resume_path"),
            ("resume = \"header\"", "resume_path = \"/{last_id}\"", "resume = \"query\""),
            ("?topic={topic}", "?topic={channel}", "{channel}"),
            ("{data}", "", "no {data}"),
            ("\"idle\"", "\"idel\"", "no scenario `idel`"),
            ("[\"./start.sh\"]", "[]", "start.command is empty"),
            ("max_subscribers", "most_subscribers", "most_subscribers"),
            ("method = \"POST\"", "", "method"),
            ("available = [\"./available.sh\"]", "", "missing `available`"),
            ("language", "available = [\"./a\"]\nlanguage", "twice"),
            ("about", "abuot", "abuot"),
        ] {
            let error = parse(&WHOLE.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{error:#}").contains(told), "{error:#}");
        }
        assert!(Target::parse("floor", Path::new("floor"), WHOLE).is_err());
    }

    #[test]
    fn every_built_in_target_is_there() {
        for name in BUILT_IN {
            assert_eq!(Target::built_in(name).unwrap().name, *name);
        }
        assert!(Target::built_in("ceiling").is_err());
    }
}
