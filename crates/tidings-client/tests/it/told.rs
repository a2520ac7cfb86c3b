//! Signals as short texts, and clients that fit the tests.

use tidings_client::{Events, Retrying, Signal, Subscribe, http_client};

/// An HTTP client that heeds no proxies of the environment and needs no certificates.
pub(crate) fn plain_client() -> reqwest::Client {
    http_client().no_proxy().tls_certs_only([]).build().unwrap()
}

/// A subscription with the defaults.
pub(crate) fn subscribe(url: impl Into<String>) -> Subscribe {
    Subscribe::new(url).with_http_client(plain_client())
}

/// A signal as a short text; what is said of errors is without their URL.
pub(crate) fn text(signal: &Signal) -> String {
    match signal {
        Signal::Opened(opened) => format!("opened {}", opened.status.as_u16()),
        Signal::Event(event) => {
            format!("{} {:?} #{}", event.event_type, event.data, event.last_event_id)
        }
        Signal::Comment(text) => format!("comment {text:?}"),
        Signal::Retrying(Retrying { error, .. }) => format!("retrying: {}", error.failure()),
        Signal::Stopped(Some(error)) => format!("stopped: {}", error.failure()),
        Signal::Stopped(None) => "stopped".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Everything that happens until the subscription stops.
pub(crate) async fn all(events: &mut Events) -> Vec<Signal> {
    let mut signals = Vec::new();
    while let Some(signal) = events.next_signal().await {
        signals.push(signal);
    }
    assert!(matches!(signals.last(), Some(Signal::Stopped(_))), "{signals:?}");
    assert!(events.next().await.is_none(), "the end is the end");
    signals
}

/// The same as short texts.
pub(crate) async fn all_texts(subscribe: Subscribe) -> Vec<String> {
    all(&mut subscribe.open()).await.iter().map(text).collect()
}

/// The next so many signals as short texts.
pub(crate) async fn next_texts(events: &mut Events, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(text(&events.next_signal().await.unwrap()));
    }
    texts
}
