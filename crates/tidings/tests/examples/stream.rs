//! A subscriber: an event stream, read as it comes.

use std::{collections::VecDeque, time::Duration};

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tidings_wire::{Chunk, Decoder, Item};
use tokio::time::timeout;

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Its type: `message` where none was sent.
    pub(crate) kind: String,
    /// Its data, which is JSON.
    pub(crate) data: Value,
    pub(crate) id: String,
}

/// An open stream.
pub(crate) struct Stream {
    response: Response,
    decoder: Decoder,
    /// Decoded and not yet given out.
    events: VecDeque<Event>,
}

impl Stream {
    /// Answers when the stream is open: its head has come.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let request = request.header("accept", "text/event-stream").send();
        let response = timeout(PATIENCE, request).await.expect("the stream does not open").unwrap();
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/event-stream"), "{content_type}");
        Self { response, decoder: Decoder::new(), events: VecDeque::new() }
    }

    /// The next event. Fails when the stream ends.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let piece = timeout(PATIENCE, self.response.chunk()).await;
            let piece = piece.expect("no event came").unwrap().expect("the stream has ended");
            let mut input = Chunk::new(&piece);
            while let Some(item) = self.decoder.decode(&mut input).unwrap() {
                if let Item::Event(event) = item {
                    self.events.push_back(Event {
                        kind: event.event_type.to_owned(),
                        data: serde_json::from_str(event.data).unwrap(),
                        id: event.last_event_id.to_owned(),
                    });
                }
            }
        }
    }

    /// The texts of the next messages.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            let Event { kind, data, .. } = self.next().await;
            assert_eq!(kind, "message", "{data}");
            texts.push(data["text"].as_str().unwrap().to_owned());
        }
        texts
    }
}
