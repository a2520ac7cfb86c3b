//! JetStream's API as far as a log needs it: questions and answers in JSON.

use std::time::Duration;

use async_nats::{Message, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::conn::{Conn, Question};
use super::trouble::{ApiError, Trouble};

/// A stream as its leader describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    /// All of it: what a later server has in it must be sent back with an update.
    pub(super) config: Map<String, Value>,
    pub(super) state: Held,
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Held {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// That of the next message where there is none.
    first_seq: u64,
    pub(super) last_seq: u64,
}

impl Held {
    /// The seq of the oldest message, or of the next one where there is none.
    pub(super) fn oldest(&self) -> u64 {
        if self.messages == 0 { self.next() } else { self.first_seq.max(1) }
    }

    /// The seq of the next message.
    pub(super) fn next(&self) -> u64 {
        self.last_seq.saturating_add(1)
    }
}

/// A message of a stream.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) payload: Bytes,
}

/// The stream's API on one connection.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) conn: Conn,
    pub(super) name: String,
}

impl Api {
    /// The stream, if there is one.
    pub(super) async fn info(&self) -> Result<Option<Info>, Trouble> {
        match self.ask(format!("$JS.API.STREAM.INFO.{}", self.name), &json!({})).await {
            Ok(info) => Ok(Some(info)),
            Err(trouble) if trouble.is(ApiError::STREAM_NOT_FOUND) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes the stream. Does nothing if there is one with the same settings.
    pub(super) async fn create(&self, config: &Map<String, Value>) -> Result<Info, Trouble> {
        self.ask(format!("$JS.API.STREAM.CREATE.{}", self.name), config).await
    }

    /// Changes the stream's settings.
    pub(super) async fn update(&self, config: &Map<String, Value>) -> Result<Info, Trouble> {
        self.ask(format!("$JS.API.STREAM.UPDATE.{}", self.name), config).await
    }

    /// The first message from a seq on that is under a subject, as the leader has it.
    pub(super) async fn first_from(
        &self,
        seq: u64,
        subject: &str,
    ) -> Result<Option<Stored>, Trouble> {
        self.get(json!({ "seq": seq, "next_by_subj": subject })).await
    }

    /// The last message under a subject, as the leader has it.
    pub(super) async fn last_under(&self, subject: &str) -> Result<Option<Stored>, Trouble> {
        self.get(json!({ "last_by_subj": subject })).await
    }

    /// The message with a seq, as the leader has it.
    pub(super) async fn at(&self, seq: u64) -> Result<Option<Stored>, Trouble> {
        self.get(json!({ "seq": seq })).await
    }

    /// The messages with these seqs, each in the place of its seq, as the leader has them.
    pub(super) async fn at_each(&self, seqs: &[u64]) -> Result<Vec<Option<Stored>>, Trouble> {
        let questions = seqs
            .iter()
            .map(|seq| Question { headers: None, payload: format!("{{\"seq\":{seq}}}").into() })
            .collect();
        let subject = format!("$JS.API.STREAM.MSG.GET.{}", self.name);
        let mut stored: Vec<Option<Stored>> = seqs.iter().map(|_| None).collect();
        for (place, answer) in self.conn.gather(&subject, questions).await? {
            if let Some(stored) = stored.get_mut(place) {
                *stored = got(read(&answer.payload))?;
            }
        }
        Ok(stored)
    }

    /// The messages with these seqs, in order, as any replica has them. One that is not there may only be missing in that
    /// replica.
    pub(super) async fn some_of(
        &self,
        seqs: impl Iterator<Item = u64>,
    ) -> Result<Vec<Stored>, Trouble> {
        let questions = seqs
            .map(|seq| Question { headers: None, payload: format!("{{\"seq\":{seq}}}").into() })
            .collect();
        let answers =
            self.conn.gather(&format!("$JS.API.DIRECT.GET.{}", self.name), questions).await?;
        let mut stored: Vec<Stored> = Vec::with_capacity(answers.len());
        for (_, answer) in answers {
            match answer.status {
                Some(StatusCode::NOT_FOUND) => {}
                None | Some(StatusCode::OK) => stored.extend(direct(answer)),
                Some(status) => {
                    return Err(Trouble::Away(format!(
                        "reading a message failed with status {status}"
                    )));
                }
            }
        }
        stored.sort_unstable_by_key(|stored| stored.seq);
        Ok(stored)
    }

    /// Makes a consumer that gives messages from a seq on to whoever pulls, without acknowledgement. Returns its name.
    pub(super) async fn consumer(&self, from: u64, kept_for: Duration) -> Result<String, Trouble> {
        #[derive(Deserialize)]
        struct Created {
            name: String,
        }
        let request = json!({
            "stream_name": self.name,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": from.max(1),
                "ack_policy": "none",
                "replay_policy": "instant",
                "inactive_threshold": nanos(kept_for),
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        let created: Created =
            self.ask(format!("$JS.API.CONSUMER.CREATE.{}", self.name), &request).await?;
        Ok(created.name)
    }

    async fn get(&self, question: Value) -> Result<Option<Stored>, Trouble> {
        got(self.ask(format!("$JS.API.STREAM.MSG.GET.{}", self.name), &question).await)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        question: &impl serde::Serialize,
    ) -> Result<T, Trouble> {
        let question = serde_json::to_vec(question).map_err(|_| nonsense())?;
        let answer = self.conn.request(subject, question.into()).await?;
        read(&answer.payload)
    }
}

/// Reads an answer.
pub(super) fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Trouble> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<ApiError>,
    }
    // First, because beside an error may stand what looks like an answer.
    match serde_json::from_slice(payload).map_err(|_| nonsense())? {
        Refusal { error: Some(error) } => Err(Trouble::Api(error)),
        Refusal { error: None } => serde_json::from_slice(payload).map_err(|_| nonsense()),
    }
}

/// The leader's answer when it is asked for a message.
#[derive(Deserialize)]
struct Got {
    message: GotMessage,
}

#[derive(Deserialize)]
struct GotMessage {
    seq: u64,
    #[serde(default)]
    data: String,
}

fn got(answer: Result<Got, Trouble>) -> Result<Option<Stored>, Trouble> {
    match answer {
        Ok(Got { message: GotMessage { seq, data } }) => {
            let payload = STANDARD.decode(data).map_err(|_| nonsense())?;
            Ok(Some(Stored { seq, payload: payload.into() }))
        }
        Err(trouble) if trouble.is(ApiError::NO_MESSAGE) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// A duration as JetStream writes it.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn direct(answer: Message) -> Option<Stored> {
    let seq = answer.headers.as_ref()?.get("Nats-Sequence")?.as_str().parse().ok()?;
    Some(Stored { seq, payload: answer.payload })
}

fn nonsense() -> Trouble {
    Trouble::Away("the answer cannot be read: is it a NATS server of version 2.9 or later?".into())
}
