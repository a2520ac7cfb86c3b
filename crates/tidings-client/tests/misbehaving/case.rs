//! The servers of `vectors/misbehaving-servers.json`: what each does, and what a client makes of it.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;

/// One server.
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Its steps on each connection.
    pub(crate) does: Vec<Step>,
    then: Then,
    /// What the error says, in small letters.
    why: Option<String>,
    wait_at_least_ms: Option<u64>,
}

/// One step, as `vectors/README.md` describes it.
#[derive(Deserialize, Debug, Clone)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Step {
    Send { send: String },
    SendBase64 { send_base64: String },
    Repeat { repeat: String, times: Option<usize> },
    Pause { pause_ms: u64 },
    Plain(Plain),
}

/// A step that says no more than its name.
#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plain {
    Stall(True),
    Close(True),
    Reset(True),
}

/// `true`, the only thing that stands behind such a name.
#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(try_from = "bool")]
pub(crate) struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("a step that is not taken") }
    }
}

/// What a client does in the end.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Stops,
    Ends,
    Retries,
    Opens,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(untagged)]
enum Then {
    One(Outcome),
    AnyOf(Vec<Outcome>),
}

impl Case {
    /// Whether a client may do this.
    pub(crate) fn allows(&self, outcome: Outcome) -> bool {
        self.outcomes().contains(&outcome)
    }

    /// What a client may do.
    pub(crate) fn outcomes(&self) -> &[Outcome] {
        match &self.then {
            Then::One(outcome) => std::slice::from_ref(outcome),
            Then::AnyOf(outcomes) => outcomes,
        }
    }

    /// What the error says that belongs to this outcome, in small letters.
    pub(crate) fn why(&self, outcome: Outcome) -> Option<String> {
        let told = match outcome {
            Outcome::Stops => true,
            Outcome::Retries => self.outcomes() == [Outcome::Retries],
            Outcome::Ends | Outcome::Opens => false,
        };
        self.why.as_ref().filter(|_| told).map(|why| why.to_lowercase())
    }

    /// The least wait after the first failure.
    pub(crate) fn least_wait(&self) -> Duration {
        Duration::from_millis(self.wait_at_least_ms.unwrap_or(0))
    }

    /// Whether the server lets a client wait, for something or for an end: it is the client that gives up.
    pub(crate) fn is_slow(&self) -> bool {
        self.does.iter().any(|step| {
            matches!(
                step,
                Step::Pause { .. }
                    | Step::Plain(Plain::Stall(_))
                    | Step::Repeat { times: None, .. }
            )
        })
    }

    /// Whether the server sends more than a client may keep: such servers are met one by one, so that the memory which
    /// each one costs is seen.
    pub(crate) fn is_large(&self) -> bool {
        self.does.iter().any(|step| match step {
            Step::Repeat { repeat, times } => {
                times.is_none_or(|times| times.saturating_mul(repeat.len()) > 1_000_000)
            }
            Step::SendBase64 { send_base64 } => send_base64.len() > 10_000,
            _ => false,
        })
    }
}

impl Step {
    /// The bytes of one go, with the server's port in them.
    pub(crate) fn bytes(&self, port: u16) -> Vec<u8> {
        match self {
            Self::Send { send } => send.replace("{port}", &port.to_string()).into_bytes(),
            Self::SendBase64 { send_base64 } => BASE64_STANDARD.decode(send_base64).unwrap(),
            Self::Repeat { repeat, .. } => repeat.clone().into_bytes(),
            _ => Vec::new(),
        }
    }
}

/// Every server, none of them lost.
pub(crate) fn all() -> Vec<Case> {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../vectors/misbehaving-servers.json")).unwrap();
    assert!(cases.len() >= 196, "no server may get lost: {}", cases.len());
    assert!(cases.iter().all(|case| !case.outcomes().is_empty()));
    cases
}
