//! The dashboard as its reader sees it, and uses it.

use std::{net::SocketAddr, ops::Deref};

use serde::Deserialize;
use serde_json::{Value, json};

use super::window::Window;

/// The rows, oldest first.
const ROWS: &str = "
return [...document.querySelectorAll('#events > li')].reverse().map((row) => ({
  kind: row.className,
  id: row.dataset.id ?? '',
  event_type: row.dataset.type ?? '',
  text: (row.querySelector('.data') ?? row.querySelector('.words')).textContent,
}));
";

/// The dashboard in a browser of its own.
pub(crate) struct Page(Window);

/// A row of the list.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Row {
    /// `event`, or `note` and what about.
    pub(crate) kind: String,
    /// The event's id.
    pub(crate) id: String,
    /// The event's type.
    pub(crate) event_type: String,
    /// The event's data, or the note's words.
    pub(crate) text: String,
}

impl Page {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(Window::open(&format!("http://{address}/")).await)
    }

    /// Waits until the connection has this state.
    pub(crate) async fn until_state(&self, state: &str) {
        self.until(&format!("document.querySelector('#state').dataset.state === '{state}'")).await;
    }

    /// Waits until there is an element for the selector.
    pub(crate) async fn until_there(&self, selector: &str) {
        self.until(&format!("document.querySelector({}) !== null", json!(selector))).await;
    }

    /// Waits until the event with this id is shown.
    pub(crate) async fn until_shown(&self, id: &str) {
        self.until_there(&format!("#events [data-id='{id}']")).await;
    }

    /// Waits until the connection came back so many times in all.
    pub(crate) async fn until_resumed(&self, times: usize) {
        self.until(&format!("document.querySelector('#resumes').textContent === '{times}'")).await;
    }

    pub(crate) async fn rows(&self) -> Vec<Row> {
        self.read(ROWS).await
    }

    /// The ids of the events shown, oldest first.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let rows = self.rows().await.into_iter();
        rows.filter(|row| row.kind == "event").map(|row| row.id).collect()
    }

    /// The words of the notes of a kind, oldest first.
    pub(crate) async fn notes(&self, kind: &str) -> Vec<String> {
        let kind = format!("note {kind}");
        let rows = self.rows().await.into_iter();
        rows.filter(|row| row.kind == kind).map(|row| row.text).collect()
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str) {
        self.read::<Value>(script).await;
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.element(selector).await.text().await.unwrap()
    }

    pub(crate) async fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        self.element(selector).await.attr(name).await.unwrap()
    }

    /// Sends the form with what is filled in, and gives the outcome and the words.
    pub(crate) async fn publish(&self) -> (String, String) {
        self.click("#publish").await;
        self.until(
            "['ok', 'error'].includes(document.querySelector('#publish-result').dataset.outcome)",
        )
        .await;
        let outcome = self.attribute("#publish-result", "data-outcome").await;
        (outcome.unwrap_or_default(), self.text("#publish-result").await)
    }
}

/// What can be done with every page.
impl Deref for Page {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.0
    }
}
