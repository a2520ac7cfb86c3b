//! Updates on their way to the page: published with curl, from the page's own form, and by the demo.

use std::process::{Command, Stdio};

use super::{hub::Hub, line::Line, page::Page};

/// Nothing failed to load, no policy was violated, nothing was thrown.
async fn assert_quiet(page: &Page) {
    assert_eq!(page.console().await, [""; 0]);
}

#[tokio::test]
async fn an_update_published_with_the_command_that_the_page_shows_appears_on_it() {
    let hub = Hub::serve(&[]);
    let page = Page::open(hub.address).await;
    page.until_state("open").await;

    let command = page.text("#curl").await;
    assert!(command.starts_with("curl "), "{command}");
    let id = if has_curl() {
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    } else {
        hub.publish("demo/hello", "{\"hello\": \"world\"}")
    };

    page.until_shown(&id).await;
    let rows = page.rows().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].id.as_str(), rows[0].text.as_str()), (id.as_str(), r#"{"hello":"world"}"#));
    assert_eq!(page.attribute("#last-id", "data-id").await, Some(id));
    assert_quiet(&page).await;
}

fn has_curl() -> bool {
    let version = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn an_update_from_the_form_is_published_and_shown_whatever_its_type() {
    let hub = Hub::serve(&[]);
    let page = Page::open(hub.address).await;
    page.until_state("open").await;
    page.fill("#publish-topic", "orders/7").await;
    page.fill("#publish-data", "<b>two</b>").await;
    page.fill("#publish-type", "order.created").await;
    page.fill("#publish-id", "urn:order:7").await;

    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "ok", "{words}");
    assert!(words.starts_with("Published as urn:order:7 in "), "{words}");
    page.until_shown("urn:order:7").await;
    let rows = page.rows().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (rows[0].event_type.as_str(), rows[0].text.as_str()),
        ("order.created", "<b>two</b>")
    );
    assert_quiet(&page).await;
}

#[tokio::test]
async fn a_publish_that_fails_is_explained_in_words() {
    let hub = Hub::serve(&["limits.update_bytes=8"]);
    let line = Line::to(hub.address).await;
    let page = Page::open(line.address).await;
    page.until_state("open").await;

    page.fill("#publish-data", "longer than eight bytes").await;
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "error", "{words}");
    assert!(words.ends_with("(413, data_too_large)."), "{words}");
    assert!(words.contains("23 bytes of at most 8"), "{words}");

    page.fill("#publish-data", "short").await;
    page.fill("#publish-id", "#1").await;
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "error", "{words}");
    assert!(words.ends_with("(400, bad_id)."), "{words}");

    line.cut();
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "error", "{words}");
    assert!(words.starts_with("The hub cannot be reached"), "{words}");

    line.mend();
    page.fill("#publish-id", "1").await;
    let (outcome, words) = page.publish().await;
    assert_eq!(outcome, "ok", "{words}");
}

#[tokio::test]
async fn the_demo_plots_the_machine_it_runs_on() {
    let hub = Hub::start(&["demo"]);
    let page = Page::open(hub.address).await;
    for chart in ["cpu", "memory", "network", "streams", "published", "delivered"] {
        let chart = format!("document.querySelector('[data-chart={chart}]')");
        page.until(&format!("/^[0-9]/.test({chart}?.querySelector('.value').textContent)")).await;
        // A line needs two points.
        page.until(&format!("{chart}.querySelector('.line').getAttribute('d').includes('L')"))
            .await;
    }
    assert_eq!(page.text("[data-chart=streams] .value").await, "1");
    assert_eq!(page.attribute("#state", "data-state").await.as_deref(), Some("open"));
    assert_quiet(&page).await;
}
