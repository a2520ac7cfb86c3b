//! A page that is turned away, or finds no way out of its browser, says why, and comes back by itself where waiting helps.

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

/// A hub that lets nobody in without a token.
fn guarded_hub() -> Hub {
    let publisher = format!("auth.publisher_key={KEY}");
    let subscriber = format!("auth.subscriber_key={KEY}");
    let memory = "log.store=memory";
    let settings =
        [memory, "dashboard.enabled=true", "stream.retry=100ms", &publisher, &subscriber];
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    Hub::start(&["serve"].into_iter().chain(settings).collect::<Vec<_>>())
}

/// Gives the page a token for everything that is good for this long.
async fn enter_token(page: &Page, expires: &str) {
    let arguments = ["token", "--key", KEY, "--publish", "*", "--subscribe", "*"];
    let token = run(tidings(&arguments).args(["--expires", expires]));
    page.fill("#token", token.out().trim_end()).await;
    page.click("#token-form button").await;
    page.until_state("open").await;
}

#[tokio::test]
async fn a_page_without_a_token_asks_for_one_and_works_with_it() {
    let hub = guarded_hub();
    let page = Page::open(hub.address).await;
    page.click("summary").await;
    page.until("document.querySelector('#state-detail').textContent.includes('401')").await;
    assert_eq!(page.attribute("#state", "data-state").await.as_deref(), Some("closed"));
    assert!(page.text("#state-detail").await.contains("set one under “Access token”"));

    enter_token(&page, "1h").await;
    page.click("#publish-private").await;
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "ok", "{words}");
    let id = page.attribute("#publish-result", "data-id").await.unwrap();
    page.until_shown(&id).await;
}

#[tokio::test]
async fn a_page_whose_token_ends_says_so_and_asks_for_another() {
    let hub = guarded_hub();
    let page = Page::open(hub.address).await;
    page.click("summary").await;
    enter_token(&page, "6s").await;
    page.until_there(".note.expired").await;
    // The browser comes back with the same token, and is told why that is final.
    page.until("document.querySelector('#state-detail').textContent.includes('401')").await;
    assert_eq!(page.attribute("#state", "data-state").await.as_deref(), Some("closed"));
    enter_token(&page, "1h").await;
}

#[tokio::test]
async fn a_page_whose_browser_has_no_connection_left_says_so() {
    let hub = Hub::serve(&[]);
    let page = Page::open(hub.address).await;
    page.until_state("open").await;
    // With the page's own stream there are six, as many as a browser opens to one origin over HTTP/1.1.
    page.run("for (let n = 0; n < 5; n += 1) (window.held ??= []).push(new EventSource('/events?topic=a'))")
        .await;
    page.until("document.querySelector('#stats-problem').textContent.includes('six connections')")
        .await;
    page.run("for (const source of window.held) source.close()").await;
    page.until("document.querySelector('#stats-problem').textContent === ''").await;
}
