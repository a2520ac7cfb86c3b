//! Who publishes through a balancer, and repeats each update until it is acknowledged.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use crate::browser::Browser;

/// How long an update may take to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before an update is sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// Publishes an update, and answers once a hub has acknowledged it. The data is also its idempotency key: sent twice it is
/// in the log once.
pub(crate) async fn publish(publisher: &Browser, topic: &str, data: &str) {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("topic", topic)
        .append_pair("data", data)
        .finish();
    let begun = Instant::now();
    loop {
        let request = publisher.client.post(&publisher.url).body(body.clone());
        let request = request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Idempotency-Key", data);
        let answer = request.send().await.map(|response| response.status());
        match answer {
            Ok(StatusCode::OK) => return,
            // A hub that goes down, no hub, or an answer that was lost.
            Ok(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {}
            Ok(other) => panic!("{other} for {data}"),
        }
        assert!(begun.elapsed() < PATIENCE, "{data} is not acknowledged: {answer:?}");
        sleep(PAUSE).await;
    }
}
