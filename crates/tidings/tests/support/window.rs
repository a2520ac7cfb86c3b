//! A page in a browser of its own, used as a person uses it.

use fantoccini::{Locator, elements::Element};
use serde::de::DeserializeOwned;
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

/// An open page.
pub(crate) struct Window {
    browser: Chromium,
}

impl Window {
    pub(crate) async fn open(url: &str) -> Self {
        let browser = Chromium::start().await;
        browser.client.goto(url).await.unwrap();
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

    pub(crate) async fn click(&self, selector: &str) {
        self.element(selector).await.click().await.unwrap();
    }

    /// Types into a field, in place of what it holds.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.element(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What the browser's console says.
    pub(crate) async fn console(&self) -> Vec<String> {
        self.browser.console().await
    }

    pub(crate) async fn element(&self, selector: &str) -> Element {
        self.browser.client.find(Locator::Css(selector)).await.unwrap()
    }

    /// What a script in the page returns.
    pub(crate) async fn read<T: DeserializeOwned>(&self, script: &str) -> T {
        let value: Value = self.browser.client.execute(script, Vec::new()).await.unwrap();
        serde_json::from_value(value).unwrap()
    }
}
