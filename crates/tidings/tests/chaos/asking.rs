//! A publish whose answer is looked at.

use std::{net::SocketAddr, time::Duration};

use reqwest::Client;
use tokio::time::{Instant, sleep};

/// How long a publisher tries until its update is taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a key may be.
const MAX_KEY_BYTES: usize = 255;

/// Who asks one hub or another, perhaps with a token.
pub(crate) struct Asking {
    pub(crate) client: Client,
    pub(crate) token: Option<String>,
}

/// What a hub answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The seconds of `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Asking {
    pub(crate) fn new() -> Self {
        Self { client: Client::builder().no_proxy().build().unwrap(), token: None }
    }

    /// Publishes an update to the topic `a`. Its idempotency key is how its data begins.
    pub(crate) async fn publish(&self, hub: SocketAddr, data: &str) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("topic", "a")
            .append_pair("data", data)
            .finish();
        let kind = "application/x-www-form-urlencoded";
        let mut request = self.client.post(format!("http://{hub}/events")).body(body);
        let key = data.get(..MAX_KEY_BYTES).unwrap_or(data);
        request = request.header("Content-Type", kind).header("Idempotency-Key", key);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let begun = Instant::now();
        let answer = request.send().await.unwrap();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.map(|seconds| seconds.to_str().unwrap().parse().unwrap());
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer { status, retry_after, text, took: begun.elapsed() }
    }

    /// Publishes until it is acknowledged, and gives the id.
    pub(crate) async fn publish_until_taken(&self, hub: SocketAddr, data: &str) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.publish(hub, data).await;
            if answer.status == 200 {
                return answer.text;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(
                begun.elapsed() < PATIENCE,
                "{data} was not taken for {PATIENCE:?}: {answer:?}"
            );
            sleep(PAUSE).await;
        }
    }
}
