//! Cases that are data: the chunks a server sends, and the messages that come of them.

use std::any::Any;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::stage::Stage;

/// How long the server waits between chunks, so that they arrive as such. LaunchDarkly's suite waits no longer.
const BETWEEN: Duration = Duration::from_millis(20);

/// A case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    chunks: Vec<Vec<u8>>,
    expected: Vec<Message>,
}

#[derive(Debug, Clone)]
enum Message {
    Event { event_type: String, data: String, id: String },
    Comment(String),
}

impl Case {
    /// A case that sends nothing yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), chunks: Vec::new(), expected: Vec::new() }
    }

    /// Sends this in one chunk.
    pub(crate) fn send(mut self, chunk: impl AsRef<[u8]>) -> Self {
        self.chunks.push(chunk.as_ref().to_vec());
        self
    }

    /// Sends this in chunks of so many bytes.
    pub(crate) fn send_in(mut self, size: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.chunks.extend(bytes.as_ref().chunks(size).map(<[u8]>::to_vec));
        self
    }

    /// Expects a message without an id.
    pub(crate) fn data(self, data: impl Into<String>) -> Self {
        self.event("message", data, "")
    }

    pub(crate) fn event(mut self, event_type: &str, data: impl Into<String>, id: &str) -> Self {
        let (event_type, data, id) = (event_type.to_owned(), data.into(), id.to_owned());
        self.expected.push(Message::Event { event_type, data, id });
        self
    }

    pub(crate) fn comment(mut self, comment: &str) -> Self {
        self.expected.push(Message::Comment(comment.to_owned()));
        self
    }

    async fn play(self) {
        let (mut stage, stream) = Stage::open().await;
        for message in &self.expected {
            if let Message::Event { event_type, .. } = message
                && event_type != "message"
            {
                stage.listen(event_type).await;
            }
        }
        for (index, chunk) in self.chunks.into_iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            stream.send(chunk).await;
        }
        for message in &self.expected {
            match message {
                Message::Event { event_type, data, id } => {
                    stage.expect(event_type, data, id).await;
                }
                Message::Comment(comment) => stage.expect_comment(comment).await,
            }
        }
        stage.close(Some(stream)).await;
    }
}

/// Plays all of them at once, and says which are not as they should be.
pub(crate) async fn play(cases: Vec<Case>) {
    let total = cases.len();
    let mut playing = JoinSet::new();
    for case in cases {
        let name = case.name.clone();
        playing.spawn(async move { (name, tokio::spawn(case.play()).await) });
    }
    let mut faults = Vec::new();
    while let Some(played) = playing.join_next().await {
        let (name, result) = played.unwrap();
        if let Err(panic) = result {
            let text = match panic.try_into_panic().map(Box::<dyn Any + Send>::downcast::<String>) {
                Ok(Ok(text)) => *text,
                _ => "see above".to_owned(),
            };
            faults.push(format!("{name}: {text}"));
        }
    }
    assert!(faults.is_empty(), "{} of {total}:\n{}", faults.len(), faults.join("\n"));
}
