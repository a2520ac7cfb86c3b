//! `tidings publish`: one update, as the form that every Mercure hub takes.

use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

use anyhow::Context as _;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName},
    redirect::Policy,
};

use crate::{
    args::PublishArgs,
    remote::{Refused, Remote, root_cause},
    terminal::printable,
};

/// The whole exchange, the hub's disk included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest id worth printing.
const MAX_ID_BYTES: usize = 64 << 10;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Publishes the update and prints its id.
///
/// # Errors
/// [`Refused`] when the hub turned it away; anything else when the hub could not be asked.
pub(crate) async fn publish(arguments: PublishArgs) -> anyhow::Result<()> {
    // A redirected POST becomes a GET, which would subscribe: a redirect is an answer like any
    // other.
    let remote =
        Remote::new(&arguments.remote, |client| client.timeout(TIMEOUT).redirect(Policy::none()))?;
    let mut request = remote
        .request(Method::POST, std::iter::empty())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(key) = &arguments.idempotency_key {
        request = request.header(IDEMPOTENCY_KEY, key);
    }
    let response = request.body(form(arguments)?).send().await.map_err(root_cause);
    let mut response = response
        .map_err(|cause| anyhow::anyhow!("cannot publish to {}: {cause}", remote.name()))?;
    if !response.status().is_success() {
        return Err(Refused::read(response).await.into());
    }
    let mut id = Vec::new();
    while let Some(chunk) =
        response.chunk().await.context("the update is published, but its id did not come")?
    {
        id.extend_from_slice(&chunk);
        anyhow::ensure!(
            id.len() <= MAX_ID_BYTES,
            "the answer is too long for an id: is this a hub?"
        );
    }
    Ok(writeln!(io::stdout(), "{}", printable(&String::from_utf8_lossy(&id)))?)
}

/// The update as a form.
fn form(arguments: PublishArgs) -> anyhow::Result<String> {
    let data = match arguments.data {
        Some(dash) if dash == "-" => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the data from standard input")?;
            Some(text)
        }
        data => data,
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("topic", &arguments.topic);
    let optional = [("data", data), ("type", arguments.event_type), ("id", arguments.id)];
    for (name, value) in optional {
        if let Some(value) = value {
            form.append_pair(name, &value);
        }
    }
    if let Some(retry) = arguments.retry {
        form.append_pair("retry", &retry.as_millis().to_string());
    }
    if arguments.private {
        form.append_pair("private", "on");
    }
    Ok(form.finish())
}
