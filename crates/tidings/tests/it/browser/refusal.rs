//! A page that is turned away says why, and comes back by itself where waiting helps.

use super::{hub::Hub, line::Line, page::Page};
use crate::support::{run, tidings};

const KEY: &str = "a secret of at least 32 bytes, for tests";

#[tokio::test]
async fn a_refused_page_says_why_and_is_let_in_when_a_place_is_free() {
    let hub = Hub::serve(&["limits.per_address=1"]);
    let place = hub.take_place();
    let page = Page::open(hub.address).await;
    page.until_state("refused").await;
    assert_eq!(page.text("#state-detail").await, "The hub refused: address limit (429).");

    // However often it tries, it says so once.
    page.until("Number(document.querySelector('[data-fact=refused]').textContent) >= 3").await;
    let refusals = page.notes("refused").await;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].starts_with("Refused: address limit (429). The browser tries again in "));

    drop(place);
    page.until_state("open").await;
    let id = hub.publish("news", "for those inside");
    page.until_shown(&id).await;
}

#[tokio::test]
async fn a_page_that_finds_its_place_taken_resumes_when_it_is_let_in_again() {
    let hub = Hub::serve(&["limits.streams=1"]);
    let line = Line::to(hub.address).await;
    let page = Page::open(line.address).await;
    page.until_state("open").await;
    let before = hub.publish("news", "before");
    page.until_shown(&before).await;

    line.cut();
    page.until_state("connecting").await;
    let place = hub.take_place();
    line.mend();
    page.until_state("refused").await;
    let meanwhile = hub.publish("news", "meanwhile");
    drop(place);
    page.until_shown(&meanwhile).await;
    page.until_state("open").await;
    assert_eq!(page.ids().await, [before, meanwhile]);
    assert_eq!(page.notes("gap").await, [""; 0]);
    assert_eq!(page.text("#resumes").await, "1");
}

#[tokio::test]
async fn a_page_without_a_token_asks_for_one_and_works_with_it() {
    let (publisher, subscriber) =
        (format!("auth.publisher_key={KEY}"), format!("auth.subscriber_key={KEY}"));
    let dashboard = "dashboard.enabled=true";
    let hub = Hub::start(&["serve", "--set", dashboard, "--set", &publisher, "--set", &subscriber]);
    let page = Page::open(hub.address).await;
    page.until("document.querySelector('#state-detail').textContent.includes('401')").await;
    assert_eq!(page.attribute("#state", "data-state").await.as_deref(), Some("closed"));
    assert!(page.text("#state-detail").await.contains("set one under “Access token”"));

    let token = run(&mut tidings(&["token", "--key", KEY, "--publish", "*", "--subscribe", "*"]));
    page.click("summary").await;
    page.fill("#token", token.out().trim_end()).await;
    page.click("#token-form button").await;
    page.until_state("open").await;
    page.click("#publish-private").await;
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "ok", "{words}");
    let id = page.attribute("#publish-result", "data-id").await.unwrap();
    page.until_shown(&id).await;
}
