//! The dashboard as its reader sees it, and uses it.

use std::net::SocketAddr;

use fantoccini::{Locator, elements::Element};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::chromium::Chromium;

/// How long the page may take to show what is awaited. Below the driver's own limit for a script, which is 30 s.
const PATIENCE_MS: u32 = 20_000;

/// Waits in the page, without polling: whatever can be awaited is there as an element, a text or an attribute.
const UNTIL: &str = "
const [holds, patience, done] = [() => CONDITION, ...arguments];
const finish = (met) => { observer.disconnect(); clearTimeout(timer); done(met); };
const observer = new MutationObserver(() => holds() && finish(true));
const timer = setTimeout(finish, patience, false);
observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
if (holds()) finish(true);
";

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
pub(crate) struct Page {
    browser: Chromium,
}

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
        let browser = Chromium::start().await;
        browser.client.goto(&format!("http://{address}/")).await.unwrap();
        Self { browser }
    }

    /// Waits until a condition in the page's own language holds.
    pub(crate) async fn until(&self, condition: &str) {
        let script = UNTIL.replace("CONDITION", condition);
        let met = self.browser.client.execute_async(&script, vec![json!(PATIENCE_MS)]).await;
        if met.unwrap() != json!(true) {
            let text: String = self.read("return document.body.innerText").await;
            assert_eq!(condition, "", "did not come true on the page:\n{text}");
        }
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

    pub(crate) async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap();
    }

    /// Types into a field, in place of what it holds.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.element(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
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

    /// What the browser's console says.
    pub(crate) async fn console(&self) -> Vec<String> {
        self.browser.console().await
    }

    async fn element(&self, selector: &str) -> Element {
        self.browser.client.find(Locator::Css(selector)).await.unwrap()
    }

    async fn read<T: DeserializeOwned>(&self, script: &str) -> T {
        let value: Value = self.browser.client.execute(script, Vec::new()).await.unwrap();
        serde_json::from_value(value).unwrap()
    }
}
