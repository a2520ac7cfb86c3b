//! The stream that holds the log: made if there is none, and looked at to tell whether it is still the same log.
//!
//! A hub knows which epoch it follows, and the last message it has seen with a hash of it. The stream is another log when it
//! was made anew, when it ends before that message, or when that message is another one. Then it gets another epoch, and
//! whoever sees the later one follows that.

use std::hash::Hasher as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use siphasher::sip::SipHasher13;
use tidings_hub::Epoch;

use super::api::{Api, Info, nanos};
use super::config::NatsConfig;
use super::lineage::{Lineage, pattern};
use super::trouble::{ApiError, Trouble};

/// What a hub knows of the log from before.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) lineage: Lineage,
    pub(super) seen: Seen,
}

/// The last message that is known to have been in the log; seq 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) seq: u64,
    pub(super) hash: u64,
}

impl Seen {
    pub(super) fn new(seq: u64, payload: &[u8]) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(payload);
        Self { seq, hash: hasher.finish() }
    }
}

/// After which time what looks like a loss is looked at again: a leader may be a moment behind a replica.
const DOUBT: Duration = Duration::from_millis(300);
/// How often the stream is looked at before it is left for later: others may be changing it.
const LOOKS: usize = 8;

/// What the stream is, compared with what is known.
enum Verdict {
    /// As it was, or a later log.
    Sound(Lineage, Info),
    /// There is none.
    Missing,
    /// It has lost something, or is an older log.
    Lost(Lineage, Info),
}

/// Looks at the stream. Makes it if there is none, and raises its epoch if it has lost something that is known.
pub(super) async fn examine(
    api: &Api,
    config: &NatsConfig,
    known: Option<&Known>,
) -> Result<(Lineage, Info), Trouble> {
    let mut suspected = known.is_none();
    for _ in 0..LOOKS {
        let verdict = look(api, known).await?;
        match verdict {
            Verdict::Sound(lineage, info) => return Ok((lineage, info)),
            _ if !suspected => {
                suspected = true;
                tokio::time::sleep(DOUBT).await;
            }
            Verdict::Missing => {
                let epoch = Epoch::random().map_err(|error| {
                    Trouble::Away(format!("the system has no randomness to give: {error}"))
                })?;
                let lineage = Lineage::anew(epoch, known.map(|known| &known.lineage));
                match api.create(&made(config, &lineage)).await {
                    Ok(_) => {
                        tracing::info!(stream = config.name, %epoch, "made the stream for the log");
                    }
                    // Another hub was first.
                    Err(trouble) if trouble.is(ApiError::STREAM_NAME_IN_USE) => {}
                    Err(trouble) => return Err(trouble),
                }
            }
            Verdict::Lost(lineage, info) => {
                let Some(known) = known else { continue };
                let raised = lineage.raised(&known.lineage, info.state.last_seq);
                tracing::warn!(
                    stream = config.name,
                    epoch = %raised.epoch(),
                    last_known = known.seen.seq,
                    last = info.state.last_seq,
                    "the stream has lost updates that were in it; it gets another epoch, and subscribers are told a gap"
                );
                let mut changed = info.config;
                changed.extend(named(config, &raised));
                api.update(&changed).await?;
            }
        }
    }
    Err(Trouble::Away("the stream is being changed by others; trying again".into()))
}

/// Gives the stream the limits of the configuration, where they differ.
pub(super) async fn fit(api: &Api, config: &NatsConfig, info: Info) -> Result<Info, Trouble> {
    let wanted = limits(config);
    let differs = |(name, value): &(&String, &Value)| info.config.get(*name) != Some(*value);
    let differing: Vec<String> = wanted
        .iter()
        .filter(differs)
        .map(|(name, value)| {
            let before = info.config.get(name).unwrap_or(&Value::Null);
            format!("{name} from {before} to {value}")
        })
        .collect();
    if info.config.get("storage").and_then(Value::as_str) != Some(config.storage.as_str()) {
        tracing::warn!(
            stream = config.name,
            wanted = config.storage.as_str(),
            "the stream keeps its messages elsewhere than configured; to change that, delete it"
        );
    }
    if differing.is_empty() {
        return Ok(info);
    }
    tracing::info!(
        stream = config.name,
        changed = differing.join(", "),
        "changing the stream's limits"
    );
    let mut changed = info.config;
    changed.extend(wanted);
    api.update(&changed).await
}

async fn look(api: &Api, known: Option<&Known>) -> Result<Verdict, Trouble> {
    let Some(info) = api.info().await? else { return Ok(Verdict::Missing) };
    let lineage = read(&info).ok_or_else(|| {
        Trouble::Refused(format!(
            "the stream {} was not made by Tidings, or its description was edited; choose another name for the log, \
             or delete the stream",
            api.name
        ))
    })?;
    let Some(known) = known else { return Ok(Verdict::Sound(lineage, info)) };
    if lineage != known.lineage {
        let is_later = lineage.is_after(&known.lineage);
        return Ok(if is_later {
            Verdict::Sound(lineage, info)
        } else {
            Verdict::Lost(lineage, info)
        });
    }
    let Seen { seq, hash } = known.seen;
    if info.state.last_seq < seq {
        return Ok(Verdict::Lost(lineage, info));
    }
    if seq >= info.state.oldest() {
        // One that is not there any more was removed by somebody, which is no loss of the end.
        let stored = api.at(seq).await?;
        if stored.is_some_and(|stored| Seen::new(seq, &stored.payload).hash != hash) {
            return Ok(Verdict::Lost(lineage, info));
        }
    }
    Ok(Verdict::Sound(lineage, info))
}

/// What a stream's description says.
pub(super) fn read(info: &Info) -> Option<Lineage> {
    info.config.get("description")?.as_str()?.parse().ok()
}

fn made(config: &NatsConfig, lineage: &Lineage) -> Map<String, Value> {
    let mut made = object(json!({
        "name": config.name,
        "retention": "limits",
        "storage": config.storage.as_str(),
        "max_consumers": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
    }));
    made.extend(named(config, lineage));
    made.extend(limits(config));
    made
}

fn named(config: &NatsConfig, lineage: &Lineage) -> Map<String, Value> {
    object(json!({
        "description": lineage.describe(),
        "subjects": [pattern(&config.name, lineage.epoch())],
    }))
}

fn limits(config: &NatsConfig) -> Map<String, Value> {
    /// The shortest age that JetStream takes.
    const SHORTEST: Duration = Duration::from_millis(100);
    let or_any = |limit: Option<u64>| {
        limit.map_or(json!(-1), |limit| json!(limit.clamp(1, i64::MAX as u64)))
    };
    let age = config.retention.max_age.map(|age| age.max(SHORTEST));
    let keys_for = config.keys_for.max(SHORTEST);
    object(json!({
        "max_msgs": or_any(config.retention.max_updates),
        "max_bytes": or_any(config.retention.max_bytes),
        "max_age": age.map_or(0, nanos),
        "duplicate_window": nanos(age.map_or(keys_for, |age| keys_for.min(age))),
        "num_replicas": config.replicas.max(1),
        "discard": "old",
        "allow_direct": true,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
