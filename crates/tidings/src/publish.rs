//! `tidings publish`: one update, as the form that every Mercure hub takes.

use std::io::{self, Read as _, Write as _};

use anyhow::Context as _;
use tidings_client::{Backoff, PublishError, Publisher, Update};

use crate::{
    args::PublishArgs,
    remote::{Refused, Remote, USER_AGENT},
    terminal::printable,
};

/// Publishes the update and prints its id.
///
/// # Errors
/// [`Refused`] when the hub turned it away; anything else when the hub could not be asked.
pub(crate) async fn publish(arguments: PublishArgs) -> anyhow::Result<()> {
    let remote = Remote::new(&arguments.remote)?;
    // Whoever runs the program decides whether to run it again.
    let mut publisher = Publisher::new(remote.url)
        .with_header("user-agent", USER_AGENT)
        .with_backoff(Backoff::default().with_max_attempts(1));
    if let Some(authorization) = remote.authorization {
        publisher = publisher.with_header("authorization", authorization);
    }
    let key = arguments.idempotency_key.clone();
    let mut publish = publisher.publish(&update(arguments)?);
    if let Some(key) = key {
        publish = publish.with_idempotency_key(key);
    }
    let id = publish.await.map_err(said)?;
    Ok(writeln!(io::stdout(), "{}", printable(&id))?)
}

/// What went wrong, for people.
fn said(error: PublishError) -> anyhow::Error {
    match error.refusal() {
        Some(refusal) => Refused(refusal.clone()).into(),
        None => error.into(),
    }
}

/// The update that was asked for.
fn update(arguments: PublishArgs) -> anyhow::Result<Update> {
    let data = match arguments.data {
        Some(dash) if dash == "-" => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the data from standard input")?;
            text
        }
        data => data.unwrap_or_default(),
    };
    let mut update = Update::new(arguments.topic, data);
    update.event_type = arguments.event_type;
    update.id = arguments.id;
    update.retry = arguments.retry;
    update.private = arguments.private;
    Ok(update)
}
