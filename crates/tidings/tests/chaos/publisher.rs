//! Publishers that repeat what was not acknowledged, with its idempotency key, at whichever hub there is.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use crate::ledger::Ledger;

/// How long an answer may take: a hub that is asked while its engine is away says so sooner.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a publisher waits before it tries again: up to so long.
const PAUSE: Duration = Duration::from_millis(50);
/// Of how many updates that were not acknowledged one is given up.
const GIVEN_UP: usize = 10;
/// Of how many keys that were just used one is used again for the same update.
const SAID_AGAIN: usize = 20;

/// What a hub says to those who should try again: its engine is away, it has just heard of the others again, it goes down.
const SOFT: [&str; 3] = ["log_unavailable", "kicked", "draining"];

/// A publisher.
pub(crate) struct Publisher {
    pub(crate) name: String,
    pub(crate) topics: &'static [&'static str],
    /// The hubs that it talks to, a random one each time.
    pub(crate) hubs: Arc<[SocketAddr]>,
    /// How many updates it sends in one request.
    pub(crate) lines: usize,
    /// How long it rests between two requests.
    pub(crate) rest: Duration,
    pub(crate) random: fastrand::Rng,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) client: Client,
}

/// An update that is to be published.
struct Draft {
    topics: Vec<&'static str>,
    data: String,
}

impl Publisher {
    /// Publishes until it is told to stop, and then until everything is acknowledged.
    pub(crate) async fn publish_until(mut self, stop: watch::Receiver<bool>) {
        let mut newest = 0;
        for number in 0.. {
            if *stop.borrow() {
                return;
            }
            if self.lines == 1 {
                let draft = self.draft(number, 0);
                if let Some(seq) = self.publish(&draft, true).await {
                    if seq <= newest {
                        let data = &draft.data;
                        self.fault(format_args!("{data} is at {seq}, before {newest}"));
                    }
                    newest = seq;
                }
            } else {
                let drafts: Vec<Draft> =
                    (0..self.lines).map(|line| self.draft(number, line)).collect();
                self.publish_all(number, &drafts).await;
            }
            sleep(self.rest).await;
        }
    }

    /// Publishes one update to all topics until it is acknowledged.
    pub(crate) async fn publish_last(mut self, data: &str) {
        let draft = Draft { topics: self.topics.to_vec(), data: data.to_owned() };
        self.publish(&draft, false).await;
    }

    fn draft(&mut self, number: usize, line: usize) -> Draft {
        let mut topics = vec![self.topics[self.random.usize(..self.topics.len())]];
        let other = self.topics[self.random.usize(..self.topics.len())];
        if self.random.u8(..4) == 0 && other != topics[0] {
            topics.push(other);
        }
        Draft { topics, data: format!("{} {number}.{line}", self.name) }
    }

    /// Publishes one update until it is acknowledged or given up, and says where it is.
    async fn publish(&mut self, draft: &Draft, may_give_up: bool) -> Option<u64> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(draft.topics.iter().map(|topic| ("topic", topic)))
            .append_pair("data", &draft.data)
            .finish();
        let kind = "application/x-www-form-urlencoded";
        loop {
            if let Some(ids) = self.send(&draft.data, kind, &form).await
                && let Ok(id) = String::from_utf8(ids)
            {
                let seq = self.ledger.acknowledge(&self.name, &draft.data, &draft.topics, &id);
                if self.random.usize(..SAID_AGAIN) > 0 {
                    return Some(seq);
                }
                // As if the answer had not come.
                continue;
            }
            if may_give_up && self.random.usize(..GIVEN_UP) == 0 {
                self.ledger.give_up(&draft.data);
                return None;
            }
            sleep(PAUSE.mul_f64(self.random.f64())).await;
        }
    }

    /// Publishes many updates until each is acknowledged.
    async fn publish_all(&mut self, number: usize, drafts: &[Draft]) {
        let update = |draft: &Draft| json!({"topic": draft.topics, "data": draft.data}).to_string();
        let body: Vec<String> = drafts.iter().map(update).collect();
        let (body, key) = (body.join("\n"), format!("{} {number}", self.name));
        let mut is_acknowledged = vec![false; drafts.len()];
        while is_acknowledged.contains(&false) {
            let answer = self.send(&key, "application/x-ndjson", &body).await.unwrap_or_default();
            // A last line without its end was cut off.
            let whole =
                answer.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
            for (place, line) in whole.enumerate() {
                let result: Value = serde_json::from_slice(line).unwrap_or_default();
                let draft = &drafts[place];
                if let Some(id) = result["id"].as_str() {
                    self.ledger.acknowledge(&self.name, &draft.data, &draft.topics, id);
                    is_acknowledged[place] = true;
                } else if !SOFT.contains(&result["error"].as_str().unwrap_or_default()) {
                    self.fault(format_args!("{} was answered {result}", draft.data));
                }
            }
            if is_acknowledged.contains(&false) {
                sleep(PAUSE.mul_f64(self.random.f64())).await;
            }
        }
    }

    /// Sends a request to one of the hubs; what came of the body of its answer, if it was taken.
    async fn send(&mut self, key: &str, kind: &str, body: &str) -> Option<Vec<u8>> {
        let hub = self.hubs[self.random.usize(..self.hubs.len())];
        let request = self.client.post(format!("http://{hub}/events")).body(body.to_owned());
        let request = request.header("Content-Type", kind).header("Idempotency-Key", key);
        let mut answer = match request.timeout(PATIENCE).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => {
                self.fault(format_args!("no answer to {key} within {PATIENCE:?}"));
                return None;
            }
            Err(_) => return None,
        };
        let status = answer.status();
        let has_retry = answer.headers().contains_key("retry-after");
        let mut bytes = Vec::new();
        let ended = loop {
            match answer.chunk().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(error) => {
                    if error.is_timeout() {
                        self.fault(format_args!("half an answer to {key} within {PATIENCE:?}"));
                    }
                    break false;
                }
            }
        };
        match status {
            StatusCode::OK if ended || kind == "application/x-ndjson" => return Some(bytes),
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE if has_retry => {}
            _ => {
                let text = String::from_utf8_lossy(&bytes);
                self.fault(format_args!("{key} was answered {status}: {text}"));
            }
        }
        None
    }

    fn fault(&self, fault: fmt::Arguments<'_>) {
        self.ledger.fault(format_args!("{}: {fault}", self.name));
    }
}
