//! A subscription over as many connections as it takes: each one starts after the last event that was printed.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use http::StatusCode;
use reqwest::Url;
use tidings_client::{
    Attempt, Backoff, Events, Failure, Signal, Subscribe, SubscribeError, Verdict, default_policy,
};

use super::print::Style;
use crate::{
    args::SubscribeArgs,
    remote::{Refused, Remote, USER_AGENT},
    terminal::printable,
};

/// A stream that is silent for so long is lost: hubs send a comment at least every 45 seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);

/// How far the first waits of several processes lie apart at the most, besides what a hub does for that: it gives each
/// stream a `retry:` of its own.
const SPREAD: Duration = Duration::from_millis(250);

/// Prints events until the hub says there will be none.
///
/// # Errors
/// [`Refused`] when the hub turns the subscription away for good; anything else when it cannot be read or printed.
pub(crate) async fn subscribe(arguments: SubscribeArgs) -> anyhow::Result<()> {
    let style = Style::of_stdout(arguments.json);
    let mut events = open(arguments)?;
    while let Some(signal) = events.next_signal().await {
        match signal {
            Signal::Event(event) if event.from_hub().is_some() => {
                note(&format!("{}: {}", event.event_type, event.data))?;
            }
            Signal::Event(event) => style.print(&event)?,
            Signal::Retrying(retrying) => {
                let wait = retrying.wait.as_secs_f64();
                note(&format!("{:#}; again in {wait:.1} s", said(retrying.error)))?;
            }
            Signal::Stopped(Some(error)) => return Err(said(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The subscription that was asked for.
fn open(arguments: SubscribeArgs) -> anyhow::Result<Events> {
    let remote = Remote::new(&arguments.remote)?;
    let mut url = remote.url;
    url.query_pairs_mut()
        .extend_pairs(arguments.topics.iter().map(|topic| ("topic", topic.as_str())));
    let url =
        move |attempt: Attempt| std::future::ready(Ok::<_, io::Error>(resuming(&url, &attempt)));
    let mut subscribe = Subscribe::with_url_from(url)
        .with_header("user-agent", USER_AGENT)
        .with_policy(policy)
        .with_backoff(Backoff::default().with_base(SPREAD))
        .with_idle_timeout(SILENCE_LIMIT);
    if let Some(authorization) = remote.authorization {
        subscribe = subscribe.with_header("authorization", authorization);
    }
    if let Some(id) = arguments.last_event_id {
        subscribe = subscribe.with_last_event_id(id);
    }
    Ok(subscribe.open())
}

/// The token stays the one that was given, so there is no point in showing it again.
fn policy(status: StatusCode) -> Verdict {
    match default_policy(status) {
        Verdict::Renew => Verdict::Stop,
        verdict => verdict,
    }
}

/// The URL of an attempt: an id with control characters fits in no header, so it goes here.
fn resuming(url: &Url, attempt: &Attempt) -> String {
    let mut url = url.clone();
    if attempt.last_event_id.contains(|c: char| c.is_ascii_control() && c != '\t') {
        url.query_pairs_mut().append_pair("lastEventID", &attempt.last_event_id);
    }
    url.into()
}

/// What went wrong, for people.
fn said(error: SubscribeError) -> anyhow::Error {
    match error.failure() {
        Failure::Refused(refusal) => Refused(refusal.clone()).into(),
        _ => error.into(),
    }
}

fn note(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "tidings: {}", printable(text))
}
